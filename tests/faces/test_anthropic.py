import json
from collections.abc import AsyncIterator
from typing import Any

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
from realcoze.domain.event import InputRequested, Interrupt, ReasoningDelta, ToolCallsRequested, Usage
from realcoze.domain.message import say
from realcoze.domain.request import Thread
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import Busy, ContentRefused, Overloaded, RealcozeError, Truncated, UpstreamFailed
from realcoze.faces.http import CHAT_BODY_BYTES

KEY = "a-key-of-32-characters-and-more-"


@pytest.fixture(scope="module")
async def house(anyio_backend: object) -> AsyncIterator[tuple[Served, Relay]]:
    """One server for most tests of this file; each says who answers."""
    relay = Relay()
    async with serving({"echo": relay, "other": relay}) as served:
        yield served, relay


@pytest.fixture
def port(house: tuple[Served, Relay], nothing_left: None) -> int:
    return house[0].port


@pytest.fixture
def relay(house: tuple[Served, Relay]) -> Relay:
    return house[1]


def asked(content: Any = "Hi", **fields: Any) -> bytes:
    messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
    return json.dumps({"model": "echo", "max_tokens": 9, "messages": messages, **fields}).encode()


async def call(
    port: int, body: bytes = b"", *, path: str = "/v1/messages", method: str = "POST", **headers: str | None
) -> Answer:
    return parsed(await exchange(port, request(body, path=path, method=method, **headers)))


def error_of(answer: Answer) -> Any:
    """The inner object of an error, whose request id is the header's."""
    body = answer.json
    assert (body["type"], body["request_id"]) == ("error", answer.headers["request-id"])
    assert answer.headers["x-request-id"] == answer.headers["request-id"]
    return body["error"]


def events(answer: Answer) -> list[Any]:
    blocks = [block.splitlines() for block in answer.text.split("\n\n") if block]
    found = [json.loads(block[1].removeprefix("data: ")) for block in blocks]
    assert [block[0] for block in blocks] == [f"event: {each['type']}" for each in found]
    return found


def failing(error: RealcozeError, *texts: str) -> Bot:
    async def script(turn: Turn) -> None:
        turn.start()
        turn.say(*texts)
        raise error

    return Bot(script)


async def thinking(turn: Turn) -> None:
    turn.start()
    turn.feed(ReasoningDelta(message_id=MESSAGE, text="hm"))
    turn.say("Yes")
    turn.feed(Usage(input=1, output=2, total=3))
    turn.done()


# The whole answer


async def test_a_whole_answer_is_a_message(port: int, relay: Relay) -> None:
    relay.target = Bot(thinking)
    answer = await call(port, asked())
    request_id = answer.headers["request-id"]
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert answer.json == {
        "id": request_id.replace("req_", "msg_"),
        "type": "message",
        "role": "assistant",
        "model": "echo",
        "content": [{"type": "text", "text": "Yes"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }


async def test_what_claude_code_asks_beside_messages(port: int, relay: Relay) -> None:
    """CLIENTS §5 item 20."""
    relay.target = saying("Hello")
    assert (await call(port, path="/", method="HEAD")).status == 200
    assert (await call(port, asked(), path="/v1/messages?beta=true")).json["content"][0]["text"] == "Hello"
    listed = await call(port, path="/v1/models?limit=1000", method="GET", anthropic_version="2023-06-01")
    assert listed.json == {
        "data": [
            {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
            for name in ("echo", "other")
        ],
        "has_more": False,
        "first_id": "echo",
        "last_id": "other",
    }


async def test_models_have_this_shape_for_who_says_a_version_only(port: int) -> None:
    one = await call(port, path="/v1/models/echo", method="GET", anthropic_version="2023-06-01")
    assert one.json["type"] == "model"
    assert "type" not in (await call(port, path="/v1/models/echo", method="GET")).json
    gone = await call(port, path="/v1/models/nobody", method="GET", anthropic_version="2023-06-01")
    assert (gone.status, error_of(gone)["type"]) == (404, "not_found_error")


async def test_the_upstream_gets_the_conversation_the_user_and_what_was_said(port: int, relay: Relay) -> None:
    relay.target = bot = saying("Hello")
    body = asked(metadata={"user_id": "anna"}, thinking={"type": "enabled"})
    await call(port, body, x_conversation_id="one", x_api_key=None)
    told = bot.turns[0].request
    assert (told.bot, told.user_id, told.messages) == ("echo", "anna", (say("user", "Hi"),))
    assert told.thread == Thread(id="one", is_whole=False)
    assert told.wants.reasoning


async def test_results_of_tools_reach_the_upstream(port: int, relay: Relay) -> None:
    """CLIENTS §5 item 9."""
    relay.target = bot = saying("It is warm.")
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "warm"}
    await call(port, asked([{"role": "user", "content": [result]}]), x_conversation_id="two")
    assert bot.turns[0].request.tool_results == (ToolResult(call_id="c1", output="warm"),)


async def test_tools_of_a_request_are_named_in_a_header(port: int, relay: Relay) -> None:
    relay.target = saying("Hello")
    for is_streamed in (False, True):
        answer = await call(port, asked(tools=[{"name": "x"}], stop_sequences=["."], stream=is_streamed))
        assert answer.headers["x-realcoze-ignored"] == "tools, stop_sequences"
    assert "x-realcoze-ignored" not in (await call(port, asked())).headers


# The stream


async def test_a_stream_goes_event_by_event(port: int, relay: Relay) -> None:
    relay.target = Bot(thinking)
    answer = await call(port, asked(stream=True, thinking={"type": "enabled", "budget_tokens": 1024}))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found = events(answer)
    assert [each["content_block"]["type"] for each in found if "content_block" in each] == ["thinking", "text"]
    assert found[0]["message"]["id"] == answer.headers["request-id"].replace("req_", "msg_")
    assert found[-2]["usage"] == {"input_tokens": 1, "output_tokens": 2}
    assert found[-1] == {"type": "message_stop"}
    assert answer.has_last_chunk


async def test_a_bot_that_wants_a_tool_ends_the_stream_with_it(port: int, relay: Relay) -> None:
    """CLIENTS §5 item 9."""

    async def script(turn: Turn) -> None:
        turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="weather", arguments='{"city":"Rome"}'),)))

    relay.target = Bot(script)
    found = events(await call(port, asked(stream=True)))
    assert found[1]["content_block"] == {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


async def test_a_question_of_a_workflow_is_the_answer(port: int, relay: Relay) -> None:
    async def script(turn: Turn) -> None:
        turn.feed(InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={"question": "Where?"})))

    relay.target = Bot(script)
    assert (await call(port, asked())).json["content"] == [{"type": "text", "text": "Where?"}]
    assert (await call(port, asked())).json["stop_reason"] == "end_turn"


@pytest.mark.parametrize("error", [Truncated("Cut."), UpstreamFailed("Lost."), Overloaded("Full.")])
async def test_half_an_answer_ends_with_an_error_and_without_the_last_chunk(
    port: int, relay: Relay, error: RealcozeError
) -> None:
    """CLIENTS §4.3.  CLIENTS §5 item 5.  CLIENTS §5 item 8."""
    relay.target = failing(error, "half")
    answer = await call(port, asked(stream=True))
    found = events(answer)
    assert [each["type"] for each in found] == ["message_start", "content_block_start", "content_block_delta", "error"]
    assert found[-1]["request_id"] == answer.headers["request-id"]
    assert found[-1]["error"]["type"] == ("overloaded_error" if isinstance(error, Overloaded) else "api_error")
    assert not answer.has_last_chunk


async def test_an_answer_that_coze_s_rules_cut_off_is_a_refusal(port: int, relay: Relay) -> None:
    relay.target = failing(ContentRefused("No."), "half")
    answer = await call(port, asked(stream=True))
    assert events(answer)[-2]["delta"]["stop_reason"] == "refusal"
    assert answer.has_last_chunk


async def test_a_silent_bot_is_covered_by_pings() -> None:
    """CLIENTS §4.3.  CLIENTS §5 item 6."""

    async def script(turn: Turn) -> None:
        turn.start()
        await turn.go.wait()
        turn.say("Hello")
        turn.done()

    bot = Bot(script)
    async with serving({"echo": bot}, gate_s=0.01, keepalive_s=0.02) as served, connected(served.port) as client:
        await client.send(request(asked(stream=True), path="/v1/messages"))
        await client.until(b'event: ping\ndata: {"type":"ping"}\n\n', times=3)
        (await bot.turn()).go.set()
        answer = parsed(await client.rest())
    found = [each["type"] for each in events(answer)]
    assert found[0] == "message_start"
    assert found[-1] == "message_stop"
    assert "ping" in found


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_a_client_that_leaves_stops_the_turn(port: int, relay: Relay, *, is_streamed: bool) -> None:
    """CLIENTS §5 item 7."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Hello")
        await turn.go.wait()

    relay.target = bot = Bot(script)
    async with connected(port) as client:
        await client.send(request(asked(stream=is_streamed), path="/v1/messages"))
        turn = await bot.turn()
        client.leave()
        await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


# Refusals


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_an_error_before_the_answer_has_a_status_and_says_whether_to_try_again(
    port: int, relay: Relay, *, is_streamed: bool
) -> None:
    """CLIENTS §4.2 rule 11.  CLIENTS §5 item 8."""
    relay.target = failing(Busy("It runs already.", retry_after_s=2.0))
    answer = await call(port, asked(stream=is_streamed))
    assert (answer.status, answer.headers["retry-after"], answer.headers["x-should-retry"]) == (429, "2", "true")
    assert error_of(answer)["details"] == {"error_code": "conversation_busy"}


async def test_an_unknown_model_is_not_found(port: int) -> None:
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        answer = await call(port, asked(model="nobody"), path=path)
        assert (answer.status, answer.headers["x-should-retry"]) == (404, "false")
        assert error_of(answer)["details"] == {"error_code": "model_not_found"}


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"<html>", b"[]", b"\xff", b"[" * 100_000, b'{"messages":7}', asked()[:-1]),
        *(asked(model=7), asked(stream="yes"), asked([7]), asked(system=7), asked(metadata=7)),
    ],
    ids=range(13),
)
async def test_a_body_that_cannot_be_read_is_refused(port: int, body: bytes) -> None:
    """CLIENTS §5 item 14."""
    answer = await call(port, body)
    assert (answer.status, error_of(answer)["type"]) == (400, "invalid_request_error")


async def test_a_body_that_is_too_large_is_refused_before_it_comes(port: int) -> None:
    """CLIENTS §5 item 14."""
    head = request(b"", path="/v1/messages").replace(
        b"content-length: 0", b"content-length: %d" % (CHAT_BODY_BYTES + 1)
    )
    answer = parsed(await exchange(port, head))
    assert (answer.status, error_of(answer)["type"]) == (413, "request_too_large")


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages", "/v1/messages/", "/v1/messages?beta=true"])
async def test_the_path_is_known_however_it_is_written(port: int, relay: Relay, path: str) -> None:
    """CLIENTS §4.2 rule 9."""
    relay.target = saying("Hello")
    assert (await call(port, asked(), path=path)).json["content"][0]["text"] == "Hello"


@pytest.mark.parametrize(
    ("path", "method", "status", "said"),
    [
        ("/v1/messages/batches", "POST", 404, "There is no '/v1/messages/batches' here: Coze has no batches"),
        ("/v1/messages", "GET", 405, "It is POST '/v1/messages', not GET."),
    ],
)
async def test_what_there_is_not_is_said_in_this_shape(
    port: int, path: str, method: str, status: int, said: str
) -> None:
    answer = await call(port, path=path, method=method)
    assert (answer.status, answer.headers["x-should-retry"]) == (status, "false")
    assert error_of(answer)["message"].startswith(said)


async def test_a_path_of_both_apis_has_this_shape_for_who_says_a_version(port: int) -> None:
    answer = await call(port, path="/v1/batches", method="GET", anthropic_version="2023-06-01")
    assert error_of(answer)["type"] == "not_found_error"


async def test_a_key_is_wanted_whichever_way_it_comes() -> None:
    async with serving({"echo": saying("Hello")}, key=KEY) as served:
        for headers in ({"x_api_key": KEY}, {"authorization": f"Bearer {KEY}"}):
            assert (await call(served.port, asked(), **headers)).status == 200
        for path, method in (
            ("/v1/messages", "POST"),
            ("/v1/messages/count_tokens", "POST"),
            ("/v1/models", "GET"),
            ("/v1/models/echo", "GET"),
        ):
            refused = await call(served.port, asked(), path=path, method=method, anthropic_version="2023-06-01")
            assert (refused.status, error_of(refused)["type"]) == (401, "authentication_error")


# Counting


async def test_a_count_of_tokens_is_an_estimate_and_says_so(port: int, relay: Relay) -> None:
    relay.target = bot = saying("Hello")
    answer = await call(port, asked("Hello there"), path="/v1/messages/count_tokens")
    assert (answer.json, answer.headers["x-realcoze-estimate"]) == ({"input_tokens": 4}, "true")
    assert bot.turns == [], "it costs no call"


async def test_a_history_that_ends_with_the_bot_can_be_counted(port: int) -> None:
    history = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    answer = await call(port, asked(history), path="/v1/messages/count_tokens")
    assert (answer.status, answer.json) == (200, {"input_tokens": 3})


async def test_a_large_body_is_read_as_any_other(port: int, relay: Relay) -> None:
    relay.target = bot = saying("Hello")
    text = "x" * (2 << 20)
    assert (await call(port, asked(text))).status == 200
    assert bot.turns[-1].request.messages == (say("user", text),)
