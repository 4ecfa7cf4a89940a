import contextlib
import weakref
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from native_server import (
    HEALTH,
    HELLO,
    NDJSON,
    SSE,
    Answer,
    Bot,
    Relay,
    Turn,
    connected,
    deaf_client,
    exchange,
    parsed,
    post,
    read_all,
    read_some,
    request,
    saying,
    serving,
)
from realcoze.app.connection import Limits
from realcoze.app.server import listening
from realcoze.faces.http import CHAT_BODY_BYTES
from realcoze.faces.outlet import OUTLET, Outlet
from servers import held, soon

HASTY = Limits(header_s=0.3, body_s=0.3, keep_alive_s=0.3, stall_s=0.3)
PIECE = "x" * (64 << 10)


@dataclass(frozen=True, slots=True)
class House:
    """A server, and who answers there."""

    port: int
    relay: Relay

    def answers(self, chats: Any) -> Any:
        self.relay.target = chats
        return chats


@pytest.fixture(scope="module")
async def open_house(anyio_backend: object) -> AsyncIterator[House]:
    relay = Relay()
    async with serving(relay, gate_s=0.1, keepalive_s=0.1) as served:
        yield House(served.port, relay)


@pytest.fixture
def house(open_house: House, nothing_left: None) -> House:
    """A server with the limits that all have."""
    open_house.answers(saying("Hi"))
    return open_house


@pytest.fixture(scope="module")
async def open_hasty_house(anyio_backend: object) -> AsyncIterator[House]:
    relay = Relay()
    async with serving(relay, gate_s=0.1, keepalive_s=0.1, limits=HASTY) as served:
        yield House(served.port, relay)


@pytest.fixture
def hasty_house(open_hasty_house: House, nothing_left: None) -> House:
    """One that waits for nobody."""
    open_hasty_house.answers(saying("Hi"))
    return open_hasty_house


async def tick(turn: Turn) -> None:
    """With server-sent events a clock: each sign of life is a beat."""
    turn.say("tick")
    await turn.go.wait()


async def refused(port: int, data: bytes) -> Answer:
    return parsed(await exchange(port, data))


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


# What is no HTTP


BAD_HTTP = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": b"GET /health HTTP/3.7\r\nhost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT localhost:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "length and chunks": request(transfer_encoding="chunked"),
    "two lengths": request().replace(b"connection", b"content-length: 34\r\nconnection"),
    "two lengths that differ": request().replace(b"connection", b"content-length: 3\r\nconnection"),
    "a list of lengths": request(content_length="34, 34"),
    "negative length": request(content_length="-1"),
    "length with a sign": request(content_length="+34"),
    "hexadecimal length": request(content_length="0x22"),
    "length beyond all bounds": request(content_length="9" * 5000),
    "a coding we do not know": request(content_length=None, transfer_encoding="xchunked"),
    "chunks are not the last coding": request(content_length=None, transfer_encoding="chunked, identity"),
    "no size of a chunk": request(b"zz\r\n", content_length=None, transfer_encoding="chunked"),
    "bare CR": request(x="a\rb"),
    "bare LF": request(x="a\nb"),
    "nothing but LF": b"GET /health HTTP/1.1\nhost: localhost\n\n",
    "NUL in a header": request(x="a\0b"),
    "NUL in a key": request(authorization="Bearer a\0b"),
    "folded header": request(x="a\r\n b"),
    "space before the colon": b"GET /health HTTP/1.1\r\nhost : localhost\r\n\r\n",
    "NUL in the path": b"GET /hea\0lth HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "Latin-1 in the path": b"GET /hea\xfflth HTTP/1.1\r\nhost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HTTP)
async def test_what_is_no_good_http_is_a_400_and_the_end(house: House, name: str) -> None:
    answer = await refused(house.port, BAD_HTTP[name])
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert answer.json == {"error": {"code": "bad_http", "message": "Bad Request"}}


async def test_garbage_behind_an_answer_is_not_put_into_it(house: House) -> None:
    async def wait(turn: Turn) -> None:
        turn.say("Hel")
        await turn.go.wait()

    bot = house.answers(Bot(wait))
    async with connected(house.port) as client:
        await client.send(request(path="/?stream=true", accept=NDJSON, connection=None))
        await client.until(b"Hel")
        await client.send(b"\0\0\0\r\n\r\n")
        raw = await client.rest()
    assert raw.count(b"HTTP/1.1") == 1
    assert not raw.endswith(b"0\r\n\r\n")
    turn = await bot.turn()
    await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


# Sizes


async def test_heads_have_a_size(house: House) -> None:
    long = "x" * (64 << 10)
    assert (await refused(house.port, request(path=f"/?{long}"))).status == 414
    assert (await refused(house.port, request(x=long))).status == 431
    assert (await post(house.port, path="/?" + "x" * 60_000)).status == 200
    assert (await post(house.port, x="x" * 60_000)).status == 200


async def test_heads_have_a_number_of_headers(house: House) -> None:
    for number, status in ((96, 200), (97, 431), (5000, 431)):
        many: dict[str, Any] = {f"x{place}": "" for place in range(number)}
        assert (await post(house.port, **many, content_type="x")).status == status


@pytest.mark.parametrize(
    "endless",
    [
        b"POST /?",
        b"POST / HTTP/1.1\r\nx: ",
        b"POST / HTTP/1.1\r\n",
        request(b"", content_length=None, transfer_encoding="chunked") + b"1;extension=",
        request(b"", content_length=None, transfer_encoding="chunked") + b"0\r\ntrailer: ",
        HEALTH + b"POST / HTTP/1.1\r\nx: ",
    ],
)
async def test_what_never_ends_is_refused_as_it_comes(house: House, endless: bytes) -> None:
    """Not after it has filled the memory: a client that goes on is cut off within its first MiB."""
    sent = 0

    def go_on() -> bytes:
        nonlocal sent
        with deaf_client(house.port, endless) as client:
            with contextlib.suppress(ConnectionError):
                while sent < 64 << 20:
                    sent += client.send(b"x" * (64 << 10))
            return read_all(client)

    got = await anyio.to_thread.run_sync(go_on)
    assert sent < 16 << 20
    assert b"HTTP/1.1 431 " in got or b"HTTP/1.1 414 " in got


async def test_trailers_count_and_are_no_headers() -> None:
    bot = saying("Hi")
    body = chunked(HELLO) + b"0\r\n%b\r\n"
    options: dict[str, Any] = {"content_length": None, "transfer_encoding": "chunked"}
    async with serving(bot, key="0123456789abcdef") as served:
        sly = request(body % b"x-api-key: 0123456789abcdef\r\n", **options)
        assert parsed(await exchange(served.port, sly)).status == 401
        good = request(body % b"x-trailer: 1\r\n", **options, x_api_key="0123456789abcdef")
        assert parsed(await exchange(served.port, good)).status == 200
        many = request(body % (b"x: 1\r\n" * 40_000), **options, x_api_key="0123456789abcdef")
        assert parsed(await exchange(served.port, many)).status in (400, 431)


# Times


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 408),
        (b"POS", 408),
        (b"POST / HTTP/1.1\r\nhost: loc", 408),
        (b"\r\n\r\n", 408),
        (request(HELLO[:5], content_length="34"), 408),
        (request(chunked(HELLO[:5]), content_length=None, transfer_encoding="chunked"), 408),
    ],
)
async def test_a_client_that_is_too_slow_is_told_so(hasty_house: House, sent: bytes, status: int) -> None:
    answer = await refused(hasty_house.port, sent)
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert answer.json["error"]["message"] == "Request Timeout"


async def test_a_byte_now_and_then_is_too_slow_as_well(hasty_house: House) -> None:
    hasty_house.answers(Bot(tick))
    with deaf_client(hasty_house.port, b"POST /") as client:
        async with connected(hasty_house.port) as clock:
            await clock.send(request(path="/?stream=true", accept=SSE))
            with contextlib.suppress(ConnectionError):
                for beat in range(1, 30):
                    await clock.until(b": keepalive\n\n", times=beat)
                    client.send(b"x")
        assert beat < 29
        assert parsed(read_all(client)).status == 408


@pytest.mark.parametrize("noise", [b"", b"\r\n", b"P", b"POST / HTTP/1.1\r\nhost: localhost\r\n"])
async def test_a_kept_connection_is_not_kept_for_ever(hasty_house: House, noise: bytes) -> None:
    """Line ends are no request: they must not make uvicorn forget the connection."""
    async with connected(hasty_house.port) as client:
        await client.send(HEALTH)
        await client.until(b'"upstreams"')
        await client.send(noise)
        rest = await client.rest()
    assert rest.count(b"HTTP/1.1 200") == 1


async def test_a_body_that_is_refused_and_still_comes_gets_no_second_answer(hasty_house: House) -> None:
    async with connected(hasty_house.port) as client:
        await client.send(request(b"x", content_length=str(CHAT_BODY_BYTES + 1), connection=None))
        await client.until(b"request_too_large")
        rest = await client.rest()
    assert rest.count(b"HTTP/1.1") == 1


async def test_it_is_not_the_clients_slowness_when_we_do_not_read(hasty_house: House) -> None:
    """The body of a pipelined request waits with us until the answer before it is over."""

    async def wait(turn: Turn) -> None:
        turn.say("first")
        await turn.go.wait()
        turn.done()

    bot = hasty_house.answers(Bot(wait))
    async with connected(hasty_house.port) as client:
        second = request(HELLO)
        await client.send(request(path="/?stream=true", accept=SSE, connection=None) + second[:-10])
        await client.until(b": keepalive\n\n", times=8)
        hasty_house.answers(saying("second"))
        await client.send(second[-10:])
        bot.turns[0].go.set()
        raw = await client.rest()
    assert raw.count(b"HTTP/1.1 200") == 2
    assert raw.index(b"first") < raw.index(b"second")


async def test_a_whole_answer_that_nobody_reads_is_dropped(hasty_house: House) -> None:
    hasty_house.answers(saying(PIECE * 256))
    before = held().sockets
    with deaf_client(hasty_house.port, request(connection=None)):
        await soon(lambda: held().sockets == before + 2)
        await soon(lambda: held().sockets == before + 1)


async def test_one_that_is_read_slowly_is_not(nothing_left: None) -> None:
    whole, clock = saying(PIECE * 512), Bot(tick)
    async with serving({"whole": whole, "clock": clock}, keepalive_s=0.1, limits=Limits(stall_s=0.8)) as served:
        got = bytearray()
        with deaf_client(served.port, request(), takes=64 << 10) as client:
            async with connected(served.port) as other:
                question = b'{"messages": [{"role": 2, "content": "?"}], "bot": "clock"}'
                await other.send(request(question, path="/?stream=true", accept=SSE))
                for beat in range(1, 19):
                    await other.until(b": keepalive\n\n", times=beat)
                    got += await anyio.to_thread.run_sync(read_some, client)
                assert len(got) < 512 * len(PIECE)
            got += await anyio.to_thread.run_sync(read_all, client)
    assert parsed(bytes(got)).json["content"] == PIECE * 512


async def test_a_refusal_that_nobody_reads_is_dropped_and_not_said_twice(hasty_house: House) -> None:
    hasty_house.answers(saying(PIECE * 256))
    before = held().sockets
    with deaf_client(hasty_house.port, request(connection=None)) as client:
        await anyio.to_thread.run_sync(client.recv, 10)
        client.sendall(b"GET /\0 HTTP/1.1\r\n\r\n")
        await soon(lambda: held().sockets == before + 1)
        assert (await anyio.to_thread.run_sync(read_all, client)).count(b"HTTP/1.1 4") <= 1


# One connection, several requests


async def test_pipelined_requests_are_answered_in_order(house: House) -> None:
    async def echo(turn: Turn) -> None:
        turn.say(turn.request.messages[-1].text)
        turn.done()

    house.answers(Bot(echo))
    texts = [f"number {place}" for place in range(20)]
    bodies = [b'[{"role": 2, "content": "%b"}]' % text.encode() for text in texts]
    paths = ["/", "/?stream=true"] * 10
    requests = [request(body, path=path, connection=None) for body, path in zip(bodies, paths, strict=True)]
    async with connected(house.port) as client:
        await client.send(b"".join(requests))
        raw = await client.until(b'"continue":false', times=20)
    places = [raw.index(f'"content":"{text}"'.encode()) for text in texts]
    assert places == sorted(places)


async def test_a_pipelined_request_does_not_hide_that_the_first_answer_is_not_read(house: House) -> None:
    async def endless(turn: Turn) -> None:
        while True:
            await turn.until_ready()
            turn.say(PIECE)
            await anyio.lowlevel.checkpoint()

    bot = house.answers(Bot(endless))
    streamed = request(path="/?stream=true", accept=NDJSON, connection=None)
    with deaf_client(house.port, streamed + streamed):
        turn = await bot.turn()
        await turn.until(lambda: turn.is_paused)
    await turn.until(lambda: turn.is_over)


@pytest.mark.parametrize("path", ["/", "/?stream=true"])
async def test_a_client_that_leaves_pipelined_requests_stops_the_one_that_is_answered(house: House, path: str) -> None:
    async def wait(turn: Turn) -> None:
        turn.say("Hel")
        await turn.go.wait()

    bot = house.answers(Bot(wait))
    async with connected(house.port) as client:
        await client.send(request(path=path, connection=None))
        turn = await bot.turn()
        await client.send(request(connection=None) + HEALTH)
        await client.send(HEALTH)
    await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled
    assert len(bot.turns) == 1


async def test_more_pipelined_requests_than_we_read_on_for_are_answered_too(house: House) -> None:
    async with connected(house.port) as client:
        for _ in range(30):
            await client.send(HEALTH + request(connection=None))
        await client.until(b'"upstreams"', times=30)
        await client.until(b'"continue":false', times=30)


async def test_a_whole_answer_behind_a_streamed_one_is_read_to_its_end(house: House) -> None:
    bot = house.answers(saying(PIECE * 256))
    both = request(path="/?stream=true", accept=NDJSON, connection=None) + request()
    with deaf_client(house.port, both) as client:
        await bot.turn()
        raw = await anyio.to_thread.run_sync(read_all, client)
    assert raw.count(PIECE.encode() * 256) == 2
    assert raw.endswith(b'"continue":false,"reply_type":1}')


async def test_a_bot_that_goes_on_talking_to_who_has_left_does_no_harm(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(turn: Turn) -> None:
        while True:
            turn.say("bla ")
            await turn.until_ready()
            await anyio.lowlevel.checkpoint()

    for place in range(5):
        bot = house.answers(Bot(talk))
        async with connected(house.port) as client:
            await client.send(request(path="/?stream=true", accept=NDJSON))
            await client.until(b"bla", times=10 * place)
            turn = await bot.turn()
        await turn.until(lambda turn=turn: turn.is_over)
        assert turn.is_cancelled
    assert "Traceback" not in caplog.text


async def test_connection_close_closes_and_without_it_the_connection_is_kept(house: House) -> None:
    assert parsed(await exchange(house.port, request())).headers["connection"] == "close"
    async with connected(house.port) as client:
        for times in (1, 2, 3):
            await client.send(request(path="/?stream=true", connection=None))
            await client.until(b"\r\n0\r\n\r\n", times=times)


# The rest of HTTP


async def test_http_1_0_gets_an_answer_without_chunks_and_the_end(house: House) -> None:
    for path in ("/", "/?stream=true"):
        answer = parsed(await exchange(house.port, request(path=path).replace(b"HTTP/1.1", b"HTTP/1.0", 1)))
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert "transfer-encoding" not in answer.headers
        assert answer.json == {"content": "Hi", "continue": False, "reply_type": 1}


async def test_a_body_is_asked_for_when_the_client_waits_to_be_asked(house: House) -> None:
    async with connected(house.port) as client:
        await client.send(request(b"", content_length=str(len(HELLO)), expect="100-continue"))
        await client.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        await client.send(HELLO)
        assert b"HTTP/1.1 200 OK" in await client.rest()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/health", 200),
        ("HEAD", "/", 200),
        ("OPTIONS", "/", 405),
        ("OPTIONS", "*", 404),
        ("DELETE", "/health", 405),
        ("POST", "/v1", 404),
        ("POST", "//", 404),
        ("POST", "/../", 404),
        ("GET", "http://localhost/health", 200),
        ("GET", "/%68ealth", 200),
    ],
)
async def test_methods_and_paths(house: House, method: str, path: str, status: int) -> None:
    answer = await post(house.port, b"", method=method, path=path)
    assert answer.status == status
    assert (answer.body == b"") == (method == "HEAD")
    if status == 405:
        assert answer.headers["allow"] == ("GET, HEAD, POST" if path == "/" else "GET, HEAD")


async def test_an_upgrade_that_we_do_not_speak_is_passed_over(house: House) -> None:
    """Java's client asks for HTTP/2 in this way with every request, the body behind it."""
    headers: dict[str, Any] = {"upgrade": "h2c", "http2_settings": "AAMAAABkAAQAoAAAAAIAAAAA"}
    answer = await post(house.port, connection="Upgrade, HTTP2-Settings, close", **headers)
    assert (answer.status, answer.json["content"]) == (200, "Hi")
    raw = request(connection="Upgrade, HTTP2-Settings", **headers)
    async with connected(house.port) as client:
        await client.send(raw[:-20])
        await client.send(raw[-20:] + request())
        assert (await client.rest()).count(b'{"content":"Hi"') == 2


async def test_a_websocket_behind_an_answer_that_is_not_over_is_refused(house: House) -> None:
    async def wait(turn: Turn) -> None:
        turn.say("Hel")
        await turn.go.wait()

    bot = house.answers(Bot(wait))
    upgrade = request(
        b"",
        method="GET",
        connection="Upgrade",
        upgrade="websocket",
        content_length=None,
        sec_websocket_version="13",
        sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==",
    )
    async with connected(house.port) as client:
        await client.send(request(path="/?stream=true", accept=NDJSON, connection=None) + upgrade)
        await client.rest()
    turn = await bot.turn()
    await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


async def test_who_answered_a_client_that_left_is_let_go() -> None:
    outlets: list[Outlet] = []
    answering: list[weakref.ref[object]] = []
    has_left = anyio.Event()

    class Answering:
        def pause(self) -> None: ...
        def resume(self) -> None: ...
        def leave(self) -> None:
            has_left.set()

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        outlet, who = scope["extensions"][OUTLET], Answering()
        outlets.append(outlet)
        answering.append(weakref.ref(who))
        outlet.watch(who.pause, who.resume, who.leave, stall_s=30)
        outlet.begin([])
        del who
        await has_left.wait()

    async with listening(app, host="127.0.0.1", port=0) as port:
        async with connected(port) as client:
            await client.send(HEALTH)
            await client.until(b"\r\n\r\n")
            client.leave()
            await has_left.wait()
        assert answering[0]() is None
        assert len(outlets) == 1


async def test_an_outlet_knows_when_something_was_written_last() -> None:
    times: list[bool] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        outlet: Outlet = scope["extensions"][OUTLET]
        outlet.watch(lambda: None, lambda: None, lambda: None, stall_s=30)
        times.append(outlet.written_at > 0)
        outlet.begin([])
        times.append(outlet.written_at > 0)
        outlet.written_at = 0
        outlet.write(b"Hi")
        await anyio.lowlevel.checkpoint()
        await soon(lambda: not outlet.unsent())
        times.append(outlet.written_at > 0)
        outlet.end(is_whole=True)

    async with listening(app, host="127.0.0.1", port=0) as port, connected(port) as client:
        await client.send(HEALTH)
        await client.until(b"0\r\n\r\n")
    assert times == [False, True, True]
