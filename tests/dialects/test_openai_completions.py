import json
from collections.abc import Iterable
from typing import Any

import pytest

from realcoze.dialects.openai_completions import Asked, CompletionEncoder, decode_request, encode_reply
from realcoze.domain.event import (
    AnswerDone,
    Event,
    ReasoningDelta,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Usage,
)
from realcoze.domain.fold import Reply
from realcoze.domain.ids import CallerId, ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Wants
from realcoze.domain.tool import ToolCall
from realcoze.errors import BadRequest, ContentRefused, RealcozeError, Truncated
from realcoze.framing.sse import SseDecoder

M = MessageId("m")
STARTED = TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v"))
USAGE = Usage(input=1, output=2, total=3)


def decoded(prompt: Any = "Hello", **members: Any) -> Asked:
    body = json.dumps({"model": "bot", "prompt": prompt, **members}).encode()
    return decode_request(body, caller=CallerId("k"), thread=None)


def delta(text: str) -> TextDelta:
    return TextDelta(message_id=M, text=text)


def encoded(events: Iterable[Event], **members: Any) -> tuple[list[Any], CompletionEncoder]:
    encoder, decoder = CompletionEncoder(decoded(stream=True, **members), RequestId("req_1"), created=7), SseDecoder()
    blocks = [*decoder.feed(b"".join(map(encoder.feed, events))), *decoder.finish()]
    return [block.text if block.text == "[DONE]" else json.loads(block.text) for block in blocks], encoder


def test_a_prompt_is_the_users_message() -> None:
    for prompt in ("Hello", ["Hello"]):
        asked = decoded(prompt, user="ada", coze={"conversation_id": "7", "parameters": {"p": 1}})
        assert asked.request.messages == (say("user", "Hello"),)
        assert (asked.request.bot, asked.model, asked.request.user_id, asked.request.caller) == (
            "bot",
            "bot",
            "ada",
            "k",
        )
        assert (asked.request.conversation_id, asked.request.parameters) == ("7", {"p": 1})
        assert asked.request.wants == Wants(usage=True)


def test_what_is_ignored_is_named() -> None:
    assert decoded(echo=True, stop=["x"], logprobs=None, temperature=1).ignored == ("echo", "stop")


@pytest.mark.parametrize(
    "wrong", [{"n": 2}, {"best_of": 2}, {"suffix": "end"}, {"prompt": ["a", "b"]}, {"prompt": [1, 2]}, {"prompt": 7}]
)
def test_what_nobody_can_promise_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        decoded(**wrong)


def test_a_whole_answer() -> None:
    body = json.loads(encode_reply(decoded(), Reply(text="Hi", usage=USAGE), RequestId("req_1"), created=7))
    assert body == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 7,
        "model": "bot",
        "choices": [{"text": "Hi", "finish_reason": "stop", "index": 0, "logprobs": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    assert json.loads(encode_reply(decoded(), Reply(text="Hi"), RequestId("req_1"), created=7))["usage"] == {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
    }


def test_a_streamed_answer() -> None:
    events: list[Event] = [STARTED, ReasoningDelta(message_id=M, text="Hm"), delta("He"), delta("llo")]
    events += [AnswerDone(message_id=M, text="Hello"), USAGE, TurnDone()]
    chunks, encoder = encoded(events, stream_options={"include_usage": True})
    *said, usage, done = chunks
    assert "".join(chunk["choices"][0]["text"] for chunk in said) == "Hello"
    assert [chunk["choices"][0]["finish_reason"] for chunk in said] == [None, None, "stop"]
    assert (usage["choices"], usage["usage"]["total_tokens"], done) == ([], 3, "[DONE]")
    assert (encoder.is_closed, encoder.has_failed, encoder.feed(delta("x"))) == (True, False, b"")
    assert all("usage" not in chunk for chunk in encoded(events)[0][:-1])


def test_a_name_that_would_fill_each_line_is_refused() -> None:
    with pytest.raises(BadRequest, match="`model`"):
        decoded(model="x" * 201)


def test_a_bot_that_waits_for_a_tool_has_not_answered() -> None:
    call = ToolCall(call_id="c", name="f", arguments="{}")
    with pytest.raises(BadRequest, match="waits for a tool"):
        encode_reply(decoded(), Reply(text="", tool_calls=(call,)), RequestId("req_1"), created=7)
    chunks, encoder = encoded([STARTED, delta("Wait."), ToolCallsRequested(calls=(call,)), TurnDone()])
    assert chunks[-1]["error"]["code"] == "tool_wanted"
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])
    assert encoder.has_failed


@pytest.mark.parametrize("last", [TurnFailed(error=Truncated("Off.")), TextReplaced(message_id=M, text="No")])
def test_half_an_answer_never_looks_complete(last: Event) -> None:
    chunks, encoder = encoded([STARTED, delta("Half"), last, TurnDone()])
    assert "error" in chunks[-1]
    assert encoder.has_failed


@pytest.mark.parametrize(("said", "end"), [("Half", "content_filter"), ("", "error")])
def test_what_content_rules_cut_off_says_so(said: str, end: str) -> None:
    error: RealcozeError = ContentRefused("No.")
    chunks, encoder = encoded([STARTED, delta(said), TurnFailed(error=error)])
    assert encoder.has_failed == (end == "error")
    assert ("error" in chunks[-1]) if end == "error" else chunks[-2]["choices"][0]["finish_reason"] == end
