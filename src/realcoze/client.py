"""The Python API: open a bot, say something, iterate what it does.

    async with realcoze.open() as coze:
        reply = await coze.ask("Hello")
        async with coze.say("And now?", history=[...]) as turn:
            async for event in turn:
                ...

`open_sync` gives the same names for scripts.  For its users: docs/python.md.
"""

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypedDict, Unpack

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from realcoze.app.config import load_settings
from realcoze.app.emulation import emulated_house
from realcoze.app.wiring import open_house
from realcoze.domain.content import MediaPart, Part, Text
from realcoze.domain.event import Event
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, ConversationId, UserId
from realcoze.domain.message import Message
from realcoze.domain.request import Json, Request, Wants
from realcoze.errors import BadRequest
from realcoze.gateway.chat import Gateway, TurnStream
from realcoze.gateway.route import Onward
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import open_native

Question = str | Part | Sequence[str | Part]
"""A text, an uploaded picture or file, or several of them."""

_TEXTS = frozenset({"custom_variables", "meta_data", "extra_params"})
"""Options whose values are texts; those of `_TREES` are any JSON."""

_TREES = frozenset({"parameters", "shortcut_command"})

_EVERYTHING = Wants(reasoning=True, steps=True, suggestions=True, usage=True)


class Options(TypedDict, total=False):
    """What may be said of a turn beside its question; those after `wants` are Coze's own (open API).

    `history` is what was said before, oldest first; a `conversation_id`, from a `Reply`, goes on with
    what Coze has kept of it instead.
    """

    bot: str
    history: Sequence[Message]
    wants: Wants
    conversation_id: str
    user_id: str
    custom_variables: Mapping[str, str]
    parameters: Mapping[str, Json]
    meta_data: Mapping[str, str]
    extra_params: Mapping[str, str]
    shortcut_command: Mapping[str, Json]


class Coze:
    """The bots that can be reached.  Made by `open`; any number of turns may run at once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def bots(self) -> tuple[BotName, ...]:
        """Their names; the first one answers when no name is given.  Empty with `url`: the server knows them."""
        return self._gateway.bots

    def say(self, question: Question, **options: Unpack[Options]) -> AbstractAsyncContextManager[TurnStream]:
        """A turn to iterate; its last event says how it ended.  Leaving the block early stops it."""
        return self._gateway.say(_request(question, **options))

    async def ask(self, question: Question, **options: Unpack[Options]) -> Reply:
        """The whole reply.  Raises a `RealcozeError` when the turn fails; cancelling stops the turn."""
        return await self._gateway.ask(_request(question, **options))

    async def upload(self, file: bytes | str | os.PathLike[str], *, name: str = "", bot: str = "") -> MediaPart:
        """Put a file, or its bytes, where the bot can see it; the result is a part of a question."""
        if isinstance(file, bytes):
            return await self._gateway.upload(file, name, bot=BotName(bot))
        data = await anyio.Path(file).read_bytes()
        return await self._gateway.upload(data, name or Path(file).name, bot=BotName(bot))


class SyncCoze:
    """The same for scripts.  Made by `open_sync`."""

    def __init__(self, coze: Coze, portal: BlockingPortal) -> None:
        self._coze = coze
        self._portal = portal

    @property
    def bots(self) -> tuple[BotName, ...]:
        return self._coze.bots

    @contextmanager
    def say(self, question: Question, **options: Unpack[Options]) -> Iterator[Iterator[Event]]:
        """See `Coze.say`."""
        turn = self._coze.say(question, **options)
        with self._portal.wrap_async_context_manager(turn) as stream:
            yield self._events(stream)

    def ask(self, question: Question, **options: Unpack[Options]) -> Reply:
        """See `Coze.ask`."""
        return self._portal.call(lambda: self._coze.ask(question, **options))

    def upload(self, file: bytes | str | os.PathLike[str], *, name: str = "", bot: str = "") -> MediaPart:
        """See `Coze.upload`."""
        return self._portal.call(lambda: self._coze.upload(file, name=name, bot=bot))

    def _events(self, stream: TurnStream) -> Iterator[Event]:
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
        async with open_house(settings) as house:
            yield Coze(house.gateway)


@contextmanager
def _open_sync(opening: AbstractAsyncContextManager[Coze]) -> Iterator[SyncCoze]:
    with (
        start_blocking_portal(backend_options={"use_uvloop": True}) as portal,
        portal.wrap_async_context_manager(opening) as coze,
    ):
        yield SyncCoze(coze, portal)


def _request(
    question: Question,
    *,
    bot: str = "",
    history: Sequence[Message] = (),
    wants: Wants = _EVERYTHING,
    conversation_id: str = "",
    user_id: str = "",
    **more: Any,
) -> Request:
    items = [question] if isinstance(question, str | Text | MediaPart) else question
    parts = tuple(Text(text=item) if isinstance(item, str) else item for item in items)
    if not parts:
        raise BadRequest("The question is empty.")
    _check_options({"bot": bot, "conversation_id": conversation_id, "user_id": user_id}, more)
    return Request(
        messages=(*history, Message(role="user", parts=parts)),
        bot=BotName(bot),
        conversation_id=ConversationId(conversation_id) if conversation_id else None,
        user_id=UserId(user_id) if user_id else None,
        wants=wants,
        **more,
    )


def _check_options(names: Mapping[str, object], more: Mapping[str, object]) -> None:
    """Refuse what no upstream could send, before a call is spent.

    Raises `TypeError` for an unknown option, which is a defect of the program, else `BadRequest`.
    """
    if unknown := sorted(more.keys() - _TEXTS - _TREES):
        raise TypeError(f"{unknown[0]!r} is no option; there are {', '.join(Options.__annotations__)}")
    for name, value in names.items():
        if not isinstance(value, str):
            raise BadRequest(f"{name} is {type(value).__name__}; it must be text.")
    for name, value in more.items():
        if not isinstance(value, Mapping):
            raise BadRequest(f"{name} is {type(value).__name__}; it must be a dict.")
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadRequest(f"{name} has a key that is {type(key).__name__}; it must be text.")
            if name in _TEXTS and not isinstance(item, str):
                raise BadRequest(f"{name}[{key[:80]!r}] is {type(item).__name__}; it must be text.")
            if not _is_json(item):
                raise BadRequest(f"{name}[{key[:80]!r}] is not what JSON can say.")


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return value is None or isinstance(value, bool | int | float | str)
