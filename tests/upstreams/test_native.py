"""The upstream that is another `realcoze serve`, against servers that say exactly what a test wants.

Against a real one it runs in tests/contract/.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import web

from realcoze.domain.event import AnswerDone, TextDelta, TurnDone, TurnFailed, TurnStarted
from realcoze.domain.ids import BotName
from realcoze.domain.request import Resume, Wants
from realcoze.domain.tool import ToolResult
from realcoze.errors import (
    BadRequest,
    Misconfigured,
    Overloaded,
    RealcozeError,
    Truncated,
    Unauthorized,
    UpstreamFailed,
    UpstreamTimeout,
)
from realcoze.upstreams.coze_open.settings import Deadlines
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import IDLE_S, NativeUpstream, open_native
from servers import PATIENCE_S, Gathered, RawServer, ask, asking, raw_server, web_server

pytestmark = pytest.mark.usefixtures("nothing_left")

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
START = b'{"type":"start","chat_id":"c","conversation_id":"d"}\n'
DELTA = b'{"type":"delta","message_id":"m","text":"Hello"}\n'
ANSWER = b'{"type":"answer","message_id":"m"}\n'
DONE = b'{"type":"done"}\n'


def _chunked(*pieces: bytes, ends: bool = True) -> bytes:
    return HEAD + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + (b"0\r\n\r\n" if ends else b"")


@asynccontextmanager
async def _native(server: RawServer, *, key: str = "", idle_s: float = 5) -> AsyncIterator[NativeUpstream]:
    url = f"http://127.0.0.1:{server.port}/"
    async with open_native(url, key=Secret(key), connect_s=2, idle_s=idle_s) as native:
        yield native


async def _said(said: bytes, *, stays: bool = False, idle_s: float = 5) -> Gathered:
    """The events of one turn with a server that says this.  Raises what the turn does."""
    sink = Gathered()
    async with raw_server(said, stays=stays) as server, _native(server, idle_s=idle_s) as native:
        with anyio.fail_after(PATIENCE_S):
            await native.converse(asking("hello"), sink)
    return sink


async def test_records_become_events() -> None:
    sink = await _said(_chunked(START, DELTA, ANSWER, DONE))
    assert [type(event) for event in sink.events] == [TurnStarted, TextDelta, AnswerDone, TurnDone]
    assert sink.reply().text == "Hello"


async def test_records_may_be_cut_anywhere() -> None:
    whole = START + DELTA + ANSWER + DONE
    sink = await _said(_chunked(*(whole[at : at + 1] for at in range(len(whole)))))
    assert sink.reply().text == "Hello"


async def test_the_question_goes_along_with_key_and_wishes() -> None:
    seen: list[web.Request] = []
    bodies: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        bodies.append(await request.read())
        return web.Response(body=DELTA + ANSWER + DONE)

    async with web_server(web.post("/", answer)) as address:
        async with open_native(f"http://{address}", key=Secret("the-key")) as native:
            result = ToolResult(call_id="1", output="x")
            resume = Resume(event_id="5", kind="question")
            await ask(native, asking("hello", "cat", parameters={"a": 1}, tool_results=(result,), resume=resume))
            await ask(native, asking("hello", wants=Wants(steps=True)))
        async with open_native(f"http://{address}/", key=Secret("")) as native:
            await ask(native, asking("hello"))
    assert seen[0].headers["Authorization"] == "Bearer the-key"
    assert "Authorization" not in seen[2].headers
    assert seen[0].headers["Accept"] == "application/x-ndjson"
    assert [request.query.get("subscribe") is not None for request in seen] == [False, True, False]
    body = json.loads(bodies[0])
    assert (body["bot"], body["parameters"]) == ("cat", {"a": 1})
    assert body["tool_results"] == [{"call_id": "1", "output": "x"}]
    assert body["resume"] == {"event_id": "5", "kind": "question"}
    assert body["messages"][0]["content"] == "hello"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(503, "overloaded", Overloaded), (400, "bad_request", BadRequest)],
)
async def test_a_refusal_is_the_error_that_it_says(status: int, code: str, expected: type[RealcozeError]) -> None:
    body = b'{"error":{"code":"%b","message":"No.","hint":"Do this.","retry_after":3}}' % code.encode()
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    with pytest.raises(expected, match=r"No\.") as caught:
        await _said(head + body)
    assert (caught.value.code, caught.value.hint, caught.value.retry_after_s) == (code, "Do this.", 3)


async def test_a_key_that_is_refused_is_asked_for_as_it_is_given_here() -> None:
    body = b'{"error":{"code":"invalid_api_key","message":"No.","hint":"Send it as `x-api-key: KEY`."}}'
    refusal = b"HTTP/1.1 401 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with pytest.raises(Unauthorized) as caught:
        await _said(refusal)
    async with raw_server(refusal) as server, _native(server) as native:
        with pytest.raises(Unauthorized) as refused:
            await native.upload(b"data", "name", BotName(""))
    for error in (caught.value, refused.value):
        assert error.hint == "Give the key of that server with `--key` or REALCOZE_KEY; from Python, with `key=`."


async def test_a_refusal_of_something_else_has_its_status() -> None:
    with pytest.raises(UpstreamFailed, match="HTTP 502"):
        await _said(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>")


async def test_a_refusal_without_end_is_read_so_far_only() -> None:
    body = b'{"error":{"code":"overloaded","message":"No."}}' + b" " * 1_000_000
    with pytest.raises(RealcozeError):
        await _said(b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def test_a_failure_in_the_middle_is_the_event_that_it_says() -> None:
    failed = b'{"type":"error","error":{"code":"push_lost","message":"Gone."}}\n'
    for ends in (True, False):  # our servers leave out the last chunk of an answer that failed
        sink = await _said(_chunked(START, DELTA, failed, ends=ends))
        assert isinstance(sink.events[-1], TurnFailed)
        assert isinstance(sink.events[-1].error, Truncated)
        assert sink.events[-1].error.code == "push_lost"


@pytest.mark.parametrize("said", [_chunked(START, DELTA), _chunked(START, DELTA[:20]), _chunked()])
async def test_a_stream_that_just_stops_is_no_answer(said: bytes) -> None:
    with pytest.raises(Truncated):
        await _said(said)


async def test_a_connection_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(Truncated):
        await _said(_chunked(START, DELTA, ends=False))


async def test_a_sink_that_is_still_paused_after_the_end_is_not_waited_for() -> None:
    async with raw_server(_chunked(START, DELTA, ANSWER, DONE)) as server, _native(server) as native:
        sink = Gathered(lambda _: sink.flow.pause())
        with anyio.fail_after(PATIENCE_S):
            await native.converse(asking("hello"), sink)
        assert sink.reply().text == "Hello"


async def test_how_the_connection_ends_after_the_last_record_says_nothing_new() -> None:
    sink = await _said(_chunked(START, DELTA, ANSWER, DONE, ends=False))
    assert sink.reply().text == "Hello"


@pytest.mark.parametrize("piece", [b"nonsense", b"[]", b'{"type":"delta"}', b'{"type":1}', b"<html>"])
async def test_what_is_no_record_is_an_error(piece: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        await _said(_chunked(START, piece), stays=True)


async def test_records_of_later_versions_are_passed_over() -> None:
    sink = await _said(_chunked(START, b'{"type":"weather","sky":"clear"}', DELTA, ANSWER, DONE))
    assert sink.reply().text == "Hello"


async def test_a_server_that_falls_silent_is_noticed() -> None:
    with pytest.raises(UpstreamTimeout):
        await _said(_chunked(START, DELTA, ends=False), stays=True, idle_s=0.05)


async def test_nobody_there_has_a_hint() -> None:
    async with raw_server() as server:
        port = server.port
    async with open_native(f"http://127.0.0.1:{port}", key=Secret("")) as native:
        with pytest.raises(UpstreamFailed) as caught:
            await native.converse(asking("hello"), Gathered())
    assert caught.value.code == "upstream_unreachable"
    assert "realcoze serve" in (caught.value.hint or "")


async def test_leaving_closes_the_connection() -> None:
    async with raw_server(_chunked(START, DELTA, ends=False), stays=True) as server, _native(server) as native:
        sink = Gathered()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(native.converse, asking("hello"), sink)
            await sink.until(lambda: bool(sink.text))
            tasks.cancel_scope.cancel()
        await server.until(lambda: server.gone == 1)


async def test_a_server_may_be_silent_for_longer_than_a_workflow() -> None:
    assert Deadlines().workflow_idle < IDLE_S


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://host", "http://", "http://[::1", "http://host:99999", "http://host:0"]
)
async def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(Misconfigured, match="address of the server"):
        async with open_native(url, key=Secret("")):
            pytest.fail("it opened")


async def test_the_base_url_of_sdks_is_an_address_too() -> None:
    async with (
        raw_server(_chunked(START, ANSWER, DONE)) as server,
        open_native(f"http://127.0.0.1:{server.port}/coze/v1", key=Secret("")) as native,
    ):
        await native.converse(asking("hello"), Gathered())
        assert server.received[0].startswith(b"POST /coze/?stream=true")
