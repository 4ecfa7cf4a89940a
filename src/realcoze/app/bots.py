"""`realcoze bots`: the published bots that a token reaches, as lines for realcoze.toml."""

import click

from realcoze.app.accounts import OpenUpstream
from realcoze.app.config import Settings
from realcoze.app.wiring import open_settings
from realcoze.dialects.coze_open.catalog import PAGE_SIZE, ListedBot, Workspace
from realcoze.errors import Misconfigured, NotFound, RealcozeError
from realcoze.upstreams.coze_open.calls import Calls
from realcoze.upstreams.coze_open.upstream import open_coze

NO_SUCH_CALL = 404
"""Coze Studio's code for a path that it does not know."""


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
                click.echo(f"realcoze: {failure.message}", err=True)
            failure = _without_lists(upstream.base) if error.upstream_code == NO_SUCH_CALL else error
    if failure is not None:
        raise failure
    return 0


async def _show(name: str, upstream: OpenUpstream, workspace_id: str) -> None:
    async with open_coze(open_settings(upstream, {})) as coze:
        workspaces = [Workspace(id=workspace_id)] if workspace_id else await _workspaces(coze.calls)
        for workspace in workspaces:
            bots = await _bots(coze.calls, str(workspace.id))
            click.echo(f"# {workspace.name or workspace.id}: {len(bots)} published bot(s) on {upstream.base}")
            for bot in bots:
                click.echo(f'[bots.{_key(bot)}]\nupstream = {_quoted(name)}\nbot_id = "{bot.known_as}"')


def _without_lists(base: str) -> NotFound:
    return NotFound(
        f"{base} has no list of bots; Coze Studio has none.",
        hint="Take the bot's id from the address of its page: COZE_BOT_ID, or bot_id in realcoze.toml.",
    )


async def _workspaces(calls: Calls) -> list[Workspace]:
    found: list[Workspace] = []
    total, page = 1, 1
    while len(found) < total:
        more, total = await calls.workspaces(page)
        if not more:
            break
        found += more
        page += 1
    return found


async def _bots(calls: Calls, workspace_id: str) -> list[ListedBot]:
    found: list[ListedBot] = []
    total, page = 1, 1
    while len(found) < total:
        more, total = await calls.bots(workspace_id, page)
        found += more
        if len(more) < PAGE_SIZE:
            break
        page += 1
    return found


def _key(bot: ListedBot) -> str:
    return _quoted(bot.name or bot.bot_name or bot.known_as)


def _quoted(text: str) -> str:
    """A TOML string."""
    safe = "".join(letter for letter in text if letter.isprintable()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{safe}"'
