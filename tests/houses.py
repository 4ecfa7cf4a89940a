"""All of realcoze in the test's own process: from settings to a server on a free port."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from commands import settle
from realcoze.app.accounts import OpenUpstream, PlaygroundUpstream
from realcoze.app.config import OPEN_UPSTREAM, SEED_UPSTREAM, Bot, Server, Settings
from realcoze.app.server import listening
from realcoze.app.wiring import House, build_app, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.account import API_TOKEN, BOTS, SESSION_ID
from servers import Coze


def settings_for(coze: Coze, folder: Path, **server: Any) -> Settings:
    """Settings with all the emulator's bots."""
    settle(folder, coze.base)
    return Settings(
        server=Server(**server),
        upstreams={SEED_UPSTREAM: PlaygroundUpstream(session_id=SESSION_ID, base=coze.base)},
        bots={BotName(bot.name): Bot(upstream=SEED_UPSTREAM, config=str(folder / f"{bot.name}.json")) for bot in BOTS},
        catches_all=False,
        state_dir=folder / "temp",
    )


def open_settings_for(coze: Coze, folder: Path, **server: Any) -> Settings:
    """The same over the open API."""
    return Settings(
        server=Server(**server),
        upstreams={OPEN_UPSTREAM: OpenUpstream(token=API_TOKEN, base=coze.base)},
        bots={BotName(bot.name): Bot(upstream=OPEN_UPSTREAM, bot_id=bot.bot_id) for bot in BOTS},
        catches_all=False,
        state_dir=folder / "temp",
    )


@asynccontextmanager
async def opened(coze: Coze, folder: Path) -> AsyncIterator[House]:
    """The gateway with its upstreams."""
    async with open_house(settings_for(coze, folder)) as house:
        yield house


@asynccontextmanager
async def served(coze: Coze, folder: Path, **server: Any) -> AsyncIterator[str]:
    """The same behind HTTP; its address."""
    settings = settings_for(coze, folder, **server)
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def served_openly(
    coze: Coze,
    folder: Path,
    *,
    voice_id: str = "",
    voices: Mapping[str, str] = MappingProxyType({}),
    recovery_calls: int = 8,
    idle_s: float = 90.0,
    **server: Any,
) -> AsyncIterator[str]:
    """All of it over the open API, with a voice; its address."""
    settings = open_settings_for(coze, folder, **server)
    account = settings.upstreams[OPEN_UPSTREAM]
    assert isinstance(account, OpenUpstream)
    account.voice_id, account.voices, account.recovery_calls = voice_id, dict(voices), recovery_calls
    account.idle_s = idle_s
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        yield f"http://127.0.0.1:{port}"
