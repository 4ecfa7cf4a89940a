"""The Python API: open a bot, say something, iterate what it does.

    async with realcoze.open() as coze:
        reply = await coze.ask("Hello")
        async with coze.say("And now?", history=[...]) as turn:
            async for event in turn:
                ...

`open_sync` gives the same names for scripts.  For its users: docs/python.md.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Unpack

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from realcoze.app.config import load_settings
from realcoze.app.emulation import emulated_house
from realcoze.app.wiring import open_alone
from realcoze.domain.content import MediaPart
from realcoze.domain.event import Event
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Sound, Speech
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Onward
from realcoze.options import Options, Question, request_of
from realcoze.rounds import say_with_tools
from realcoze.toolbox import Toolbox
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import open_native

__all__ = ["Coze", "Options", "Question", "SyncCoze", "Tools", "open", "open_sync"]

Tools = Sequence[Callable[..., Any]]
"""Functions that the bot may call, see `realcoze.tool`."""

_PathOrBytes = bytes | str | os.PathLike[str]


class Coze:
    """The bots that can be reached.  Made by `open`; any number of turns may run at once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def bots(self) -> tuple[BotName, ...]:
        """Their names; the first one answers when no name is given.  Empty with `url`: the server knows them."""
        return self._gateway.bots

    def say(
        self, question: Question = "", *, tools: Tools = (), **options: Unpack[Options]
    ) -> AbstractAsyncContextManager[AsyncIterator[Event]]:
        """A turn to iterate; its last event says how it ended.  Leaving the block early stops it.

        With `tools` it goes on by itself after a `ToolCallsRequested`.
        """
        request = request_of(question, **options)
        return say_with_tools(self._gateway, request, Toolbox(tools)) if tools else self._gateway.say(request)

    async def ask(self, question: Question = "", *, tools: Tools = (), **options: Unpack[Options]) -> Reply:
        """The whole reply.  Raises a `RealcozeError` when the turn fails; cancelling stops the turn."""
        request = request_of(question, **options)
        if not tools:
            return await self._gateway.ask(request)
        fold = Fold()
        async with say_with_tools(self._gateway, request, Toolbox(tools)) as turn:
            async for event in turn:
                fold.feed(event)
        return fold.finish()

    async def upload(self, file: _PathOrBytes, *, name: str = "", bot: str = "") -> MediaPart:
        """Put a file, or its bytes, where the bot can see it; the result is a part of a question."""
        return await self._gateway.upload(*await _read(file, name), bot=BotName(bot))

    async def speak(
        self,
        text: str,
        *,
        bot: str = "",
        voice: str = "",
        format: str = "mp3",  # noqa: A002 - the field's word
        speed: float = 1.0,
    ) -> Sound:
        """A text, spoken: bytes, and their type.  Without a `voice` the one of the settings speaks."""
        speech = Speech(text=text, voice=voice, format=format, speed=speed)
        return await self._gateway.speak(speech, bot=BotName(bot))

    async def transcribe(self, file: _PathOrBytes, *, name: str = "", bot: str = "") -> str:
        """What is said in a recording: a file, or its bytes."""
        return await self._gateway.transcribe(*await _read(file, name), bot=BotName(bot))


class SyncCoze:
    """The same for scripts.  Made by `open_sync`."""

    def __init__(self, coze: Coze, portal: BlockingPortal) -> None:
        self._coze = coze
        self._portal = portal

    @property
    def bots(self) -> tuple[BotName, ...]:
        return self._coze.bots

    @contextmanager
    def say(
        self, question: Question = "", *, tools: Tools = (), **options: Unpack[Options]
    ) -> Iterator[Iterator[Event]]:
        """See `Coze.say`."""
        turn = self._coze.say(question, tools=tools, **options)
        with self._portal.wrap_async_context_manager(turn) as stream:
            yield self._events(stream)

    def ask(self, question: Question = "", *, tools: Tools = (), **options: Unpack[Options]) -> Reply:
        """See `Coze.ask`."""
        return self._portal.call(lambda: self._coze.ask(question, tools=tools, **options))

    def upload(self, file: _PathOrBytes, *, name: str = "", bot: str = "") -> MediaPart:
        """See `Coze.upload`."""
        return self._portal.call(lambda: self._coze.upload(file, name=name, bot=bot))

    def speak(
        self,
        text: str,
        *,
        bot: str = "",
        voice: str = "",
        format: str = "mp3",  # noqa: A002 - the field's word
        speed: float = 1.0,
    ) -> Sound:
        """See `Coze.speak`."""
        return self._portal.call(lambda: self._coze.speak(text, bot=bot, voice=voice, format=format, speed=speed))

    def transcribe(self, file: _PathOrBytes, *, name: str = "", bot: str = "") -> str:
        """See `Coze.transcribe`."""
        return self._portal.call(lambda: self._coze.transcribe(file, name=name, bot=bot))

    def _events(self, stream: AsyncIterator[Event]) -> Iterator[Event]:
        async def following() -> Event | None:
            return await anext(stream, None)

        while (event := self._portal.call(following)) is not None:
            yield event


def open(
    *, url: str = "", key: str = "", demo: bool = False, config: str | os.PathLike[str] | None = None
) -> AbstractAsyncContextManager[Coze]:
    """The bots, for as long as the block lasts; nothing is sent to Coze before something is said.

    `url` talks to a running `realcoze serve`, `demo` to an embedded Coze; else the settings of the
    current folder count, as for the command (docs/settings.md).  Raises `Misconfigured`.
    """
    return _AsyncBlock(_open(url, key, demo=demo, config=config))


def open_sync(
    *, url: str = "", key: str = "", demo: bool = False, config: str | os.PathLike[str] | None = None
) -> AbstractContextManager[SyncCoze]:
    """See `open`.  The work is done by an event loop in a thread of its own."""
    return _Block(_open_sync(_open(url, key, demo=demo, config=config)))


class _Block(AbstractContextManager[SyncCoze]):
    """What `open_sync` gives; of no use but in a `with`, and says so."""

    def __init__(self, block: AbstractContextManager[SyncCoze]) -> None:
        self._block = block

    def __enter__(self) -> SyncCoze:
        return self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._block.__exit__(kind, error, trace)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} is there within a block: `with realcoze.open_sync(…) as coze:`")


class _AsyncBlock(AbstractAsyncContextManager[Coze]):
    """What `open` gives."""

    def __init__(self, block: AbstractAsyncContextManager[Coze]) -> None:
        self._block = block

    async def __aenter__(self) -> Coze:
        return await self._block.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._block.__aexit__(kind, error, trace)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name!r} is there within a block: `async with realcoze.open(…) as coze:`")


async def _read(file: _PathOrBytes, name: str) -> tuple[bytes, str]:
    """The bytes of a file, with a name for them; bytes are what they are."""
    if isinstance(file, bytes):
        return file, name
    return await anyio.Path(file).read_bytes(), name or Path(file).name


@asynccontextmanager
async def _open(url: str, key: str, *, demo: bool, config: str | os.PathLike[str] | None) -> AsyncIterator[Coze]:
    if url:
        async with open_native(url, key=Secret(key)) as upstream:
            yield Coze(Gateway(Onward(upstream)))
    elif demo:
        async with emulated_house() as (house, _):
            yield Coze(house.gateway)
    else:
        toml = Path(config) if config else None
        settings = load_settings(folder=Path.cwd(), environment=os.environ, toml=toml)
        async with open_alone(settings) as house:
            yield Coze(house.gateway)


@contextmanager
def _open_sync(opening: AbstractAsyncContextManager[Coze]) -> Iterator[SyncCoze]:
    with (
        start_blocking_portal(backend_options={"use_uvloop": True}) as portal,
        portal.wrap_async_context_manager(opening) as coze,
    ):
        yield SyncCoze(coze, portal)
