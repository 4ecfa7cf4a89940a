import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from native_server import (
    MESSAGE,
    Answer,
    Bot,
    Relay,
    Served,
    Turn,
    connected,
    exchange,
    parsed,
    request,
    saying,
    serving,
)
from realcoze.app.config import Server
from realcoze.domain.event import ReasoningDelta, Step, Suggestion, ToolCallsRequested, Usage
from realcoze.domain.request import Thread
from realcoze.domain.tool import ToolCall
from realcoze.errors import BadRequest, Busy, QuotaExhausted, RealcozeError, Truncated, UpstreamFailed
from realcoze.faces.http import CHAT_BODY_BYTES
from realcoze.gateway.access import Access
from servers import PATIENCE_S

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
async def house(anyio_backend: object) -> AsyncIterator[tuple[Served, Relay]]:
    """One server for all tests of this file; each says who answers."""
    relay = Relay()
    async with serving({"bot": relay, "other": relay}, gate_s=0.2, keepalive_s=0.1) as served:
        yield served, relay


@pytest.fixture
def port(house: tuple[Served, Relay], nothing_left: None) -> int:
    return house[0].port


@pytest.fixture
def relay(house: tuple[Served, Relay]) -> Relay:
    return house[1]


def body(text: str = "Hello", **members: Any) -> bytes:
    return json.dumps({"model": "bot", "messages": [{"role": "user", "content": text}], **members}).encode()


async def post(port: int, asked: bytes, *, path: str = PATH, **headers: str) -> Answer:
    return parsed(await exchange(port, request(asked, path=path, **headers)))


def datas(answer: Answer) -> list[Any]:
    """What the data lines of a stream hold, as far as it came."""
    blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    texts = [block.removeprefix("data: ") for block in blocks]
    return [text if text == "[DONE]" else json.loads(text) for text in texts]


def said(answer: Answer) -> str:
    chunks = [chunk for chunk in datas(answer) if chunk != "[DONE]" and chunk.get("choices")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


async def everything(turn: Turn) -> None:
    turn.start()
    turn.feed(ReasoningDelta(message_id=MESSAGE, text="hm"), Step(kind="call", title="t", body="{}"))
    turn.say("Wa", "rm")
    turn.feed(Usage(input=1, output=2, total=3), Suggestion(text="And?"))
    turn.done()


async def test_a_whole_answer(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(everything)
    answer = await post(port, body())
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    completion = answer.json
    assert completion["id"] == f"chatcmpl-{answer.headers['x-request-id'].removeprefix('req_')}"
    [choice] = completion["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Warm", "reasoning_content": "hm"}
    assert completion["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    assert "x_coze" not in completion
    assert bot.turns[0].request.bot == "bot"


async def test_a_streamed_answer(port: int, relay: Relay) -> None:
    """CLIENTS §4.2 rule 3.  CLIENTS §4.2 rule 4.  CLIENTS §4.2 rule 6."""
    relay.target = Bot(everything)
    answer = await post(port, body(stream=True, stream_options={"include_usage": True}))
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, done = datas(answer)
    assert (said(answer), done, answer.has_last_chunk) == ("Warm", "[DONE]", True)
    assert [chunk["choices"][0]["delta"].get("reasoning_content") for chunk in chunks[:2]] == [None, "hm"]
    assert chunks[-1] == {**chunks[-1], "choices": [], "usage": {**chunks[-1]["usage"], "total_tokens": 3}}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/v1/chat/completions", f"{PATH}/", f"{PATH}?beta=true"])
async def test_the_path_is_known_however_it_is_written(port: int, relay: Relay, path: str) -> None:
    """CLIENTS §4.2 rule 9."""
    relay.target = saying("Hello")
    assert (await post(port, body(), path=path)).json["choices"][0]["message"]["content"] == "Hello"


async def test_what_was_ignored_stands_in_a_header(port: int, relay: Relay) -> None:
    relay.target = saying("Hello")
    for stream in (False, True):
        answer = await post(port, body(tools=[{}], seed=7, stream=stream))
        assert (answer.status, answer.headers["x-realcoze-ignored"]) == (200, "tools, seed")
    assert "x-realcoze-ignored" not in (await post(port, body(temperature=1))).headers


@pytest.mark.parametrize(
    ("header", "thread"),
    [
        ("x_conversation_id", Thread(id="one", is_whole=False)),
        ("x_openwebui_chat_id", Thread(id="one", is_whole=True)),
    ],
)
async def test_a_conversation_has_the_name_that_its_client_gives_it(
    port: int, relay: Relay, header: str, thread: Thread
) -> None:
    relay.target = bot = saying("Hello")
    await post(port, body(), **{header: "one"})
    assert bot.turns[0].request.thread == thread


async def test_tools_that_the_bot_wants_run(port: int, relay: Relay) -> None:
    """CLIENTS §5 item 9."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="f", arguments="{}"),)))

    relay.target = bot = Bot(script)
    whole = (await post(port, body())).json["choices"][0]
    streamed = [chunk["choices"][0] for chunk in datas(await post(port, body(stream=True)))[:-1]]
    assert whole["finish_reason"] == streamed[-1]["finish_reason"] == "tool_calls"
    assert whole["message"]["tool_calls"][0]["id"] == streamed[1]["delta"]["tool_calls"][0]["id"] == "c1"
    history = [{"role": "user", "content": "Hello"}, whole["message"], {"role": "tool", "tool_call_id": "c1"}]
    await post(port, json.dumps({"model": "bot", "messages": history}).encode())
    assert [each.call_id for each in bot.turns[-1].request.tool_results] == ["c1"]


async def test_more_than_one_answer_at_once_is_refused_before_anybody_is_asked(port: int, relay: Relay) -> None:
    """CLIENTS §4.2 rule 8."""
    relay.target = bot = saying("Hello")
    answer = await post(port, body(n=2))
    assert (answer.status, answer.json["error"]["type"], bot.turns) == (400, "invalid_request_error", [])


ERRORS: list[tuple[RealcozeError, dict[str, Any]]] = [
    (BadRequest("No."), {"status": 400, "code": "bad_request", "again": "false", "wait": None}),
    (Busy("Busy.", retry_after_s=3), {"status": 409, "code": "conversation_busy", "again": "true", "wait": "3"}),
    (QuotaExhausted("Empty."), {"status": 429, "code": "insufficient_quota", "again": "false", "wait": None}),
    (
        UpstreamFailed("Gone.", code="upstream_unreachable", retryable=True),
        {"status": 502, "code": "upstream_unreachable", "again": None, "wait": None},
    ),
    (Truncated("Cut."), {"status": 502, "code": "upstream_truncated", "again": "false", "wait": None}),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("error", "told"), ERRORS, ids=[error.code for error, _ in ERRORS])
async def test_before_the_first_content_an_error_is_a_status(
    port: int, relay: Relay, error: RealcozeError, told: dict[str, Any], *, stream: bool
) -> None:
    """CLIENTS §4.2 rule 10.  CLIENTS §4.2 rule 11.  CLIENTS §5 item 8."""

    async def script(turn: Turn) -> None:
        turn.start()
        raise error

    relay.target = Bot(script)
    answer = await post(port, body(stream=stream))
    headers = answer.headers
    assert told == {
        "status": answer.status,
        "code": answer.json["error"]["code"],
        "again": headers.get("x-should-retry"),
        "wait": headers.get("retry-after"),
    }
    assert headers["x-request-id"].startswith("req_")


async def test_an_answer_that_breaks_off_never_looks_complete(port: int, relay: Relay) -> None:
    """CLIENTS §4.2 rule 5.  CLIENTS §5 item 5.  CLIENTS §5 item 8."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Hal")
        raise Truncated("The answer broke off.")

    relay.target = Bot(script)
    answer = await post(port, body(stream=True))
    assert (answer.status, said(answer), answer.has_last_chunk) == (200, "Hal", False)
    assert datas(answer)[-1]["error"]["code"] == "upstream_truncated"
    assert 'finish_reason":"' not in answer.text


async def test_a_silent_bot_is_covered_by_comments(port: int, relay: Relay) -> None:
    """CLIENTS §4.2 rule 1.  CLIENTS §5 item 6."""

    async def script(turn: Turn) -> None:
        turn.start()
        await turn.go.wait()
        turn.say("Hello")
        turn.done()

    relay.target = bot = Bot(script)
    async with connected(port) as client:
        await client.send(request(body(stream=True), path=PATH))
        turn = await bot.turn()
        assert b'"role":"assistant"' in await client.until(b": keepalive\n\n", times=2)
        turn.go.set()
        answer = parsed(await client.rest())
    assert (said(answer), answer.has_last_chunk) == ("Hello", True)


async def test_the_headers_come_with_the_first_content() -> None:
    """CLIENTS §4.2 rule 1."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Hello")
        await turn.go.wait()
        turn.done()

    bot = Bot(script)
    async with serving(bot, gate_s=3600.0) as served, connected(served.port) as client:
        await client.send(request(body(stream=True), path=PATH))
        got = await client.until(b'"content":"Hello"')
        (await bot.turn()).go.set()
        assert got.startswith(b"HTTP/1.1 200")
        assert b"keepalive" not in await client.rest()


async def test_the_headers_come_with_a_tool_call() -> None:
    """CLIENTS §4.2 rule 1."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="f", arguments="{}"),)))
        await turn.go.wait()

    bot = Bot(script)
    async with serving(bot, gate_s=3600.0) as served, connected(served.port) as client:
        await client.send(request(body(stream=True), path=PATH))
        assert (await client.until(b'"finish_reason":"tool_calls"')).startswith(b"HTTP/1.1 200")
        (await bot.turn()).go.set()


async def test_the_headers_come_after_the_gate_though_there_is_no_content_yet() -> None:
    """CLIENTS §4.2 rule 1."""

    async def script(turn: Turn) -> None:
        await turn.go.wait()
        turn.start()
        turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="f", arguments="{}"),)))

    bot = Bot(script)
    async with serving(bot, gate_s=0.01, keepalive_s=3600.0) as served, connected(served.port) as client:
        await client.send(request(body(stream=True), path=PATH))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        (await bot.turn()).go.set()
        assert b'"finish_reason":"tool_calls"' in await client.rest()


def test_the_gate_is_5_s_and_the_signs_of_life_are_10_s_apart_unless_a_setting_says_otherwise() -> None:
    """CLIENTS §4.2 rule 1."""
    assert (Server().gate_s, Server().keepalive_s) == (5.0, 10.0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_turn(port: int, relay: Relay, *, stream: bool) -> None:
    """CLIENTS §5 item 7."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Hello")
        await turn.go.wait()

    relay.target = bot = Bot(script)
    async with connected(port) as client:
        await client.send(request(body(stream=stream), path=PATH))
        turn = await bot.turn()
        client.leave()
        await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        *((b"", 400), (b"<html>", 400), (b"[]", 400), (b'{"messages":7}', 400), (b"\xff", 400), (body(n=2), 400)),
        *((body(model=7), 400), (body(stream="yes"), 400), (body(messages=[7]), 400), (body(user={}), 400)),
        *((body(stream_options=7), 400), (b"[" * 100_000, 400), (body()[:-1], 400)),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_400(port: int, asked: bytes, status: int) -> None:
    """CLIENTS §5 item 14."""
    answer = await post(port, asked)
    assert (answer.status, answer.json["error"]["type"]) == (status, "invalid_request_error")


async def test_a_body_that_is_too_large_is_a_413(port: int) -> None:
    """CLIENTS §5 item 14."""
    headers = request(b"", path=PATH).replace(b"content-length: 0", b"content-length: %d" % (CHAT_BODY_BYTES + 1))
    answer = parsed(await exchange(port, headers))
    assert (answer.status, answer.json["error"]["code"]) == (413, "request_too_large")


async def test_an_unknown_model_is_a_404_that_lists_those_there_are(port: int) -> None:
    answer = await post(port, body(model="nobody"))
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert "bot, other" in answer.json["error"]["message"]


async def test_keys_come_either_way_and_name_the_caller() -> None:
    bot = saying("Hello")
    async with serving(bot, key=KEY) as served:
        for headers in ({"authorization": f"Bearer {KEY}"}, {"x_api_key": KEY}):
            assert (await post(served.port, body(), **headers)).status == 200
        answer = await post(served.port, body(), authorization="Bearer wrong")
        assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
        assert "x-should-retry" not in answer.headers
    assert {turn.request.caller for turn in bot.turns} == {Access([KEY]).authenticate([KEY])}


async def test_head_and_options_need_no_key_and_other_methods_and_paths_are_refused_in_shape() -> None:
    """CLIENTS §4.2 rule 9."""
    async with serving(saying("Hello"), key=KEY) as served, aiohttp.ClientSession() as http:
        timeout = aiohttp.ClientTimeout(PATIENCE_S)
        for method in ("HEAD", "OPTIONS"):
            async with http.request(method, f"{served.url}{PATH}", timeout=timeout) as answer:
                assert answer.status == 204
        async with http.get(f"{served.url}{PATH}", timeout=timeout) as answer:
            assert (answer.status, answer.headers["allow"]) == (405, "HEAD, OPTIONS, POST")
            assert (await answer.json())["error"]["code"] == "method_not_allowed"
        async with http.post(f"{served.url}/v1/nothing", timeout=timeout) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"], error["type"]) == (404, "no_such_path", "invalid_request_error")
