"""A running `realcoze serve` for tests of its faces: a bot that does what one test wants, and raw clients.

`serving` puts the real application on the real server; `plainly_serving` the same on uvicorn as it is.
`Bot` stands at the port `Chats`, where the emulator cannot make a situation.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import uvicorn

from realcoze.app.config import Server, Settings
from realcoze.app.server import DEFAULT_LIMITS, Limits, listening
from realcoze.app.wiring import House, build_app
from realcoze.domain.event import Event, TextDelta, TurnDone, TurnStarted
from realcoze.domain.ids import BotName, ChatId, ConversationId, MessageId
from realcoze.domain.ports import Chats, Sink
from realcoze.domain.request import Request
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from servers import PATIENCE_S, Watched

HELLO = b'[{"role": 2, "content": "Hello"}]'
"""The shortest question."""

MESSAGE = MessageId("m1")


class Turn(Watched):
    """One turn of a `Bot`: what the bot does in it, and what became of it."""

    def __init__(self, request: Request, sink: Sink) -> None:
        super().__init__()
        self.request = request
        self.go = anyio.Event()
        """For the test to let the bot go on."""
        self.is_paused = False
        self.pauses = 0
        self.is_cancelled = False
        self.is_over = False
        self._sink = sink
        sink.open(self)

    def pause(self) -> None:
        self.is_paused = True
        self.pauses += 1
        self.changed()

    def resume(self) -> None:
        self.is_paused = False
        self.changed()

    def feed(self, *events: Event) -> None:
        for event in events:
            self._sink.feed(event)

    def start(self) -> None:
        self.feed(TurnStarted(chat_id=ChatId("chat-1"), conversation_id=ConversationId("conversation-1")))

    def say(self, *texts: str) -> None:
        self.feed(*(TextDelta(message_id=MESSAGE, text=text) for text in texts))

    def done(self) -> None:
        self.feed(TurnDone())

    async def until_ready(self) -> None:
        """While the reader is too slow, wait."""
        await self.until(lambda: not self.is_paused)


Script = Callable[[Turn], Awaitable[None]]


class Bot(Watched):
    """A fake at the port `Chats`; each turn runs `script`."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.turns: list[Turn] = []

    async def converse(self, request: Request, sink: Sink) -> None:
        turn = Turn(request, sink)
        self.turns.append(turn)
        self.changed()
        try:
            await self.script(turn)
        except asyncio.CancelledError:
            turn.is_cancelled = True
            raise
        finally:
            turn.is_over = True
            turn.changed()

    async def turn(self, place: int = 0) -> Turn:
        """The turn that began as number `place`, once it has."""
        await self.until(lambda: len(self.turns) > place)
        return self.turns[place]


def saying(*texts: str) -> Bot:
    """A bot that says this at once."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.say(*texts)
        turn.done()

    return Bot(script)


def settings(**server: Any) -> Settings:
    """Settings of nothing but the server."""
    return Settings(server=Server(**server), upstreams={}, bots={}, catches_all=False, state_dir=Path("/nowhere"))


def application(bots: Chats | Mapping[str, Chats], **server: Any) -> Any:
    """The application, as `realcoze serve` makes it."""
    table = bots if isinstance(bots, Mapping) else {"bot": bots}
    gateway = Gateway(Routes({BotName(name): chats for name, chats in table.items()}))
    return build_app(House(gateway, lambda: {"fake": {"socket": "idle", "turns": 0}}), settings(**server))


@dataclass(frozen=True, slots=True)
class Served:
    """Where it is."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def serving(
    bots: Chats | Mapping[str, Chats], *, grace_s: float = 5.0, limits: Limits = DEFAULT_LIMITS, **server: Any
) -> AsyncIterator[Served]:
    """Serve `bots`; `server` are settings of `[server]`."""
    app = application(bots, **server)
    async with listening(app, host="127.0.0.1", port=0, grace_s=grace_s, limits=limits) as port:
        yield Served(port)


@asynccontextmanager
async def plainly_serving(bots: Chats | Mapping[str, Chats], **server: Any) -> AsyncIterator[Served]:
    """The same on uvicorn as it is, which lends no connection."""
    config = uvicorn.Config(application(bots, **server), lifespan="off", log_config=None, access_log=False)
    listener = socket.create_server(("127.0.0.1", 0))
    plain = _Plain(config)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(plain.serve, [listener])
        await plain.ready.wait()
        yield Served(listener.getsockname()[1])
        plain.should_exit = plain.force_exit = True


class _Plain(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()
