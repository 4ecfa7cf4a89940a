import json

import msgspec

from realcoze.dialects.openai_responses.reply import (
    ECHOED_CHARACTERS,
    encode_body,
    encode_reply,
    failed,
    failure_body,
)
from realcoze.dialects.openai_responses.request import Asked
from realcoze.domain.event import Usage
from realcoze.domain.fold import Reply
from realcoze.domain.ids import ConversationId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall
from realcoze.errors import Busy, ContextTooLong, NotFound, Overloaded, QuotaExhausted, UpstreamFailed

ASKED = Asked(request=Request(messages=(say("user", "Hi"),)), model="bot", metadata={"a": "b"}, user="ada")


def encoded(reply: Reply) -> dict[str, object]:
    body: dict[str, object] = json.loads(encode_reply(ASKED, reply, RequestId("req_ab"), created=7))
    return body


def test_a_response_has_what_the_types_of_openai_demand() -> None:
    body = encoded(Reply(text="Hello", usage=Usage(input=1, output=2, total=3)))
    message = {
        "type": "message", "id": "msg_ab0001", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
    }  # fmt: skip
    assert body == {
        "id": "resp_ab", "object": "response", "created_at": 7, "model": "bot",
        "status": "completed", "output": [message], "error": None, "incomplete_details": None,
        "conversation": None,
        "instructions": None, "metadata": {"a": "b"}, "user": "ada", "background": False, "store": False,
        "previous_response_id": None, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "text": {"format": {"type": "text"}}, "truncation": "disabled", "temperature": None, "top_p": None,
        "max_output_tokens": None,
        "usage": {
            "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 3,
        },
    }  # fmt: skip


def test_what_was_asked_of_keeping_is_told() -> None:
    asked = msgspec.structs.replace(ASKED, is_kept=True, is_background=True, previous_response_id="resp_1")
    body = json.loads(encode_reply(asked, Reply(text="Hello"), RequestId("req_ab"), created=7))
    assert (body["store"], body["background"], body["previous_response_id"]) == (True, True, "resp_1")


def test_a_response_that_came_to_nothing_says_why() -> None:
    body = json.loads(encode_body(failed(ASKED, UpstreamFailed("Gone."), RequestId("req_ab"), created=7)))
    assert (body["id"], body["status"], body["output"]) == ("resp_ab", "failed", [])
    assert body["error"] == {"code": "server_error", "message": "Gone."}


def test_what_coze_did_not_count_is_not_told() -> None:
    assert encoded(Reply(text="Hello"))["usage"] is None


def test_reasoning_a_message_and_calls_are_items_of_ids_of_their_own() -> None:
    call = ToolCall(call_id="c", name="look", arguments="{}")
    output = encoded(Reply(text="Hello", reasoning="Hm", tool_calls=(call,)))["output"]
    assert [(item["type"], item["id"]) for item in output] == [  # type: ignore[attr-defined]
        ("reasoning", "rs_ab0001"), ("message", "msg_ab0002"), ("function_call", "fc_ab0003"),
    ]  # fmt: skip
    assert output[0]["summary"] == [{"type": "summary_text", "text": "Hm"}]  # type: ignore[index]
    assert output[2] == {  # type: ignore[index]
        "type": "function_call", "id": "fc_ab0003", "call_id": "c", "name": "look", "arguments": "{}",
        "status": "completed",
    }  # fmt: skip


def test_an_error_has_one_of_the_few_codes_that_openai_has_for_it() -> None:
    codes = {
        "insufficient_quota": QuotaExhausted("Empty."),
        "rate_limit_exceeded": Busy("Wait."),
        "server_is_overloaded": Overloaded("Full."),
        "context_length_exceeded": ContextTooLong("Long."),
        "invalid_prompt": NotFound("Where?"),
        "server_error": UpstreamFailed("Gone.", hint="Try again."),
    }
    assert {code: failure_body(error).code for code, error in codes.items()} == {code: code for code in codes}
    assert failure_body(codes["server_error"]).message == "Gone. Try again."


def test_the_conversation_is_named_so_that_it_can_be_gone_on_with() -> None:
    assert encoded(Reply(text="Hello", conversation_id=ConversationId("7")))["conversation"] == {"id": "7"}


def test_instructions_are_repeated_unless_they_are_long() -> None:
    for length, echoed in ((ECHOED_CHARACTERS, True), (ECHOED_CHARACTERS + 1, False)):
        asked = msgspec.structs.replace(ASKED, instructions="x" * length)
        body = json.loads(encode_reply(asked, Reply(text="Hello"), RequestId("req_ab"), created=7))
        assert bool(body["instructions"]) is echoed
