"""`realcoze emulate`, and settings that reach an emulator."""

import shlex
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import msgspec

from realcoze.app.accounts import OpenUpstream, PlaygroundUpstream
from realcoze.app.config import OPEN_UPSTREAM, SEED_UPSTREAM, Bot, Server, Settings
from realcoze.app.invocation import our_command
from realcoze.app.signals import STOP, told
from realcoze.app.wiring import House, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator import fault
from realcoze.emulator.account import API_TOKEN, BOTS, CHATFLOW, SESSION_ID, WORKFLOWS, bot_config
from realcoze.emulator.delivery import FrameForm
from realcoze.emulator.open_api import fault as open_fault
from realcoze.emulator.open_api.assertion import JWT_CLIENT_ID
from realcoze.emulator.open_api.secretary import NAME as SECRETARY
from realcoze.emulator.open_api.settings import PLANS, OpenSettings, Personality
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import Emulator, emulating
from realcoze.errors import Misconfigured

Api = Literal["playground", "open", "studio"]
"""Which of Coze's APIs written settings speak; `studio` also makes the open API that of Coze Studio."""

RECKONER = "reckoner"
"""The bot that is told of the tools of a request."""

SHOWN = ("poem", "quiz", "form", "files")
"""The workflows of a demonstration; the others, which are for tests, can be run by their ids."""

KEY_FILE = "private_key.pem"
OURS = "COZE_API_BASE=http://127.0.0.1:"
"""Who has the id of our OAuth app, which stands in the documentation, and this address, has nothing of their own."""

BEAT_S = 5.0
"""How long its silent workflow says nothing at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the command line said."""

    port: int
    seed: int
    pace: float
    frames: FrameForm
    folder: Path | None
    api: Api
    plan: str


async def emulate(wish: Wish) -> int:
    """Serve until stopped; says how to reach it."""
    settings = PlaygroundSettings(session_id=SESSION_ID, seed=wish.seed, pace=wish.pace, frame_form=wish.frames)
    personality: Personality = "studio" if wish.api == "studio" else "coze"
    open_api = OpenSettings(personality=personality, seed=wish.seed, pace=wish.pace, beat_s=BEAT_S, **PLANS[wish.plan])
    with told(*STOP) as signals:
        async with emulating(settings, open_api, port=wish.port) as emulator:
            click.echo(f"A Coze of our own at {emulator.base}, until Ctrl-C. Its bots:")
            for bot in BOTS:
                click.echo(f"  {bot.name:9} {bot.bot_id}  {bot.about}")
            click.echo("Its workflows and its chatflow, on the open API:")
            for flow in (*WORKFLOWS, CHATFLOW):
                click.echo(f"  {flow.name:9} {flow.workflow_id}  {flow.about}")
            if wish.folder is None:
                click.echo("Add --write FOLDER to get the settings that reach it.")
            else:
                _write(wish.folder, emulator, wish.api)
                click.echo(f"Wrote settings that reach it into {wish.folder}. Now, in another terminal:")
                click.echo(f"  cd {shlex.quote(str(wish.folder))} && {our_command()} chat")
                if wish.api == "open":
                    click.echo(_reached_by_key(emulator))
            await anext(signals)
    return 0


def describe_faults() -> str:
    """The faults, for people."""
    lines = ["Write [[fault NAME]] or [[fault NAME after=3 value=4015]] into the last message."]
    for title, faults in (
        ("On the playground, the call:", fault.CALL_FAULTS),
        ("On the playground, the answer, after that many pushes:", fault.PUSH_FAULTS),
        ("On the open API, the call:", open_fault.CALL_FAULTS),
        ("On the open API, the turn:", open_fault.TURN_FAULTS),
        ("On the open API, the stream, after that many deltas:", open_fault.STREAM_FAULTS),
    ):
        lines += ["", title, *(f"  {name:11} {about}" for name, about in faults.items())]
    return "\n".join(lines)


@asynccontextmanager
async def emulated_settings(emulator: Emulator, server: Server | None = None) -> AsyncIterator[Settings]:
    """Settings with all bots and workflows of an emulator; their files live as long as the block.

    The bots are on the playground, but for the one that wants tools: that is of the open API, as workflows are.
    """
    with tempfile.TemporaryDirectory(prefix="realcoze-") as name:
        folder = Path(name)
        for bot in BOTS:
            _write_bot(folder, bot.name)
        bots = {BotName(bot.name): Bot(upstream=SEED_UPSTREAM, config=str(folder / f"{bot.name}.json")) for bot in BOTS}
        secretary = next(bot for bot in BOTS if bot.name == SECRETARY)
        bots[BotName(RECKONER)].tools = "emulate"
        bots[BotName(SECRETARY)] = Bot(upstream=OPEN_UPSTREAM, bot_id=secretary.bot_id)
        for flow in WORKFLOWS:
            if flow.name in SHOWN:
                bots[BotName(flow.name)] = Bot(upstream=OPEN_UPSTREAM, workflow_id=flow.workflow_id)
        bots[BotName(CHATFLOW.name)] = Bot(upstream=OPEN_UPSTREAM, chatflow_id=CHATFLOW.workflow_id)
        yield Settings(
            server=server or Server(),
            upstreams={
                SEED_UPSTREAM: PlaygroundUpstream(session_id=SESSION_ID, base=emulator.base),
                OPEN_UPSTREAM: OpenUpstream(token=API_TOKEN, base=emulator.base),
            },
            bots=bots,
            catches_all=False,
            state_dir=folder / "state",
        )


@asynccontextmanager
async def emulated_house() -> AsyncIterator[tuple[House, Settings]]:
    """Everything on an embedded Coze of its own."""
    async with (
        emulating(PlaygroundSettings(session_id=SESSION_ID)) as emulator,
        emulated_settings(emulator) as settings,
        open_house(settings) as house,
    ):
        yield house, settings


def _write(folder: Path, emulator: Emulator, api: Api) -> None:
    """A folder to run `realcoze chat` and `realcoze serve` in, as with a real account."""
    env = folder / ".env"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_is_free(folder, env)
        env.touch(mode=0o600)
        if api == "playground":
            for bot in BOTS:
                _write_bot(folder, bot.name)
            _write_bot(folder, BOTS[0].name, "config.json")
            env.write_text(f"session_id={SESSION_ID}\nCOZE_PLAYGROUND_BASE={emulator.base}\ntemp_path=./temp\n")
        else:
            lines = (f"COZE_API_TOKEN={API_TOKEN}", f"COZE_API_BASE={emulator.base}", f"COZE_BOT_ID={BOTS[0].bot_id}")
            env.write_text("\n".join((*lines, "temp_path=./temp", "")))
        if api == "open":
            _write_key(folder / KEY_FILE, emulator.open_api.oauth.app.private_key)
    except OSError as error:
        raise Misconfigured(f"{error.filename} cannot be written: {error.strerror}.") from error


def _write_key(path: Path, key: str) -> None:
    """As Coze gives it to the owner of an OAuth app."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(key)


def _reached_by_key(emulator: Emulator) -> str:
    """How to try the key: the settings of its OAuth app, in place of the token's."""
    app = emulator.open_api.oauth.app
    return (
        "Its .env may hold an OAuth app in place of COZE_API_TOKEN; the key is another one each time:\n"
        f"  COZE_JWT_OAUTH_CLIENT_ID={app.client_id}\n"
        f"  COZE_JWT_OAUTH_PUBLIC_KEY_ID={app.key_id}\n"
        f"  COZE_JWT_OAUTH_PRIVATE_KEY_FILE_PATH=./{KEY_FILE}"
    )


def _check_is_free(folder: Path, env: Path) -> None:
    """Refuse a folder with somebody's real settings; one that an emulator wrote may be written again."""
    written = env.read_text(encoding="utf-8", errors="replace") if env.is_file() else ""
    if SESSION_ID in written or API_TOKEN in written or (JWT_CLIENT_ID in written and OURS in written):
        return
    for path in (env, folder / KEY_FILE, folder / "config.json", *(folder / f"{bot.name}.json" for bot in BOTS)):
        if path.exists():
            raise Misconfigured(f"{path} is there already.", hint="Name a folder that is new or empty.")


def _write_bot(folder: Path, name: str, file: str = "") -> None:
    bot = next(bot for bot in BOTS if bot.name == name)
    (folder / (file or f"{name}.json")).write_bytes(msgspec.json.format(msgspec.json.encode(bot_config(bot)), indent=1))
