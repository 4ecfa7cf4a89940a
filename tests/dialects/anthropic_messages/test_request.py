import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.anthropic_messages.request import Question, decode_history, decode_request
from realcoze.domain.ids import BotName, CallerId, UserId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Thread, ToolResult, Wants
from realcoze.errors import BadRequest

HI = {"role": "user", "content": "Hi"}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {}}]}

CALLER, THREAD = CallerId("k"), Thread(id="t", is_whole=True)


def read_bytes(body: bytes) -> Question:
    """What `CALLER` asks."""
    return decode_request(body, caller=CALLER, thread=THREAD)


def gave(call_id: str, output: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call_id, "content": output}]}


def read(*messages: Any, **fields: Any) -> Question:
    return read_bytes(json.dumps({"model": "echo", "max_tokens": 9, "messages": messages, **fields}).encode())


def test_the_shortest_question_needs_neither_a_model_nor_a_number_of_tokens() -> None:
    question = read_bytes(b'\xef\xbb\xbf{"messages":[{"role":"user","content":"Hi"}]}')
    request = Request(messages=(say("user", "Hi"),), thread=THREAD, caller=CALLER, wants=Wants(usage=True))
    assert question == Question(request=request, is_streamed=False)


def test_fields_that_are_not_known_are_ignored_and_those_that_matter_are_read() -> None:
    question = read(
        HI,
        stream=True,
        metadata={"user_id": "anna", "x": 1},
        system="Be brief.",
        temperature=0.5,
        thinking={"type": "enabled", "budget_tokens": 1024},
        tool_choice={"type": "auto"},
        output_config={"effort": "high"},
        of_tomorrow={"a": []},
    )
    assert question.is_streamed
    assert question.ignored == ()
    assert question.request == Request(
        messages=(say("user", "Hi"),),
        bot=BotName("echo"),
        instructions="Be brief.",
        user_id=UserId("anna"),
        thread=THREAD,
        caller=CALLER,
        wants=Wants(usage=True, reasoning=True),
    )


@pytest.mark.parametrize(("kind", "wanted"), [("enabled", True), ("adaptive", True), ("disabled", False)])
def test_thoughts_are_wanted_where_they_are_asked_for(kind: str, *, wanted: bool) -> None:
    assert read(HI, thinking={"type": kind}).request.wants.reasoning is wanted


def test_an_empty_user_is_none() -> None:
    assert read(HI, metadata={}).request.user_id is None


def test_instructions_stand_in_the_field_in_blocks_or_among_the_messages() -> None:
    system = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    later = {"role": "system", "content": "Be quick."}
    question = read(HI, later, system=system)
    assert question.request.instructions == "Be brief.\nBe kind.\n\nBe quick."
    assert question.request.messages == (say("user", "Hi"),)


def test_tools_of_a_request_are_ignored_and_named() -> None:
    question = read(HI, tools=[{"name": "x", "input_schema": {}}], stop_sequences=["."], mcp_servers=[])
    assert question.ignored == ("tools", "stop_sequences")


def test_results_of_tools_at_the_end_go_on_with_the_turn_and_the_history_is_what_was_said() -> None:
    question = read(HI, USED, gave("c1", "warm"))
    assert question.request.tool_results == (ToolResult(call_id="c1", output="warm"),)
    assert question.request.messages == (say("user", "Hi"),)


def test_results_that_were_answered_are_a_thing_of_the_past() -> None:
    question = read(HI, USED, gave("c1", "warm"), {"role": "assistant", "content": "It is warm."}, HI)
    assert question.request.tool_results == ()
    assert question.request.messages == (say("user", "Hi"), say("assistant", "It is warm."), say("user", "Hi"))


def test_a_picture_among_results_of_the_past_is_passed_over() -> None:
    shown = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "image", "source": {"type": "base64"}}]}
    seen = {"role": "user", "content": [shown]}
    question = read(HI, USED, seen, {"role": "assistant", "content": "A cat."}, HI)
    assert question.request.messages == (say("user", "Hi"), say("assistant", "A cat."), say("user", "Hi"))
    with pytest.raises(BadRequest, match="takes text only"):
        read(HI, USED, seen)


def test_what_is_counted_need_ask_nothing() -> None:
    body = {"model": "echo", "messages": [HI, {"role": "assistant", "content": "Hi!"}], "tool_choice": {"type": "any"}}
    request = decode_history(json.dumps(body).encode())
    assert (request.bot, request.messages) == ("echo", (say("user", "Hi"), say("assistant", "Hi!")))
    with pytest.raises(BadRequest, match="The body cannot be read"):
        decode_history(b"{")


BOTH = {"role": "user", "content": [*gave("c1", "warm")["content"], {"type": "text", "text": "And Rome?"}]}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "The last message must be the user's"),
        ([HI, {"role": "assistant", "content": "The answer is"}], "The last message must be the user's"),
        ([{"role": "system", "content": "Hi"}], "The last message must be the user's"),
        ([{"role": "user", "content": ""}], "The last message is empty."),
        ([{"role": "user", "content": []}], "The last message is empty."),
        ([HI, USED, BOTH], "The last message has results of tools and something beside them"),
        ([{"role": "tool", "content": "Hi"}], "messages.0 has the role 'tool'"),
        ([{"role": "user"}], "The body cannot be read"),
    ],
)
def test_a_history_that_asks_nothing_is_refused(messages: list[Any], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(*messages)
    assert refused.value.message.startswith(said)


@pytest.mark.parametrize(
    "demand",
    [
        {"tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "tool", "name": "weather"}},
        {"output_format": {"type": "json_schema", "schema": {}}},
        {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
    ],
)
def test_what_a_bot_cannot_be_held_to_is_refused_with_the_reason(demand: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        read(HI, **demand)
    assert "demand" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"messages":1}', b"\xff", b"[" * 100_000])
def test_a_body_of_another_form_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="The body cannot be read"):
        read_bytes(body)


WORDS = (b'{"messages":[', b'{"role":"user",', b'"content":"Hi"}', b'"content":[{"type":"text","text":""}]}', b"]}")


@PROPERTIES
@given(st.one_of(bytes_near(*WORDS), st.lists(st.sampled_from(WORDS), max_size=6).map(b"".join)))
def test_whatever_comes_is_read_or_a_bad_request(body: bytes) -> None:
    with suppress(BadRequest):
        read_bytes(body)
