"""Running servers and what watches them, for tests: all on loopback, each on a port of its own.

`emulated` is a Coze of our own and `reached` an upstream to it; `raw_server` and `socket_server` say
what one test wants said.  `Wire` and `Gathered` are waited for instead of slept for.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import astuple, dataclass, field
from operator import le
from pathlib import Path
from typing import Any

import anyio
from aiohttp import web

from realcoze.dialects.coze_playground.execute import config_from
from realcoze.domain.event import ENDS, Event, TurnFailed
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import BotName
from realcoze.domain.message import say
from realcoze.domain.ports import Chats, Flow
from realcoze.domain.request import Request
from realcoze.emulator.account import API_TOKEN, BOTS, SESSION_ID, bot_config
from realcoze.emulator.open_api.server import OpenServer
from realcoze.emulator.open_api.settings import OpenSettings as OpenEmulatorSettings
from realcoze.emulator.playground import PlaygroundServer
from realcoze.emulator.playground import PlaygroundSettings as EmulatorSettings
from realcoze.emulator.server import emulating
from realcoze.emulator.wire import Kind, WireNote
from realcoze.upstreams.coze_open.settings import Deadlines as OpenDeadlines
from realcoze.upstreams.coze_open.settings import OpenSettings, Target
from realcoze.upstreams.coze_open.upstream import CozeOpen, open_coze
from realcoze.upstreams.coze_playground.settings import Deadlines, Heart, PlaygroundSettings
from realcoze.upstreams.coze_playground.upstream import Playground, open_playground
from realcoze.upstreams.credentials import Secret

PATIENCE_S = 10.0
"""Ten times what anything here should take; who waits longer has found a defect."""

BOT_CONFIGS = {BotName(bot.name): config_from(bot_config(bot)) for bot in BOTS}
QUICK = Deadlines(connect=2, tls=2, reply=5, first_event=5, idle=5, queue=5, socket=2)
QUICK_OPEN = OpenDeadlines(
    connect=2, tls=2, reply=5, upload=5, first_event=5, idle=5, recovery=0.01, tail=0.5, cancel=2, queue=5
)
TARGETS = {BotName(bot.name): Target(id=bot.bot_id) for bot in BOTS}
LIVELY = Heart(backoff=0.01, backoff_max=0.05)


class Watched:
    """Something that changes, and a way to wait until it has changed enough."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
        """Return once `condition` holds.  Raises `TimeoutError`."""
        with anyio.fail_after(within_s):
            while not condition():
                await self._changed.wait()


async def soon(condition: Callable[[], object], *, within_s: float = PATIENCE_S) -> None:
    """The same for what tells nobody that it changes: the loop gets its turns until the condition holds."""
    with anyio.fail_after(within_s):
        while not condition():
            await anyio.lowlevel.checkpoint()


class Wire(Watched):
    """What the emulator saw, note by note."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[WireNote] = []

    def __call__(self, note: WireNote) -> None:
        self.notes.append(note)
        self.changed()

    def count(self, kind: Kind) -> int:
        return sum(note.kind == kind for note in self.notes)

    async def until_count(self, kind: Kind, number: int) -> None:
        await self.until(lambda: self.count(kind) >= number)


class Gathered(Watched):
    """A sink that keeps everything; `on_event` is called after each."""

    def __init__(self, on_event: Callable[[Event], None] = lambda _: None) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.flows: list[Flow] = []
        self._on_event = on_event

    def open(self, flow: Flow) -> None:
        assert not self.events, "a sink is opened before its first event"
        self.flows.append(flow)

    def feed(self, event: Event) -> None:
        self.events.append(event)
        self._on_event(event)
        self.changed()

    @property
    def flow(self) -> Flow:
        return self.flows[0]

    @property
    def ends(self) -> list[Event]:
        return [event for event in self.events if isinstance(event, ENDS)]

    @property
    def text(self) -> str:
        fold = Fold()
        for event in self.events:
            fold.feed(event)
        return fold.text

    def reply(self) -> Reply:
        fold = Fold()
        for event in self.events:
            fold.feed(event)
        return fold.finish()


@dataclass
class Coze:
    """A running emulator, what it saw and where it is."""

    base: str
    server: PlaygroundServer
    open_api: OpenServer
    wire: Wire

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])


@asynccontextmanager
async def emulated(open_api: OpenEmulatorSettings | None = None, **settings: Any) -> AsyncIterator[Coze]:
    """An emulator, as fast as it can unless a `pace` is given."""
    wire = Wire()
    told = EmulatorSettings(**{"session_id": SESSION_ID, "pace": 0.0, **settings})
    async with emulating(told, open_api, listener=wire) as emulator:
        yield Coze(emulator.base, emulator.playground, emulator.open_api, wire)


def to_reach(base: str, state_dir: Path, **overrides: Any) -> PlaygroundSettings:
    """Settings of an upstream with short waits."""
    told: dict[str, Any] = {"session_id": Secret(SESSION_ID), "bots": BOT_CONFIGS, "deadlines": QUICK, "heart": LIVELY}
    return PlaygroundSettings(base=base, state_dir=state_dir, **{**told, **overrides})


@asynccontextmanager
async def reached(coze: Coze, state_dir: Path, **overrides: Any) -> AsyncIterator[Playground]:
    """An upstream to the emulator."""
    async with open_playground(to_reach(coze.base, state_dir, **overrides)) as playground:
        yield playground


@asynccontextmanager
async def reached_openly(base: str, **overrides: Any) -> AsyncIterator[CozeOpen]:
    """An upstream of the open API to an emulator, with short waits."""
    told: dict[str, Any] = {"token": Secret(API_TOKEN), "bots": TARGETS, "deadlines": QUICK_OPEN}
    async with open_coze(OpenSettings(base=base, **{**told, **overrides})) as coze:
        yield coze


def folders_of_one_device(folder: Path) -> tuple[Path, Path]:
    """Two folders for state with the same device id, as on two machines of which one is a copy."""
    folders = (folder / "one", folder / "copy")
    for each in folders:
        each.mkdir()
        (each / "device-0").write_text("44599647")
    return folders


def asking(text: str, bot: str = "echo", **fields: Any) -> Request:
    """A turn of one message."""
    return Request(messages=(say("user", text),), bot=BotName(bot), **fields)


async def ask(chats: Chats, request: Request) -> Reply:
    """The whole reply of an upstream, without a gateway.  Raises what the turn failed with."""
    gathered = Gathered()
    with anyio.fail_after(PATIENCE_S):
        await chats.converse(request, gathered)
    return gathered.reply()


async def outcome(chats: Chats, request: Request) -> Reply | Exception:
    """The same, with the failure as a value: for turns that run beside each other."""
    try:
        return await ask(chats, request)
    except Exception as error:  # noqa: BLE001 - the test says which one it wanted
        return error


async def outcomes(chats: Chats, requests: Sequence[Request]) -> list[Reply | Exception]:
    """All at once; the results stand in the order of the requests."""
    found: dict[int, Reply | Exception] = {}

    async def one(place: int, request: Request) -> None:
        found[place] = await outcome(chats, request)

    async with anyio.create_task_group() as tasks:
        for place, request in enumerate(requests):
            tasks.start_soon(one, place, request)
    return [found[place] for place in range(len(requests))]


class Failing:
    """A fake at the port `Chats`: feeds `events`, then raises `error` or returns."""

    def __init__(self, *events: Event, error: BaseException | None = None) -> None:
        self.events = events
        self.error = error
        self.requests: list[Request] = []

    async def converse(self, request: Request, sink: Any) -> None:
        self.requests.append(request)
        sink.open(NoFlow())
        for event in self.events:
            sink.feed(event)
        if self.error is not None:
            raise self.error


@dataclass
class NoFlow:
    """A flow that notes what it was asked."""

    said: list[str] = field(default_factory=list)

    def pause(self) -> None:
        self.said.append("pause")

    def resume(self) -> None:
        self.said.append("resume")


def failure(events: Sequence[Event]) -> Exception:
    """The error that the last event carries."""
    assert events
    last = events[-1]
    assert isinstance(last, TurnFailed), last
    return last.error


@dataclass
class RawServer(Watched):
    """A TCP server of one test; `received` has what each connection sent, `gone` counts those that ended."""

    port: int = 0
    received: list[bytearray] = field(default_factory=list)
    gone: int = 0

    def __post_init__(self) -> None:
        super().__init__()


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    say_bytes: bytes = b"",
    *,
    stays: bool = False,
    ssl: Any = None,
    after: bytes = b"\r\n\r\n",
    host: str = "127.0.0.1",
) -> AsyncIterator[RawServer]:
    """A server that reads up to `after`, says some bytes and closes, or stays silent when it `stays`."""
    seen = RawServer()
    writers: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        got = bytearray()
        seen.received.append(got)
        try:
            while after not in got and (chunk := await reader.read(65536)):
                got += chunk
                seen.changed()
            writer.write(say_bytes)
            while stays and (chunk := await reader.read(65536)):
                got += chunk
                seen.changed()
        except (ConnectionError, TimeoutError, RuntimeError):
            pass  # uvloop raises a RuntimeError when it writes to a connection that is gone
        finally:
            seen.gone += 1
            seen.changed()
            writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(handle, host, 0, ssl=ssl)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for writer in list(writers):
            writer.close()
        with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE_S):
            await server.wait_closed()
            await seen.until(lambda: seen.gone >= len(seen.received))


@asynccontextmanager
async def web_server(*routes: web.RouteDef, ssl: Any = None) -> AsyncIterator[str]:
    """An aiohttp server; yields its address as HOST:PORT."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl).start()
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Held:
    """What this process holds: tasks of the running loop, open files, sockets, listening sockets."""

    tasks: int
    files: int
    sockets: int
    listeners: int

    def is_within(self, other: "Held") -> bool:
        """There is no more of anything."""
        mine, theirs = astuple(self), astuple(other)
        return all(map(le, mine, theirs))


def held() -> Held:
    """Count it now.  libuv opens /dev/null once for each loop that listens, and keeps it."""
    links = {int(path.name): _link(path) for path in Path("/proc/self/fd").iterdir()}
    sockets = [number for number, link in links.items() if link.startswith("socket:[")]
    others = [link for link in links.values() if not link.startswith("socket:[") and link not in ("", os.devnull)]
    return Held(
        tasks=len([task for task in asyncio.all_tasks() if not task.done()]),
        files=len(others),
        sockets=len(sockets),
        listeners=sum(map(_listens, sockets)),
    )


async def until_held(before: Held) -> None:
    """Give closed connections the turns of the loop that they need; raises `AssertionError` when it is not enough.

    There may be less than before: connections that are kept for other tests are given up after some seconds.
    """
    with suppress(TimeoutError):
        await soon(lambda: held().is_within(before))
    assert held().is_within(before), (
        f"before {before}, now {held()}: {[task.get_name() for task in asyncio.all_tasks()]}"
    )


def files(folder: Path, pattern: str = "*") -> list[Path]:
    """What lies in a folder, by name."""
    return sorted(folder.glob(pattern))


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""


def _listens(descriptor: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        return bool(twin.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
