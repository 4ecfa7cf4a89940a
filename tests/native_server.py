"""A running `realcoze serve` for tests of its faces: a bot that does what one test wants, and raw clients.

`serving` puts the real application on the real server; `plainly_serving` the same on uvicorn as it is.
`Bot` stands at the port `Chats`, where the emulator cannot make a situation.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import uvicorn

from realcoze.app.config import Server, Settings
from realcoze.app.connection import DEFAULT_LIMITS, Limits
from realcoze.app.server import listening
from realcoze.app.wiring import House, build_app
from realcoze.domain.event import Event, TextDelta, TurnDone, TurnStarted
from realcoze.domain.ids import BotName, ChatId, ConversationId, MessageId
from realcoze.domain.ports import Chats, Sink, Store
from realcoze.domain.request import Request
from realcoze.gateway.chat import Gateway
from realcoze.gateway.kept import Kept
from realcoze.gateway.route import Routes
from realcoze.gateway.unattended import WHOLE, Bounds, Keeping, Unattended
from realcoze.stores.memory import MemoryStore
from realcoze.tasks import background_tasks
from servers import PATIENCE_S, Watched

HELLO = b'[{"role": 2, "content": "Hello"}]'
"""The shortest question."""

HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
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
        self.sink = sink
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
            self.sink.feed(event)

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


class Relay:
    """A fake at the port `Chats` that hands each turn to the one that a test has set."""

    target: Chats

    async def converse(self, request: Request, sink: Sink) -> None:
        await self.target.converse(request, sink)


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


def application(bots: Chats | Mapping[str, Chats], *, keeping: Keeping | None = None, **server: Any) -> Any:
    """The application, as `realcoze serve` makes it."""
    table = bots if isinstance(bots, Mapping) else {"bot": bots}
    gateway = Gateway(Routes({BotName(name): chats for name, chats in table.items()}))
    return build_app(House(gateway, lambda: {"fake": {"socket": "idle", "turns": 0}}, keeping), settings(**server))


@asynccontextmanager
async def keeping_answers(store: Store | None = None, *, whole: Bounds = WHOLE) -> AsyncIterator[Keeping]:
    """Where answers are kept, and made in the background, for as long as the block lasts."""
    async with background_tasks() as tasks:
        yield Keeping(Kept(MemoryStore() if store is None else store), Unattended(tasks, whole=whole))


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


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response as it stood on the wire; `body` is what came after the head, chunks and all."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The inner object of an error, whose request id is the header's."""
        error = self.json["error"]
        assert error["request_id"] == self.headers["x-request-id"]
        return error

    @property
    def has_last_chunk(self) -> bool:
        return self.body.endswith(b"0\r\n\r\n")

    @property
    def text(self) -> str:
        """The body without its chunks, as much as came."""
        assert self.headers["transfer-encoding"] == "chunked"
        whole, at = bytearray(), 0
        while at < len(self.body):
            start = self.body.index(b"\r\n", at) + 2
            end = start + int(self.body[at : start - 2], 16)
            whole += self.body[start:end]
            at = end + 2
        return whole.decode()


def parsed(raw: bytes) -> Answer:
    """The one response in what came until the end of a connection."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value for name, _, value in fields}, body)


def request(
    body: bytes = HELLO, *, path: str = "/", method: str = "POST", host: str | None = "localhost", **headers: str | None
) -> bytes:
    """A request as bytes; names of headers with `_` for `-`, one that is None is left out."""
    lines = {"host": host, "content-length": str(len(body)), "connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items() if value is not None)]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


class Connection:
    """A raw client: what it sends and gets is bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.got = b""

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        with anyio.fail_after(PATIENCE_S):
            await self._writer.drain()

    def half_close(self) -> None:
        self._writer.write_eof()

    def leave(self) -> None:
        """Gone without a word."""
        self._writer.transport.abort()

    async def until(self, mark: bytes, *, times: int = 1) -> bytes:
        """Everything so far, once `mark` has come so often."""
        with anyio.fail_after(PATIENCE_S):
            while self.got.count(mark) < times:
                chunk = await self._reader.read(1 << 20)
                assert chunk, f"the connection ended before {mark!r}: {self.got[-500:]!r}"
                self.got += chunk
        return self.got

    async def rest(self) -> bytes:
        """Everything, once the server has ended the connection; how it did makes no difference."""
        with anyio.fail_after(PATIENCE_S), contextlib.suppress(ConnectionError):
            while chunk := await self._reader.read(1 << 20):
                self.got += chunk
        return self.got


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A raw client, which leaves in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(port: int, data: bytes) -> bytes:
    """What the server says to these bytes until it ends the connection."""
    async with connected(port) as connection:
        await connection.send(data)
        return await connection.rest()


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response as aiohttp's client read it; `is_whole` unless the connection ended inside it."""

    status: int
    headers: Mapping[str, str]
    body: str
    is_whole: bool

    @property
    def objects(self) -> list[Any]:
        """The objects of a stream without separators."""
        decoder, found, at = json.JSONDecoder(), [], 0
        while at < len(self.body):
            value, at = decoder.raw_decode(self.body, at)
            found.append(value)
        return found

    @property
    def lines(self) -> list[Any]:
        """The records of NDJSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def events(self) -> list[Any]:
        """The records of server-sent events."""
        blocks = (block.splitlines() for block in self.body.split("\n\n") if block)
        return [json.loads(block[-1].removeprefix("data: ")) for block in blocks if not block[0].startswith(":")]


NDJSON, SSE = "application/x-ndjson", "text/event-stream"


async def stream(port: int, body: bytes = HELLO, *, accept: str = "*/*", query: str = "") -> Streamed:
    """Ask for a stream and read it to its end, however it ends."""
    url = f"http://127.0.0.1:{port}/?stream=true{query}"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=body, headers={"Accept": accept}, timeout=aiohttp.ClientTimeout(PATIENCE_S)) as answer,
    ):
        got = bytearray()
        try:
            async for chunk in answer.content.iter_any():
                got += chunk
        except aiohttp.ClientPayloadError:
            return Streamed(answer.status, answer.headers, got.decode(), is_whole=False)
        return Streamed(answer.status, answer.headers, got.decode(), is_whole=True)


async def post(port: int, body: bytes = HELLO, **options: Any) -> Answer:
    """One POST on a connection of its own; see `request`."""
    return parsed(await exchange(port, request(body, **options)))


@contextmanager
def deaf_client(port: int, data: bytes, *, takes: int = 4096) -> Iterator[socket.socket]:
    """A client that sends `data` and then reads nothing; its system `takes` as little as it can."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, takes)
        client.settimeout(PATIENCE_S)
        client.connect(("127.0.0.1", port))
        client.sendall(data)
        yield client


def read_all(client: socket.socket) -> bytes:
    """To the end of the connection, however it ends."""
    got = bytearray()
    try:
        while chunk := client.recv(1 << 20):
            got += chunk
    except ConnectionError:
        pass
    return bytes(got)


def read_some(client: socket.socket) -> bytes:
    """More than a system hides from us: below that, nothing is seen to be taken."""
    got = bytearray()
    while len(got) < 256 << 10 and (chunk := client.recv(64 << 10)):
        got += chunk
    return bytes(got)
