import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.anthropic_messages.request import Question, decode_history, decode_request
from realcoze.domain.ids import BotName, CallerId, UserId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Thread, Wants
from realcoze.domain.tool import Form, Offer, Tool, ToolCall, ToolResult
from realcoze.errors import BadRequest

HI = {"role": "user", "content": "Hi"}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "weather", "input": {}}]}

CALLER, THREAD = CallerId("k"), Thread(id="t", is_whole=True)


def read_bytes(body: bytes) -> Question:
    """What `CALLER` asks."""
    return decode_request(body, caller=CALLER, thread=THREAD)


CALLED = Message(role="assistant", parts=(ToolCall(call_id="c1", name="weather", arguments="{}"),))


def result(output: str) -> Message:
    return Message(role="user", parts=(ToolResult(call_id="c1", output=output),))


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


TOOLS = [
    {"name": "weather", "description": "How it is", "input_schema": {"type": "object"}, "strict": True},
    {"name": "time", "input_schema": {}},
    {"type": "web_search_20260209", "name": "web_search"},
]
WEATHER = Tool(name="weather", description="How it is", parameters='{"type": "object"}', is_strict=True)
TIME = Tool(name="time", parameters="{}")


def test_what_would_change_an_answer_is_named_as_it_is_ignored_by_most_bots() -> None:
    question = read(HI, tools=TOOLS, stop_sequences=["."], mcp_servers=[])
    assert question.ignored == ("tools", "stop_sequences", "tools.other")
    alone = [{"name": "f", "input_schema": {"type": "object"}}]
    assert read(HI, tools=alone).ignored == ("tools",)


@pytest.mark.parametrize(
    ("choice", "offer"),
    [
        (None, Offer(tools=(WEATHER, TIME))),
        ({"type": "auto"}, Offer(tools=(WEATHER, TIME))),
        ({"type": "auto", "disable_parallel_tool_use": True}, Offer(tools=(WEATHER, TIME), is_single=True)),
        ({"type": "any"}, Offer(tools=(WEATHER, TIME), is_demanded=True)),
        ({"type": "tool", "name": "time"}, Offer(tools=(TIME,), is_demanded=True)),
        ({"type": "none"}, None),
    ],
)
def test_tools_with_a_schema_are_an_offer(choice: Any, offer: Offer | None) -> None:
    assert read(HI, tools=TOOLS, tool_choice=choice).request.offer == offer


@pytest.mark.parametrize("name", ["output_format", "output_config"])
def test_an_output_format_is_a_form(name: str) -> None:
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    question = read(HI, **{name: {"format": schema} if name == "output_config" else schema})
    assert question.request.form == Form(schema='{"type": "object"}')


def test_results_of_tools_at_the_end_go_on_with_the_turn_and_the_history_is_what_was_said() -> None:
    question = read(HI, USED, gave("c1", "warm"))
    assert question.request.tool_results == (ToolResult(call_id="c1", output="warm"),)
    assert question.request.messages == (say("user", "Hi"), CALLED, result("warm"))


def test_results_that_were_answered_are_a_thing_of_the_past() -> None:
    question = read(HI, USED, gave("c1", "warm"), {"role": "assistant", "content": "It is warm."}, HI)
    assert question.request.tool_results == ()
    past = (say("user", "Hi"), CALLED, result("warm"), say("assistant", "It is warm."))
    assert question.request.messages == (*past, say("user", "Hi"))


def test_a_picture_among_results_of_the_past_is_passed_over() -> None:
    shown = {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "image", "source": {"type": "base64"}}]}
    seen = {"role": "user", "content": [shown]}
    question = read(HI, USED, seen, {"role": "assistant", "content": "A cat."}, HI)
    past = (say("user", "Hi"), CALLED, result(""), say("assistant", "A cat."))
    assert question.request.messages == (*past, say("user", "Hi"))
    with pytest.raises(BadRequest, match="takes text only"):
        read(HI, USED, seen)


def test_what_is_counted_need_ask_nothing() -> None:
    body = {"model": "echo", "messages": [HI, {"role": "assistant", "content": "Hi!"}], "tool_choice": {"type": "any"}}
    request = decode_history(json.dumps(body).encode())
    assert (request.bot, request.messages) == ("echo", (say("user", "Hi"), say("assistant", "Hi!")))
    with pytest.raises(BadRequest, match="The body cannot be read"):
        decode_history(b"{")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "The last message must be the user's"),
        ([HI, {"role": "assistant", "content": "The answer is"}], "The last message must be the user's"),
        ([{"role": "system", "content": "Hi"}], "The last message must be the user's"),
        ([{"role": "user", "content": ""}], "The last message is empty."),
        ([{"role": "user", "content": []}], "The last message is empty."),
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
        {"tool_choice": {"type": "tool", "name": "sea"}, "tools": TOOLS},
        {"output_format": {"type": "json_schema"}},
        {"output_config": {"format": {"type": "regex", "schema": {}}}},
    ],
)
def test_what_nobody_can_be_held_to_is_refused(demand: dict[str, Any]) -> None:
    with pytest.raises(BadRequest, match=r"demands a tool|is not json_schema"):
        read(HI, **demand)


@pytest.mark.parametrize("thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}])
def test_who_would_send_what_is_new_only_is_told_that_nothing_is_kept(thread: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        read(HI, thread=thread)
    assert refused.value.code == "thread_unsupported_request"


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
