"""What `HttpClient.stream` makes of bytes that no web server would send; the rest is in test_http.py."""

import asyncio
import contextlib
import gc
import socket
import weakref
from pathlib import Path
from random import Random
from typing import Any, cast

import aiohttp
import anyio
import pytest
from aiohttp import web

from certificates import self_signed, trusting
from realcoze.errors import RealcozeError, Truncated, UpstreamFailed, UpstreamTimeout
from realcoze.transports.http import open_http
from realcoze.transports.pushed import HEADER_COUNT, PushedConnection, Valve, address_of, encode_request
from servers import PATIENCE_S, raw_server, soon, web_server

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ONE = CHUNKED + b"3\r\none\r\n"
END = b"0\r\n\r\n"

pytestmark = pytest.mark.usefixtures("nothing_left")


class Heard:
    """What came back: the head, and each piece."""

    def __init__(self) -> None:
        self.head: tuple[int, dict[str, str]] | None = None
        self.pieces: list[bytes] = []
        self.valve = Valve()

    def on_head(self, status: int, headers: Any) -> None:
        self.head = (status, dict(headers))


def into(heard: Heard) -> Any:
    """What of a stream is not asked about."""
    return {"headers": {}, "on_head": heard.on_head, "on_bytes": heard.pieces.append}


async def hear(said: bytes, *, stays: bool = False, idle_s: float | None = 5, heard: Heard | None = None) -> Heard:
    heard = heard or Heard()
    async with raw_server(said, stays=stays) as server, open_http(connect_s=2, tls_s=2) as http:
        await http.stream(
            "POST",
            f"http://127.0.0.1:{server.port}/path?a=b",
            headers={"X-A": "b"},
            body=b"question",
            idle_s=idle_s,
            on_head=heard.on_head,
            on_bytes=heard.pieces.append,
            valve=heard.valve,
        )
        assert server.received[0].startswith(b"POST /path?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
        assert server.received[0].endswith(b"X-A: b\r\nContent-Length: 8\r\n\r\nquestion")
    return heard


async def test_what_arrives_together_is_handed_on_together() -> None:
    heard = await hear(ONE + b"3\r\ntwo\r\n" + END, stays=True)
    assert heard.head == (200, {"transfer-encoding": "chunked"})
    assert heard.pieces == [b"onetwo"]


class Pipe(asyncio.Transport):
    is_paused = False
    protocol: asyncio.BaseProtocol = asyncio.Protocol()

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def write(self, data: object) -> None: ...
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class Aiohttps(asyncio.Protocol):
    """What would read the connection if nothing were pushed."""

    def __init__(self) -> None:
        self.heard: list[bytes | str] = []

    def data_received(self, data: bytes) -> None:
        self.heard.append(data)

    def eof_received(self) -> None:
        self.heard.append("end of file")

    def connection_lost(self, exc: Exception | None) -> None:
        assert exc is None
        self.heard.append("lost")


class Lent:
    """A connection whose other end is the test; `ended` tells how it was given back."""

    def __init__(self) -> None:
        self.transport = Pipe()
        self.protocol = Aiohttps()
        self.ended: list[str] = []

    def release(self) -> None:
        self.ended.append("released")

    def close(self) -> None:
        self.ended.append("closed")


def asked(lent: Lent, heard: Heard) -> PushedConnection:
    connection = PushedConnection.on(cast("Any", lent))
    connection.ask(
        b"question",
        lent=cast("Any", lent),
        host="h",
        idle_s=5,
        on_head=heard.on_head,
        on_bytes=heard.pieces.append,
        valve=heard.valve,
    )
    return connection


PIECES = [b"1\r\na\r\n", b"3\r\none\r\n", b"0a\r\n0123456789\r\n", b"2;x=y\r\nhi\r\n", b"4\r\n\r\n\r\n\r\n"]


async def test_a_body_is_the_same_however_it_is_cut() -> None:
    chance = Random(1)
    for _ in range(500):
        chunks = chance.choices(PIECES, k=chance.randint(1, 8))
        body = b"".join(chunks) + END
        ends = [*sorted(chance.sample(range(1, len(body)), chance.randint(0, 8))), len(body)]
        heard = Heard()
        answer = asked(Lent(), heard)
        answer.data_received(CHUNKED)
        for start, end in zip([0, *ends], ends, strict=False):
            assert not answer.ended.done()
            answer.data_received(body[start:end])
        said = [chunk.partition(b"\r\n")[2].removesuffix(b"\r\n") for chunk in chunks]
        assert (b"".join(heard.pieces), answer.ended.result()) == (b"".join(said), None), (chunks, ends)
        answer.leave()


async def test_a_valve_that_was_closed_before_the_head_came_lets_one_piece_through() -> None:
    lent, heard = Lent(), Heard()
    heard.valve.pause()
    answer = asked(lent, heard)
    for data in (CHUNKED, b"3\r\none\r\n"):
        assert not lent.transport.is_paused
        answer.data_received(data)
    assert (lent.transport.is_paused, heard.pieces) == (True, [b"one"])
    heard.valve.resume()
    answer.data_received(b"3\r\ntwo\r\n")
    heard.valve.pause()
    assert (lent.transport.is_paused, heard.pieces) == (True, [b"one", b"two"])
    answer.leave()


async def test_who_has_stopped_waiting_hears_nothing_more_and_gives_the_connection_back() -> None:
    lent, heard = Lent(), Heard()
    answer = asked(lent, heard)
    answer.data_received(ONE)
    answer.ended.cancel()
    for data in (b"3\r\ntwo\r\n", END):
        answer.data_received(data)
    answer.leave()
    assert (heard.pieces, lent.ended) == ([b"one"], ["closed"])


@pytest.mark.parametrize("arrived", [(ONE,), (ONE, b"3\r\ntw"), (ONE + END, b"x")])
async def test_a_connection_on_which_more_may_come_is_not_used_again(arrived: tuple[bytes, ...]) -> None:
    lent, heard = Lent(), Heard()
    answer = asked(lent, heard)
    for data in arrived:
        answer.data_received(data)
    answer.leave()
    assert (heard.pieces[0], lent.ended) == (b"one", ["closed"])


async def test_what_arrived_before_the_connection_was_lost_is_heard() -> None:
    lent, heard = Lent(), Heard()
    answer = asked(lent, heard)
    answer.data_received(ONE + END)
    answer.connection_lost(None)
    assert (heard.pieces, answer.ended.result()) == ([b"one"], None)
    answer.leave()


async def test_a_length_and_the_end_of_the_connection_end_a_body_too() -> None:
    assert (await hear(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none", stays=True)).pieces == [b"one"]
    assert (await hear(b"HTTP/1.1 200 OK\r\n\r\none")).pieces == [b"one"]
    assert (await hear(b"HTTP/1.1 204 No Content\r\n\r\n", stays=True)).pieces == []


async def test_what_is_said_before_the_answer_is_passed_over() -> None:
    heard = await hear(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ONE + END, stays=True)
    assert heard.head == (200, {"transfer-encoding": "chunked"})
    assert heard.pieces == [b"one"]


async def test_trailers_are_no_headers() -> None:
    heard = await hear(ONE + b"0\r\nX-Late: yes\r\n\r\n", stays=True)
    assert heard.head == (200, {"transfer-encoding": "chunked"})


@pytest.mark.parametrize("behind", [b"HTTP/1.1 200 OK\r\n", b"nonsense"])
async def test_a_whole_answer_is_whole_whatever_follows_it(behind: bytes) -> None:
    assert (await hear(ONE + END + behind, stays=True)).pieces == [b"one"]


async def test_a_body_that_is_none_is_truncated() -> None:
    heard = Heard()
    with pytest.raises(Truncated, match=r"127\.0\.0\.1 broke the connection off"):
        await hear(ONE + b"nonsense\r\n", stays=True, heard=heard)
    assert heard.pieces == [b"one"]


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"]
)
async def test_what_is_no_answer_is_refused(said: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await hear(said)
    assert caught.value.code == "upstream_protocol"
    assert not isinstance(caught.value, Truncated)


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"x" * 70_000,
        b"X-Same: x\r\n" * 7_000,
        b"".join(b"X-%d: x\r\n" % number for number in range(HEADER_COUNT + 2)),
    ],
    ids=["long", "same", "many"],
)
@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_a_head_is_bounded(head: bytes, end: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="too large") as caught:
        await hear(b"HTTP/1.1 200 OK\r\n" + head + end, stays=True)
    assert caught.value.code == "upstream_protocol"


async def test_silence_before_the_answer_counts() -> None:
    with pytest.raises(UpstreamTimeout):
        await hear(b"", stays=True, idle_s=0.05)


async def test_who_takes_nothing_of_a_long_question_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url, heard = f"http://127.0.0.1:{deaf.getsockname()[1]}/", Heard()
        async with open_http(connect_s=2, tls_s=2) as http:
            with anyio.fail_after(PATIENCE_S), pytest.raises(UpstreamTimeout):
                await http.stream("POST", url, body=bytes(32 << 20), idle_s=0.05, valve=heard.valve, **into(heard))


async def test_silence_while_the_valve_is_closed_does_not() -> None:
    heard = Heard()
    heard.valve.pause()
    with anyio.move_on_after(0.3) as waited:
        await hear(ONE, stays=True, idle_s=0.05, heard=heard)
    assert waited.cancelled_caught
    assert heard.pieces == [b"one"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_streams_and_calls_share_one_connection(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = self_signed(tmp_path) if scheme == "https" else None
    if tls is not None:
        monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting(tmp_path))
    peers: set[int] = set()

    async def tell(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername")[1])
        return web.Response(body=await request.read())

    async with web_server(web.post("/", tell), ssl=tls) as address, open_http(connect_s=2, tls_s=2) as http:
        url = f"{scheme}://{address}/"
        for number in range(3):
            streamed, body = Heard(), b"%d" % number
            await http.stream("POST", url, body=body, idle_s=5, valve=streamed.valve, **into(streamed))
            called = await http.call("POST", url, headers={}, body=body, reply_s=5)
            assert (streamed.pieces, called.body) == ([body], body)
    assert len(peers) == 1


async def test_a_connection_that_is_kept_holds_nobody_it_was_for() -> None:
    lent, heard = Lent(), Heard()
    gone = weakref.ref(heard)
    answer = asked(lent, heard)
    answer.data_received(ONE + END)
    answer.leave()
    assert lent.ended == ["released"]
    del heard
    assert gone() is None


@pytest.mark.parametrize("said", [ONE + END, ONE, ONE + b"nonsense\r\n", b"", b"nonsense\r\n\r\n"])
async def test_whom_an_answer_was_for_need_not_wait_for_the_collector(said: bytes) -> None:
    heard = Heard()
    gone = weakref.ref(heard)
    gc.disable()
    try:
        with contextlib.suppress(RealcozeError):
            await hear(said, heard=heard)
        del heard
        assert gone() is None
    finally:
        gc.enable()


async def test_nothing_of_one_answer_is_in_the_next() -> None:
    lent = Lent()
    connection = PushedConnection.on(cast("Any", lent))
    said = [
        ONE + b"0\r\nContent-Encoding: gzip\r\nX-Late: yes\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ONE + END,
    ]
    for number, answer in enumerate(said, start=1):
        heard = Heard()
        assert asked(lent, heard) is connection
        connection.data_received(answer)
        connection.leave()
        assert len(lent.ended) == number
        assert heard.head is not None
        assert heard.head[1].keys() <= {"transfer-encoding", "content-length"}
        assert b"".join(heard.pieces) in (b"", b"one")
    assert set(lent.ended) == {"released"}


async def test_who_is_cancelled_by_a_whole_answer_leaves_no_connection_behind() -> None:
    heard = Heard()
    async with raw_server(ONE + END, stays=True) as server, open_http(connect_s=2, tls_s=2) as http:
        with anyio.CancelScope() as scope:
            url = f"http://127.0.0.1:{server.port}/"
            told = {**into(heard), "on_bytes": lambda _: scope.cancel()}
            await http.stream("POST", url, body=b"", idle_s=5, valve=heard.valve, **told)
        assert scope.cancelled_caught
        with anyio.fail_after(5):
            await soon(lambda: server.gone == 1)


async def test_what_nobody_asked_for_is_for_aiohttp() -> None:
    lent, heard = Lent(), Heard()
    answer = asked(lent, heard)
    answer.data_received(ONE + END)
    answer.leave()
    answer.data_received(b"another's")
    answer.eof_received()
    answer.connection_lost(None)
    assert (heard.pieces, lent.protocol.heard) == ([b"one"], [b"another's", "end of file", "lost"])


async def test_a_stream_that_was_left_closes_its_connection() -> None:
    """What still comes must not be taken for another's answer."""
    heard = Heard()
    async with raw_server(ONE, stays=True) as server, open_http(connect_s=2, tls_s=2) as http:
        with anyio.move_on_after(0.1):
            url = f"http://127.0.0.1:{server.port}/"
            await http.stream("POST", url, body=b"", idle_s=5, valve=heard.valve, **into(heard))
        with anyio.fail_after(5):
            await soon(lambda: server.gone == 1)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0"])
async def test_a_header_has_one_line(value: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        encode_request("POST", address_of("http://host/"), {"x": value}, b"")


async def test_a_request_names_its_host_as_it_must() -> None:
    for url, host in (("https://[::1]:1/", b"[::1]:1"), ("https://höst:443/", b"xn--hst-sna"), ("http://h:80/", b"h")):
        assert b"\r\nHost: %b\r\n" % host in encode_request("POST", address_of(url), {}, b"")
