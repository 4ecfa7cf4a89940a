import asyncio
import tempfile
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from native_server import HELLO, Bot, Relay, Served, Turn, connected, exchange, parsed, post, request, saying, serving
from realcoze.app.v1 import refuse_at_door
from realcoze.errors import BadRequest, TooLarge
from realcoze.faces.fields import THREAD_HEADERS
from realcoze.faces.http import (
    CHAT_BODY_BYTES,
    Guard,
    declared_bytes,
    ignoring,
    new_request_id,
    read_body,
    read_file,
    unless_left,
    while_connected,
)

CHAT = "https://chat.example"
KEY = "a-key-of-32-characters-and-more-"


@pytest.fixture(scope="module")
async def house(anyio_backend: object) -> AsyncIterator[tuple[Served, Relay]]:
    """One server for all tests of this file, with a name and a page of its own."""
    relay = Relay()
    async with serving(relay, allowed_hosts=["Coze.Example"], allowed_origins=[f"{CHAT}/"]) as served:
        yield served, relay


@pytest.fixture
def port(house: tuple[Served, Relay], nothing_left: None) -> int:
    house[1].target = saying("Hi")
    return house[0].port


@pytest.fixture
def relay(house: tuple[Served, Relay]) -> Relay:
    return house[1]


# The Host


OUR_HOSTS = [
    "localhost",
    "LocalHost:8080",
    "localhost.",
    "localhost.:80",
    "127.0.0.1",
    "127.0.0.1:65535",
    "[::1]",
    "[::1]:8080",
    "coze.example",
    "COZE.EXAMPLE:443",
]
OTHER_HOSTS = [
    "",
    "evil.example",
    "localhost.evil.example",
    "evil.example:80",
    "127.0.0.2",
    "127.0.0.1.evil.example",
    "0.0.0.0",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "::1",
    "[::1",
    "localhost@evil.example",
    "evil.example@localhost",
    "localhost/evil",
    "localhost?",
    "localhost#",
    "localhost:80:80",
    "localhost:http",
    "local host",
    "localhost\\",
    "l\xf6calhost",
    "sub.coze.example",
]


@pytest.mark.parametrize("host", OUR_HOSTS)
async def test_we_answer_to_our_names(port: int, host: str) -> None:
    assert (await post(port, host=host)).status == 200


@pytest.mark.parametrize("host", OTHER_HOSTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_to_another_name_we_say_421(port: int, method: str, host: str) -> None:
    answer = await post(port, host=host, method=method, path="/health" if method == "GET" else "/")
    assert (answer.status, answer.error["code"]) == (421, "wrong_host")


async def test_no_host_or_two_is_no_name_of_ours(port: int) -> None:
    assert (await post(port, host=None)).status == 421
    two = request().replace(b"host: localhost\r\n", b"host: localhost\r\nhost: localhost\r\n")
    assert parsed(await exchange(port, two)).status == 421


async def test_a_star_in_the_allowed_hosts_answers_to_all() -> None:
    async with serving(saying("Hi"), allowed_hosts=["*"]) as served:
        assert (await post(served.port, host="evil.example")).status == 200
        assert (await post(served.port, host="evil.example", origin="https://other.example")).status == 403


async def test_the_address_that_is_listened_on_is_a_name_of_ours() -> None:
    async with serving(saying("Hi"), host="127.0.0.3") as served:
        assert (await post(served.port, host="127.0.0.3:1")).status == 200
    async with serving(saying("Hi"), host="0.0.0.0", key="0123456789abcdef") as served:
        assert (await post(served.port, host="0.0.0.0")).status == 421


# The Origin


@pytest.mark.parametrize(
    ("origin", "posting"),
    [
        (None, 200),
        ("http://localhost:8080", 200),
        ("https://LOCALHOST:8080/", 200),
        (CHAT, 200),
        (CHAT.upper(), 200),
        (f"{CHAT}:444", 403),
        (f"{CHAT}.evil.example", 403),
        ("http://chat.example", 403),
        ("http://localhost:8081", 403),
        ("http://127.0.0.1:8080", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
        ("file://", 403),
        ("http://localhost:8080, https://evil.example", 403),
    ],
)
async def test_pages_may_post_from_our_own_and_from_allowed_origins_only(
    port: int, origin: str | None, posting: int
) -> None:
    answer = await post(port, host="localhost:8080", origin=origin)
    assert answer.status == posting
    if posting == 403:
        assert answer.error["code"] == "wrong_origin"
    streamed = await post(port, path="/?stream=true", host="localhost:8080", origin=origin)
    assert streamed.status == posting
    assert (await post(port, b"", path="/health", method="GET", host="localhost:8080", origin=origin)).status == 200


async def test_two_origins_must_both_be_allowed(port: int) -> None:
    both = request(origin=CHAT).replace(b"\r\n\r\n", b"\r\norigin: https://evil.example\r\n\r\n", 1)
    assert parsed(await exchange(port, both)).status == 403


@pytest.mark.parametrize("path", ["/", "/?stream=true", "/nowhere", "/health"])
async def test_a_page_of_an_allowed_origin_may_read_the_answer_and_its_id(port: int, path: str) -> None:
    method = "GET" if path == "/health" else "POST"
    answer = await post(port, path=path, method=method, origin=f"{CHAT.upper()}")
    assert answer.headers["access-control-allow-origin"] == CHAT
    assert answer.headers["vary"] == "origin"
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert {"x-request-id", "request-id", "x-realcoze-estimate", "x-realcoze-ignored"} <= exposed
    assert "access-control-allow-credentials" not in answer.headers


async def test_its_browser_may_ask_beforehand(port: int) -> None:
    answer = await post(port, b"", method="OPTIONS", origin=CHAT, access_control_request_method="POST")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == CHAT
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE"
    allowed = answer.headers["access-control-allow-headers"].split(", ")
    assert {"authorization", *THREAD_HEADERS} <= set(allowed)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://localhost"])
async def test_no_other_page_may_read_anything(port: int, origin: str | None) -> None:
    asked = await post(port, b"", method="OPTIONS", origin=origin, access_control_request_method="POST")
    got = await post(port, b"", method="GET", path="/health", origin=origin)
    assert (asked.status, got.status) == (405, 200)
    for answer in (asked, got):
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["https://any.example", "null", "http://127.0.0.1:9"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions/", "/v1/models", "/v1/nothing"])
async def test_where_there_is_a_key_pages_of_every_site_may_call_v1(origin: str, path: str) -> None:
    """CLIENTS §4.2 rule 9."""
    async with serving(saying("Hi"), key=KEY) as served:
        asked = request(b"{}", path=path, origin=origin, x_api_key=KEY)
        answer = parsed(await exchange(served.port, asked))
        assert answer.status in (400, 404, 405)
        assert answer.headers["access-control-allow-origin"] == origin
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_browser_asks_beforehand_without_a_key_and_may_send_what_it_names() -> None:
    """CLIENTS §4.2 rule 9."""
    wanted = "authorization,content-type,x-stainless-lang,anthropic-version"
    preflight = {"access_control_request_method": "POST", "access_control_request_headers": wanted}
    private = {"access_control_request_private_network": "true"}
    async with serving(saying("Hi"), key=KEY) as served:
        for path, more in (("/v1/chat/completions", private), ("/models", {})):
            asked = request(b"", path=path, method="OPTIONS", origin="https://any.example", **preflight, **more)
            answer = parsed(await exchange(served.port, asked))
            assert answer.status == 204
            assert answer.headers["access-control-allow-origin"] == "https://any.example"
            assert answer.headers["access-control-allow-headers"] == wanted
            assert answer.headers.get("access-control-allow-private-network") == ("true" if more else None)


async def test_pages_of_allowed_origins_may_send_what_they_name_without_a_key_too(port: int) -> None:
    """CLIENTS §4.2 rule 9."""
    preflight = {
        "access_control_request_method": "POST",
        "access_control_request_headers": "authorization,x-stainless-lang",
        "access_control_request_private_network": "true",
    }
    answer = await post(port, b"", path="/v1/models", method="OPTIONS", origin=CHAT, **preflight)
    assert answer.headers["access-control-allow-headers"] == "authorization,x-stainless-lang"
    assert answer.headers["access-control-allow-private-network"] == "true"
    answer = await post(port, b"", path="/", method="OPTIONS", origin=CHAT, **preflight)
    assert "x-stainless-lang" not in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-private-network" not in answer.headers
    answer = await post(port, b"", path="/v1/models", method="OPTIONS", origin="https://evil.example", **preflight)
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_elsewhere_and_without_a_key_pages_of_other_sites_may_not_call() -> None:
    async with serving(saying("Hi"), key=KEY) as served:
        answer = await post(served.port, origin="https://any.example", x_api_key=KEY)
        assert (answer.status, answer.json["error"]["code"]) == (403, "wrong_origin")
    async with serving(saying("Hi")) as served:
        asked = request(b"{}", path="/v1/chat/completions", origin="https://any.example")
        answer = parsed(await exchange(served.port, asked))
        assert (answer.status, answer.json["error"]["type"]) == (403, "invalid_request_error")
        assert "access-control-allow-origin" not in answer.headers


WEBSOCKET = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec_websocket_version": "13",
    "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
    "content_length": None,
}


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("evil.example", None, 421),
        ("localhost", "https://evil.example", 403),
    ],
)
async def test_the_door_stands_before_websockets_too(port: int, host: str, origin: str | None, status: int) -> None:
    answer = await post(port, b"", method="GET", host=host, origin=origin, **WEBSOCKET)
    assert answer.status == status
    assert b"wrong_" in answer.body


def test_request_ids_differ() -> None:
    ids = {new_request_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(each.startswith("req_") and len(each) == 24 for each in ids)


# Bodies


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(port: int) -> None:
    async with connected(port) as client:
        await client.send(request(b"", content_length=str(CHAT_BODY_BYTES + 1), expect="100-continue"))
        got = await client.until(b"request_too_large")
    assert got.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in got


async def test_a_body_that_does_not_say_so_is_refused_as_it_comes(port: int, relay: Relay) -> None:
    """CLIENTS §5 item 14."""
    relay.target = bot = saying("never")
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    async with connected(port) as client:
        await client.send(request(b"", content_length=None, transfer_encoding="chunked"))
        for _ in range(CHAT_BODY_BYTES >> 20):
            await client.send(piece)
        await client.send(b"1\r\n \r\n")
        got = await client.until(b"request_too_large")
    assert got.startswith(b"HTTP/1.1 413 ")
    assert bot.turns == []


async def test_a_body_just_within_the_limit_is_read(port: int, relay: Relay) -> None:
    relay.target = bot = saying("Hi")
    body = HELLO.ljust(CHAT_BODY_BYTES)
    assert (await post(port, body)).status == 200
    assert bot.turns[0].request.messages[-1].text == "Hello"


# Clients that leave


async def thinking(turn: Turn) -> None:
    turn.start()
    await turn.go.wait()


@pytest.mark.parametrize("way", ["leave", "half_close"])
async def test_a_client_that_leaves_a_whole_answer_stops_the_turn(port: int, relay: Relay, way: str) -> None:
    relay.target = bot = Bot(thinking)
    async with connected(port) as client:
        await client.send(request())
        turn = await bot.turn()
        getattr(client, way)()
        await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


async def test_a_hundred_that_leave_at_once_leave_nothing(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(thinking)

    async def one() -> None:
        async with connected(port) as client:
            await client.send(request())
            await bot.until(lambda: len(bot.turns) == 100)

    await asyncio.gather(*(one() for _ in range(100)))
    for turn in bot.turns:
        await turn.until(lambda turn=turn: turn.is_over)  # type: ignore[misc]
    assert all(turn.is_cancelled for turn in bot.turns)


async def test_what_is_said_before_a_client_leaves_is_no_leaving() -> None:
    said = iter(["http.request", "http.request", "http.disconnect"])

    async def receive() -> dict[str, str]:
        return {"type": next(said)}

    with anyio.fail_after(1):
        async with while_connected(receive):
            await anyio.Event().wait()
    assert list(said) == []


async def test_a_block_that_ends_leaves_nobody_waiting_for_the_client(nothing_left: None) -> None:
    async def receive() -> dict[str, str]:
        await anyio.Event().wait()
        raise AssertionError

    with anyio.fail_after(1):
        async with while_connected(receive):
            pass


async def test_what_work_comes_to_is_given_unless_the_client_has_left() -> None:
    gone = anyio.Event()

    async def receive() -> dict[str, str]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def work(*, leaves: bool) -> int:
        if leaves:
            gone.set()
            await anyio.sleep_forever()
        return 7

    async def broken() -> int:
        raise TooLarge("It is.")

    with anyio.fail_after(1):
        assert await unless_left(receive, work(leaves=False)) == 7
        with pytest.raises(TooLarge):
            await unless_left(receive, broken())
        with pytest.raises(ClientDisconnect):
            await unless_left(receive, work(leaves=True))


async def test_the_door_is_for_callers_only() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    async def nothing(*message: Any) -> Any:
        raise AssertionError

    guard = Guard(app, allowed_hosts=(), allowed_origins=(), refuse=refuse_at_door)
    await guard({"type": "lifespan"}, nothing, nothing)
    assert seen == [{"type": "lifespan"}]


# Files


def form_request(body: bytes) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": [(b"content-type", b"multipart/form-data; boundary=x")]}, receive)


@pytest.mark.parametrize("data", [b"\r\n" * (2 << 20), bytes(range(256)) * (16 << 10)], ids=["line ends", "bytes"])
async def test_a_form_is_read_in_memory_and_lets_others_work_meanwhile(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, data: bytes
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "there is no place for files"))
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        file = await read_file(form_request(head + data + b"\r\n--x--\r\n"), max_bytes=8 << 20)
        assert (file.data, file.name) == (data, "a.bin")
        tasks.cancel_scope.cancel()
    assert rounds > 50


@pytest.mark.parametrize(
    ("declared", "size"),
    [("", 10), ("0", 0), ("3", 3), ("10", 10), ("11", 10), ("-1", 10), ("x", 10), ("9" * 5000, 10)],
)
def test_a_body_takes_the_room_it_asks_for_within_the_limit(declared: str, size: int) -> None:
    request = Request({"type": "http", "headers": [(b"content-length", declared.encode())]})
    assert declared_bytes(request, most=10) == size


async def test_a_body_in_many_pieces_takes_no_more_room_than_its_bytes() -> None:
    size = 1 << 17
    left = iter(range(size))

    async def receive() -> Message:
        return {"type": "http.request", "body": b"x", "more_body": next(left) < size - 1}

    tracemalloc.start()
    try:
        body = await read_body(Request({"type": "http", "headers": []}, receive))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert body == b"x" * size
    assert most < 4 * size


@pytest.mark.parametrize(
    ("field", "is_read"),
    [
        ((b"content-encoding", b"gzip"), False),
        ((b"content-encoding", b"br, gzip"), False),
        ((b"transfer-encoding", b"gzip, chunked"), False),
        ((b"transfer-encoding", b"Chunked"), True),
        ((b"content-encoding", b"identity"), True),
    ],
)
async def test_a_body_that_is_compressed_is_refused_in_words(field: tuple[bytes, bytes], is_read: bool) -> None:  # noqa: FBT001 - a parameter
    async def receive() -> Message:
        return {"type": "http.request", "body": b"[]"}

    with nullcontext() if is_read else pytest.raises(BadRequest, match=field[1].decode()):
        assert await read_body(Request({"type": "http", "headers": [field]}, receive)) == b"[]"


def test_what_is_passed_over_is_named_once() -> None:
    names = ("tools", "stop", "tools.other")
    assert ignoring(names) == {"x-realcoze-ignored": "tools, stop"}
    assert ignoring(names, heeds_offer=True) == {"x-realcoze-ignored": "stop, tools.other"}
    assert ignoring(("tools", "tool_choice"), heeds_offer=True) == {}
