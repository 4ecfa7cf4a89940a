"""The one websocket against servers that say exactly what a test wants; the emulator has its own tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import WSMsgType, web

from realcoze.dialects.coze_playground import launch
from realcoze.dialects.coze_playground.access import access_key
from realcoze.dialects.coze_playground.launch import Launch, encode_launch
from realcoze.dialects.coze_playground.push import decode_push
from realcoze.errors import (
    Internal,
    Overloaded,
    RateLimited,
    RealcozeError,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
)
from realcoze.transports.websocket import HandshakeRefused, open_websocket
from realcoze.upstreams.coze_playground import socket as socket_module
from realcoze.upstreams.coze_playground.link import State
from realcoze.upstreams.coze_playground.settings import Deadlines, Heart
from realcoze.upstreams.coze_playground.socket import PushSocket, _refusal
from realcoze.upstreams.coze_playground.upstream import open_playground
from servers import PATIENCE_S, QUICK, Gathered, Watched, emulated, reached, soon, to_reach, web_server

pytestmark = pytest.mark.usefixtures("nothing_left")


@dataclass
class Frontier(Watched):
    """A server of launch data and websockets; `on_socket` decides what each socket says."""

    base: str = ""
    domain: str = ""
    launches: int = 0
    sockets: list[web.Request] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ended: int = 0
    refuse: web.Response | None = None

    def __post_init__(self) -> None:
        super().__init__()


OnSocket = Callable[[web.WebSocketResponse], Awaitable[None]]


async def _listen(_ws: web.WebSocketResponse) -> None:
    """Say nothing; stay until the client leaves."""


@asynccontextmanager
async def _frontier(on_socket: OnSocket = _listen, *, autoping: bool = True) -> AsyncIterator[Frontier]:
    frontier = Frontier()

    async def serve_launch(_request: web.Request) -> web.Response:
        frontier.launches += 1
        frontier.changed()
        data = Launch(app_key="key", app_id="aid", product_id="fpid", domain=frontier.domain)
        return web.Response(body=encode_launch(data))

    async def serve_socket(request: web.Request) -> web.StreamResponse:
        frontier.sockets.append(request)
        if frontier.refuse is not None:
            return frontier.refuse
        ws = web.WebSocketResponse(autoping=autoping)
        await ws.prepare(request)
        frontier.changed()
        await on_socket(ws)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                frontier.said.append(message.data)
                frontier.changed()
        frontier.ended += 1
        frontier.changed()
        return ws

    async with web_server(web.post(launch.PATH, serve_launch), web.get("/ws/v2", serve_socket)) as address:
        frontier.base, frontier.domain = f"http://{address}", f"ws://{address}"
        yield frontier


@asynccontextmanager
async def _socket(frontier: Frontier, folder: Path, **overrides: Any) -> AsyncIterator[PushSocket]:
    async with open_playground(to_reach(frontier.base, folder, **overrides)) as playground:
        yield playground.socket


async def _ready(socket: PushSocket) -> None:
    with anyio.fail_after(PATIENCE_S):
        await socket.ready()


async def test_nothing_is_sent_before_it_is_wanted(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        await anyio.wait_all_tasks_blocked()
        assert socket.state == "idle"
        assert frontier.launches == 0
        assert frontier.sockets == []


async def test_the_address_is_made_of_launch_data_and_device(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        await _ready(socket)
        query = frontier.sockets[0].query
        device_id = (tmp_path / "device-0").read_text()
        assert query["device_id"] == device_id
        assert query["access_key"] == access_key(product_id="fpid", app_key="key", device_id=device_id)
        assert (query["fpid"], query["aid"], query["device_platform"]) == ("fpid", "aid", "web")
        assert "Cookie" not in frontier.sockets[0].headers


async def test_wanted_by_many_it_is_opened_once(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(_ready, socket)
        assert socket.state == "open"
        assert frontier.launches == len(frontier.sockets) == 1


async def test_it_says_hi_and_never_answers_one(tmp_path: Path) -> None:
    async def greet(ws: web.WebSocketResponse) -> None:
        for _ in range(3):
            await ws.send_str("hi")

    async def greet_and_push(ws: web.WebSocketResponse) -> None:
        await greet(ws)
        await ws.send_bytes(b"{}")

    async with _frontier(greet) as frontier, _socket(frontier, tmp_path, heart=Heart(beat=0.02)) as socket:
        await _ready(socket)
        await frontier.until(lambda: len(frontier.said) >= 3)
        assert set(frontier.said) == {"hi"}
    async with _frontier(greet_and_push) as frontier:
        async with _socket(frontier, tmp_path, heart=Heart(beat=1000)) as socket:
            await _ready(socket)
            await soon(lambda: socket.strays)
            await frontier.until(lambda: bool(frontier.said))
        await frontier.until(lambda: frontier.ended == 1)
        assert frontier.said == ["hi"]


async def test_a_ping_is_a_sign_of_life_and_is_answered(tmp_path: Path) -> None:
    answered = Watched()
    answers: list[bytes] = []

    async def ping(ws: web.WebSocketResponse) -> None:
        for number in range(20):
            await ws.ping(b"%d" % number)
            with anyio.fail_after(PATIENCE_S):
                message = await ws.receive()
                while message.type is not WSMsgType.PONG:
                    message = await ws.receive()
            answers.append(message.data)
            answered.changed()
            await anyio.sleep(0.05)  # the time that passes is what is tested

    heart = Heart(beat=1000, silence=0.5, backoff=1000, backoff_max=1000)
    async with _frontier(ping, autoping=False) as frontier, _socket(frontier, tmp_path, heart=heart) as socket:
        await _ready(socket)
        await answered.until(lambda: len(answers) >= 20)
        assert answers == [b"%d" % number for number in range(20)]
        assert len(frontier.sockets) == 1


async def test_a_heartbeat_that_cannot_be_sent_gives_the_socket_up(tmp_path: Path) -> None:
    async def hang_up(ws: web.WebSocketResponse) -> None:
        await ws.close()

    heart = Heart(beat=1000, backoff=1e6, backoff_max=1e6)
    async with _frontier(hang_up) as frontier, _socket(frontier, tmp_path, heart=heart) as socket:
        await _ready(socket)
        await soon(lambda: socket.state == "waiting")
        url = f"{frontier.domain}/ws/v2"
        async with open_websocket(url, connect_s=2, tls_s=2) as gone:
            await gone.read(lambda _: None, lambda: None)
            socket._link.state = State.OPEN  # as it is between a close and its reading
            socket._link._beat_at = 0
            assert not await socket._keep_alive(gone)
            socket._link.state = State.WAITING


async def test_payloads_that_are_no_push_are_counted(tmp_path: Path) -> None:
    async def babble(ws: web.WebSocketResponse) -> None:
        for message in (b"{}", b'{"event_type":1}', b"{not json}", b"no braces", b"", b"\xff" * 100):
            await ws.send_bytes(message)
        await ws.send_str("hi")
        await ws.send_str('{"event_type":2,"cmd":{}}')

    async with _frontier(babble) as frontier, _socket(frontier, tmp_path) as socket:
        await _ready(socket)
        await soon(lambda: socket.strays >= 4)
        assert socket.state == "open"
        assert len(frontier.sockets) == 1


async def test_a_defect_while_reading_costs_one_socket_and_not_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def trip(payload: bytes) -> Any:
        if broken:
            broken.clear()
            raise ZeroDivisionError
        return decode_push(payload)

    async def babble(ws: web.WebSocketResponse) -> None:
        await ws.send_bytes(b"{}")

    monkeypatch.setattr(socket_module, "decode_push", trip)
    async with _frontier(babble) as frontier, _socket(frontier, tmp_path) as socket:
        await _ready(socket)
        await frontier.until(lambda: len(frontier.sockets) >= 2)
        await _ready(socket)
    assert "ZeroDivisionError" in caplog.text


async def test_a_defect_while_opening_is_reported_as_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def trip(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(socket_module, "socket_url", trip)
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        with pytest.raises(Internal):
            await _ready(socket)
    assert "ZeroDivisionError" in caplog.text


async def test_too_many_connections_pass_and_are_tried_again(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        headers = {"Handshake-Status": "514", "Handshake-Msg": "auth failed", "Handshake-Autherrcode": "1000040350"}
        frontier.refuse = web.Response(status=514, headers=headers)
        with pytest.raises(RateLimited, match="HTTP 514, auth failed") as caught:
            await _ready(socket)
        assert caught.value.code == "too_many_connections"
        frontier.refuse = None
        await _ready(socket)
        assert frontier.launches == 1


async def test_a_refused_device_is_not_tried_again(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        frontier.refuse = web.Response(status=403, headers={"Handshake-Msg": "DEVICE_BLOCKED" * 100})
        with pytest.raises(UpstreamDenied, match="HTTP 403, DEVICE_BLOCKED") as caught:
            await _ready(socket)
        assert caught.value.code == "upstream_forbidden"
        assert len(caught.value.message) < 200
        assert len(frontier.sockets) == 1
        assert socket.state == "idle"
        with pytest.raises(UpstreamDenied):
            await _ready(socket)
        assert len(frontier.sockets) == 1


async def test_a_refusal_without_a_reason_has_its_status(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        frontier.refuse = web.Response(status=404)
        with pytest.raises(UpstreamFailed, match=r"HTTP 404\.$"):
            await _ready(socket)


@pytest.mark.parametrize("domain", ["", "ws://[bad", "ftp://127.0.0.1", "ws://" + "a" * 300, "127.0.0.1"])
async def test_launch_data_with_an_impossible_domain_is_an_error(tmp_path: Path, domain: str) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        frontier.domain = domain
        with pytest.raises(UpstreamFailed, match="no address that can be called"):
            await _ready(socket)


async def test_sockets_that_are_closed_at_once_are_given_up(tmp_path: Path) -> None:
    async def close(ws: web.WebSocketResponse) -> None:
        await ws.close(code=1011)

    heart = Heart(beat=1000, backoff=0.001, backoff_max=0.001, retries=3)
    async with _frontier(close) as frontier, _socket(frontier, tmp_path, heart=heart) as socket:
        sink = Gathered()
        with socket.turn("uuid", sink, wants_suggestions=False) as turn:
            await _ready(socket)
            with pytest.raises(UpstreamFailed, match="closes every websocket at once"), anyio.fail_after(PATIENCE_S):
                await turn.wait()
        assert socket.state == "idle"
        assert len(frontier.sockets) == heart.retries + 1


async def test_a_socket_that_does_not_come_back_is_a_503_with_its_reason(tmp_path: Path) -> None:
    heart = Heart(backoff=0.001, backoff_max=0.001, retries=10**6)
    deadlines = Deadlines(connect=1, tls=1, socket=0.1)
    async with emulated() as coze, reached(coze, tmp_path, heart=heart, deadlines=deadlines) as playground:
        socket = playground.socket
        await _ready(socket)
        coze.server.settings = type(coze.server.settings)(session_id="x", most_sockets=-1)
        for device, sockets in list(coze.server._sockets.items()):
            for each in sockets[:]:
                coze.server._cut(device, each)
        await soon(lambda: socket.state != "open")
        with pytest.raises(Overloaded, match=r"not open after 0\.1 s: Coze's websocket refused") as caught:
            await _ready(socket)
        assert caught.value.code == "socket_unavailable"
        assert caught.value.retry_after_s == 1
        assert caught.value.hint


async def test_the_first_turns_wait_for_the_first_attempt_as_long_as_it_may_take(tmp_path: Path) -> None:
    """All of them: the second one too, which finds the attempt under way."""
    gate = anyio.Event()

    async def hold(_request: web.Request) -> web.Response:
        await gate.wait()
        return web.Response(status=500)

    deadlines = Deadlines(reply=5, socket=0.01)
    async with (
        web_server(web.post(launch.PATH, hold)) as address,
        _socket(Frontier(base=f"http://{address}"), tmp_path, deadlines=deadlines) as socket,
    ):
        told: list[str] = []

        async def turn() -> None:
            with pytest.raises(UpstreamFailed) as caught:
                await _ready(socket)
            told.append(caught.value.code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(turn)
            with anyio.move_on_after(0.1):
                await anyio.sleep_forever()
            assert told == []
            gate.set()
        assert told == ["upstream_protocol"] * 2


async def test_a_turn_after_a_first_attempt_that_failed_gets_the_reason(tmp_path: Path) -> None:
    heart = Heart(backoff=1e6, backoff_max=1e6)
    deadlines = Deadlines(connect=1, tls=1, socket=0.02)
    frontier = Frontier(base="http://127.0.0.1:1")
    async with _socket(frontier, tmp_path, heart=heart, deadlines=deadlines) as socket:
        for _ in range(2):
            with pytest.raises(UpstreamFailed) as caught:
                await _ready(socket)
            assert caught.value.code == "upstream_unreachable"
            assert socket.state == "waiting"


async def test_a_first_socket_that_takes_for_ever_has_an_end(tmp_path: Path) -> None:
    async def hold(_request: web.Request) -> web.Response:
        await anyio.sleep(0.5)
        return web.Response(status=500)

    deadlines = Deadlines(reply=0.02, socket=0.02)
    async with (
        web_server(web.post(launch.PATH, hold)) as address,
        _socket(Frontier(base=f"http://{address}"), tmp_path, deadlines=deadlines) as socket,
    ):
        with pytest.raises((UpstreamTimeout, Overloaded)):
            await _ready(socket)


async def test_each_waiting_turn_gets_an_error_of_its_own(tmp_path: Path) -> None:
    frontier = Frontier(base="http://127.0.0.1:1")
    async with _socket(frontier, tmp_path, deadlines=QUICK) as socket:
        errors: list[UpstreamFailed] = []

        async def turn() -> None:
            with pytest.raises(UpstreamFailed) as caught:
                await _ready(socket)
            errors.append(caught.value)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn)
            tasks.start_soon(turn)
        assert errors[0] is not errors[1]


async def test_after_the_close_nothing_is_waited_for(tmp_path: Path) -> None:
    async with _frontier() as frontier, _socket(frontier, tmp_path) as socket:
        pass
    assert socket.state == "closed"
    with pytest.raises(Overloaded, match="being closed"):
        await _ready(socket)


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (403, {}, UpstreamDenied),
        (200, {"handshake-status": "403"}, UpstreamDenied),
        (502, {}, UpstreamFailed),
        (503, {}, UpstreamFailed),
        (514, {"handshake-autherrcode": "1000040350"}, RateLimited),
    ],
)
async def test_only_a_no_of_coze_itself_denies_the_account(
    status: int, headers: dict[str, str], kind: type[RealcozeError]
) -> None:
    assert type(_refusal(HandshakeRefused(status, headers))) is kind
