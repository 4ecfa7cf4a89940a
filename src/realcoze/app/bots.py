"""`realcoze bots`: the published bots that a token reaches, as lines for realcoze.toml."""

import click

from realcoze.app.accounts import OpenUpstream
from realcoze.app.config import Settings
from realcoze.app.wiring import open_settings
from realcoze.dialects.coze_open.catalog import ListedBot, Workspace
from realcoze.errors import Misconfigured, RealcozeError
from realcoze.faces.terminal.printable import one_line
from realcoze.upstreams.coze_open.upstream import open_coze


async def list_bots(settings: Settings, *, workspace_id: str) -> int:
    """Ask Coze and show them; each page of up to 50 is one call, and so is the list of workspaces."""
    accounts = {name: each for name, each in settings.upstreams.items() if isinstance(each, OpenUpstream)}
    if not accounts:
        raise Misconfigured(
            "There is no account of the open API in the settings.", hint="Set COZE_API_TOKEN, and try again."
        )
    failure: RealcozeError | None = None
    for name, upstream in accounts.items():
        try:
            await _show(name, upstream, workspace_id)
        except RealcozeError as error:
            if failure is not None:
                click.echo(f"realcoze: {one_line(failure.message)}", err=True)
            failure = error
    if failure is not None:
        raise failure
    return 0


async def _show(name: str, upstream: OpenUpstream, workspace_id: str) -> None:
    async with open_coze(open_settings(upstream, {})) as coze:
        workspaces = [Workspace(id=workspace_id)] if workspace_id else await coze.lists.workspaces()
        for workspace in workspaces:
            bots = await coze.lists.bots(str(workspace.id))
            click.echo(
                f"# {one_line(str(workspace.name or workspace.id))}: {len(bots)} published bot(s) on {upstream.base}"
            )
            for bot in bots:
                click.echo(f"\n[bots.{_key(bot)}]\nupstream = {_quoted(name)}\nbot_id = {_quoted(bot.known_as)}")


def _key(bot: ListedBot) -> str:
    return _quoted(bot.name or bot.bot_name or bot.known_as)


def _quoted(text: str) -> str:
    """A TOML string."""
    safe = "".join(letter for letter in text if letter.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'
