"""The command `realcoze`.  What a subcommand needs is imported when it runs: `--help` stays quick."""

import gc
import io
import os
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from realcoze import __version__
from realcoze.errors import Misconfigured, RealcozeError

if TYPE_CHECKING:
    from realcoze.app.config import Settings

STANDARD_ERROR = 2
"""The highest number of a standard stream."""

CONFIG_OPTION = click.option(
    "--config", "toml", type=click.Path(dir_okay=False, path_type=Path), help="A realcoze.toml; else the one here."
)
UPSTREAM_OPTION = click.option("--upstream", default=None, help="Which account, where the settings have several.")
VERBOSE_OPTION = click.option("-v", "--verbose", count=True, help="A line for each turn; twice: everything.")


class Commands(click.Group):
    """Commands that Ctrl-C ends with one code, also while they are still being imported."""

    def invoke(self, ctx: click.Context) -> Any:
        """See `click.Group`, which says "Aborted!" instead."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            from realcoze.faces.terminal.exits import STOPPED

            ctx.exit(STOPPED)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="realcoze")
def cli() -> None:
    """Make a Coze bot answer any client.

    Without an account: `realcoze demo`, or `realcoze chat --demo`.
    """


@cli.command()
@CONFIG_OPTION
@UPSTREAM_OPTION
@VERBOSE_OPTION
@click.option("--bot", default="", help="Which bot, by its name in the settings; else the first.")
@click.option("--url", default="", help="Talk to a running `realcoze serve` at this address instead.")
@click.option("--key", default="", envvar="REALCOZE_KEY", help="The key of that server.", show_envvar=True)
@click.option("--demo", is_flag=True, help="Talk to the bots of an embedded Coze; no account is needed.")
@click.option("--steps", is_flag=True, help="Show what the bot does on the way.")
def chat(
    *,
    toml: Path | None,
    upstream: str | None,
    verbose: int,
    bot: str,
    url: str,
    key: str,
    demo: bool,
    steps: bool,
) -> None:
    """Talk to a bot on the terminal, or answer a question that is piped in."""
    from realcoze.app import talk

    if url and demo:
        raise click.UsageError("--url and --demo exclude each other.")
    opening = talk.Opening(bot=bot, url=url, key=key, demo=demo, steps=steps)
    # A turn that fails says so where its answer would stand.
    _run(
        lambda: talk.talk(opening, lambda: _settings(toml, realcoze_upstream=upstream)),
        verbose,
        quiet=["realcoze.upstreams"],
    )


@cli.command()
@CONFIG_OPTION
@UPSTREAM_OPTION
@VERBOSE_OPTION
@click.argument("workflow")
@click.option("--input", "inputs", multiple=True, help="A JSON object, key=value, or a text; several times.")
@click.option("--file", "files", multiple=True, help="key=PATH: upload a file and give it under that name.")
@click.option("--last", "is_last_only", is_flag=True, help="Print only what the last node gives, when it is whole.")
@click.option("--resume", "event_id", default="", help="Go on with a run that asked, by the id of its question.")
@click.option("--kind", default="question", show_default=True, help="Of which kind that question was.")
@click.option("--conversation", default="", help="In which conversation a chatflow asked it.")
@click.option("--chat", default="", help="In which chat of that.")
@click.option("--answer", default="", help="The answer to it.")
@click.option("--url", default="", help="Run it by a running `realcoze serve` at this address instead.")
@click.option("--key", default="", envvar="REALCOZE_KEY", help="The key of that server.", show_envvar=True)
@click.option("--demo", is_flag=True, help="Run one of an embedded Coze; no account is needed.")
def run(
    *,
    toml: Path | None,
    upstream: str | None,
    verbose: int,
    workflow: str,
    inputs: tuple[str, ...],
    files: tuple[str, ...],
    is_last_only: bool,
    event_id: str,
    kind: str,
    conversation: str,
    chat: str,
    answer: str,
    url: str,
    key: str,
    demo: bool,
) -> None:
    """Run WORKFLOW, by its id or a name of the settings; its questions are asked on the terminal."""
    from realcoze.app import run as running
    from realcoze.app.talk import Opening
    from realcoze.domain.ids import ChatId, ConversationId
    from realcoze.domain.request import Resume

    if not workflow:
        raise click.UsageError("WORKFLOW is empty: give its id, or a name of the settings.")
    if url and demo:
        raise click.UsageError("--url and --demo exclude each other.")
    if event_id and (inputs or files):
        raise click.UsageError("--resume takes --answer, and neither --input nor --file.")
    if bool(answer) != bool(event_id):
        raise click.UsageError("--resume and --answer belong together.")
    if (conversation or chat) and not event_id:
        raise click.UsageError("--conversation and --chat belong to --resume.")
    opening = Opening(bot=workflow, url=url, key=key, demo=demo, steps=True)
    resume = Resume(event_id=event_id, kind=kind) if event_id else None
    order = running.Order(
        inputs=inputs,
        files=files,
        resume=resume,
        conversation_id=ConversationId(conversation) if conversation else None,
        chat_id=ChatId(chat) if chat else None,
        answer=answer,
        is_last_only=is_last_only,
    )
    _run(
        lambda: running.run(opening, order, lambda: _settings(toml, realcoze_upstream=upstream)),
        verbose,
        quiet=["realcoze.upstreams"],
    )


@cli.command()
@CONFIG_OPTION
@UPSTREAM_OPTION
@VERBOSE_OPTION
@click.option("--host", default=None, help="Where to listen; 127.0.0.1. Another one wants REALCOZE_KEY.")
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="8080; 0 takes a free one.")
def serve(*, toml: Path | None, upstream: str | None, verbose: int, host: str | None, port: int | None) -> None:
    """Answer other programs over HTTP."""
    from realcoze.app import serving

    _run(
        lambda: serving.serve(_settings(toml, server_host=host, server_port=port, realcoze_upstream=upstream)), verbose
    )


@cli.command()
@CONFIG_OPTION
@click.argument("client", default="")
@click.option("--url", default="", help="Where the server is; else as the settings say.")
@click.option("--model", default="", help="Which bot; else all of the settings.")
def snippets(*, toml: Path | None, client: str, url: str, model: str) -> None:
    """Print what to paste into CLIENT to talk to `realcoze serve`; without CLIENT, whom there is a text for."""
    from realcoze.app import snippets as texts
    from realcoze.app.address import callable_at
    from realcoze.domain.urls import root_of
    from realcoze.errors import BadRequest
    from realcoze.gateway.route import ONLY_BOT

    if client and client not in texts.CLIENTS:
        raise click.UsageError(f"{client!r} is none of: {', '.join(texts.CLIENTS)}.")

    async def work() -> int:
        settings = _settings(toml)
        server = settings.server
        base = root_of(url) or f"http://{callable_at(server.host, server.port)}"
        models = (model,) if model else tuple(settings.bots) or (ONLY_BOT,)
        if client and settings.discovering and not (model or settings.bots):
            raise BadRequest(
                "Which bot is not in the settings.",
                hint="Say it with --model NAME; /v1/models of the server lists them.",
            )
        note = _key_note(settings.folder) if server.key else ""
        here = texts.Here(base=base, models=models, has_key=bool(server.key), key_note=note)
        click.echo(texts.snippet(client, here) if client else texts.listing(), nl=not client)
        return 0

    _run(work, verbose=0)


@cli.command()
@CONFIG_OPTION
@UPSTREAM_OPTION
@VERBOSE_OPTION
@click.option("--yes", is_flag=True, help="Make the calls to Coze that some checks need, without asking.")
def doctor(*, toml: Path | None, upstream: str | None, verbose: int, yes: bool) -> None:
    """Look for what stands between you and an answer, and say what to do."""
    from realcoze.app import doctor as surgery

    ask = surgery.answers(yes=yes, terminal=sys.stdin.isatty())
    _run(lambda: surgery.examine(lambda: _settings(toml, realcoze_upstream=upstream), ask), verbose)


@cli.command()
@CONFIG_OPTION
@VERBOSE_OPTION
@click.option("--workspace", default="", help="Only this one, by its id; else all that the token reaches.")
def bots(*, toml: Path | None, verbose: int, workspace: str) -> None:
    """List the published bots that your token reaches; it costs a call to Coze for each 50."""
    from realcoze.app import bots as listing

    _run(lambda: listing.list_bots(_settings(toml), workspace_id=workspace), verbose)


@cli.command()
@CONFIG_OPTION
@VERBOSE_OPTION
@click.option("--client-id", default="", help="The OAuth app to log in with; else client_id of the settings.")
@click.option("--base", default=None, help="Where; else COZE_API_BASE, else https://api.coze.com.")
@click.option("--pkce", is_flag=True, help="Come back from the browser to this machine, instead of by a code.")
@click.option("--port", type=click.IntRange(0, 65535), default=8085, show_default=True, help="Where to, with --pkce.")
def login(*, toml: Path | None, verbose: int, client_id: str, base: str | None, pkce: bool, port: int) -> None:
    """Log in to Coze as yourself; later runs that have no token use it."""
    from realcoze.app import login as logging_in

    async def work() -> int:
        wish = logging_in.wish_of(_account(toml, base), client_id)
        if pkce:
            return await logging_in.log_in_by_browser(wish, port=port)
        return await logging_in.log_in_by_device(wish)

    _run(work, verbose)


@cli.command()
@CONFIG_OPTION
@VERBOSE_OPTION
@click.option("--client-id", default="", help="Only the login with this OAuth app.")
@click.option("--base", default=None, help="Where; else COZE_API_BASE, else https://api.coze.com.")
def logout(*, toml: Path | None, verbose: int, client_id: str, base: str | None) -> None:
    """Forget what `realcoze login` has kept."""
    from realcoze.app import login as logging_in

    _run(lambda: logging_in.log_out(_account(toml, base), client_id=client_id), verbose)


@cli.command()
@VERBOSE_OPTION
@click.option("--port", type=click.IntRange(0, 65535), default=None, help="Where to serve; server_port, else 8080.")
@click.option("--once", is_flag=True, help="Show the conversation and end, instead of serving on.")
def demo(*, verbose: int, port: int | None, once: bool) -> None:
    """Show everything at work on an embedded Coze: no account, no network."""
    from realcoze.app import demo as demonstration

    # Who ends a demonstration means its answers, too.
    quiet = ["realcoze.app.server"]
    _run(lambda: demonstration.demonstrate(_settings(None, server_port=port), once=once), verbose, quiet=quiet)


@cli.command()
@VERBOSE_OPTION
@click.option("--port", type=click.IntRange(0, 65535), default=8081, show_default=True, help="0 takes a free one.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed, the same answers.")
@click.option(
    "--pace", type=click.FloatRange(min=0), default=40.0, show_default=True, help="Tokens a second; 0: at once."
)
@click.option("--frames", type=click.Choice(["json", "gzip", "bare", "mixed"]), default="json", show_default=True)
@click.option("--write", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write .env and bots here.")
@click.option(
    "--api",
    type=click.Choice(["playground", "open", "studio"]),
    default="playground",
    show_default=True,
    help="Which of Coze's APIs the written settings speak; studio also makes it a Coze Studio.",
)
@click.option(
    "--plan",
    type=click.Choice(["free", "pro", "team", "enterprise", "none"]),
    default="none",
    show_default=True,
    help="Whose limits the open API has: calls a second, and 500 in all for free.",
)
@click.option("--faults", is_flag=True, help="List the faults it makes on request, and end.")
def emulate(
    *,
    verbose: int,
    port: int,
    seed: int,
    pace: float,
    frames: Any,
    folder: Path | None,
    api: Any,
    plan: str,
    faults: bool,
) -> None:
    """Run a Coze of our own, to work without a network."""
    from realcoze.app import emulation

    if faults:
        click.echo(emulation.describe_faults())
        return
    wish = emulation.Wish(port=port, seed=seed, pace=pace, frames=frames, folder=folder, api=api, plan=plan)
    _run(lambda: emulation.emulate(wish), verbose)


def main() -> None:
    """Run the command; the exit code tells failures apart (docs/command.md)."""
    gc.disable()  # what is imported stays; to look through it for rubbish takes a fifth of the start
    _fill_closed_streams()
    _let_streams_write_anything()
    try:
        cli(prog_name="realcoze")
    except OSError as error:  # of `--help`; commands end by themselves
        from realcoze.app.ending import exit_code_of

        sys.exit(exit_code_of(error))


def _fill_closed_streams() -> None:
    """Put /dev/null where a standard stream was closed (`<&-`), for which Python has None.

    Else files of the event loop get the streams' numbers, and libuv (of uvloop 0.23) aborts when it closes one.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0)
    sys.stdout = sys.stdout or os.fdopen(1, "w")
    sys.stderr = sys.stderr or os.fdopen(STANDARD_ERROR, "w")


def _let_streams_write_anything() -> None:
    """Show a mark for what a terminal that is not UTF-8 (GBK, Latin-1) has no character for, rather than end there."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _key_note(folder: Path) -> str:
    """What is to be done for a snippet to find the key in its environment."""
    from realcoze.app import snippets as texts
    from realcoze.app.sources import a_shell_reads, spelled_in_env

    if texts.KEY_NAME in os.environ:
        return ""
    for name in os.environ:
        if name.upper() == texts.KEY_NAME:
            return texts.renamed_key_note(name)
    spelled = spelled_in_env(folder, texts.KEY_NAME.lower())
    if spelled and a_shell_reads(folder, spelled):
        return texts.key_note(spelled)
    return texts.pasted_key_note(".env" if spelled else "realcoze.toml")


def _settings(toml: Path | None, **overrides: object) -> "Settings":
    from realcoze.app.config import load_settings

    try:
        folder = Path.cwd()
    except FileNotFoundError:
        raise Misconfigured("The folder that this runs in is not there any more.", hint="Go to another one.") from None
    return load_settings(folder=folder, environment=os.environ, toml=toml, overrides=overrides)


def _account(toml: Path | None, base: str | None) -> "Settings":
    """Settings with an account of the open API in them, even where nothing but its address is set."""
    return _settings(toml, coze_api_base=base, coze_bot_id="")


def _run(work: Callable[[], Coroutine[Any, Any, int]], verbose: int, *, quiet: Iterable[str] = ()) -> None:
    """Run `work` to its exit code; what ends it otherwise becomes a sentence on stderr and a code."""
    import anyio

    from realcoze.app.logging import set_up_logging

    set_up_logging(verbose=verbose, quiet=quiet)
    gc.freeze()
    gc.enable()
    try:
        code = anyio.run(work, backend_options={"use_uvloop": True})
        sys.stdout.flush()
    except (RealcozeError, OSError, KeyboardInterrupt, BaseExceptionGroup) as error:
        from realcoze.app.ending import exit_code_of

        code = exit_code_of(error)
    sys.exit(code)
