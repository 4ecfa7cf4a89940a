"""`realcoze chat`: which gateway the terminal talks through."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from realcoze.app.config import Settings
from realcoze.app.emulation import emulated_settings
from realcoze.app.wiring import open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.account import SESSION_ID
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating
from realcoze.faces.terminal.chat import Chat
from realcoze.faces.terminal.pipe import answer_pipe
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import open_native

WORKER = "chat"
"""A terminal beside a running server has a device id of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the command line said."""

    bot: str
    url: str
    key: str
    demo: bool
    steps: bool


async def talk(opening: Opening, settings: Callable[[], Settings]) -> int:
    """Talk until the end; the exit code.  `settings` is only asked when they are needed."""
    bot = BotName(opening.bot)
    async with _gateway(opening, settings) as (gateway, state_dir):
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            question = sys.stdin.buffer.read().decode(errors="replace")
            return await answer_pipe(gateway, question, bot=bot, out=sys.stdout, err=sys.stderr)
        history = state_dir / "typed" if state_dir else None
        return await Chat(gateway, bot=bot, show_steps=opening.steps, history_file=history).run()


@asynccontextmanager
async def _gateway(opening: Opening, settings: Callable[[], Settings]) -> AsyncIterator[tuple[Gateway, Path | None]]:
    """The gateway, and where to keep what was typed."""
    if opening.url:
        async with open_native(opening.url, key=Secret(opening.key)) as upstream:
            # The server knows its bots; here every name is passed on.
            name = BotName(opening.bot)
            yield Gateway(Routes({name: upstream}, catches_all=True)), None
    elif opening.demo:
        async with (
            emulating(PlaygroundSettings(session_id=SESSION_ID)) as emulator,
            emulated_settings(emulator) as made,
            open_house(made, worker=WORKER) as house,
        ):
            yield house.gateway, None
    else:
        loaded = settings()
        async with open_house(loaded, worker=WORKER) as house:
            yield house.gateway, loaded.state_dir
