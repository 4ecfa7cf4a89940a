import contextlib
import json
from typing import Any

import pytest
from hypothesis import given

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.openai_chat.request import Asked, decode_request, with_extras
from realcoze.domain.content import Image, Text
from realcoze.domain.ids import CallerId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Thread, Wants
from realcoze.domain.tool import Form, Offer, Tool, ToolCall, ToolResult
from realcoze.errors import BadRequest

HELLO = {"role": "user", "content": "Hello"}

CALLER, THREAD = CallerId("k"), Thread(id="t", is_whole=True)


def read(body: bytes) -> Asked:
    """What `CALLER` asks."""
    return decode_request(body, caller=CALLER, thread=THREAD)


def decoded(*messages: dict[str, Any], **members: Any) -> Asked:
    return read(json.dumps({"model": "bot", "messages": messages or [HELLO], **members}).encode())


def refused(*messages: dict[str, Any], **members: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        decoded(*messages, **members)
    return caught.value


def test_the_shortest_request() -> None:
    asked = read(b'\xef\xbb\xbf{"messages":[{"role":"user","content":"Hello"}]}')
    assert asked.request.messages == (say("user", "Hello"),)
    assert (asked.request.bot, asked.model, asked.is_streamed, asked.ignored) == ("", "", False, ())
    assert asked.request.wants == Wants(reasoning=True, usage=True)
    assert (asked.request.caller, asked.request.thread) == (CALLER, THREAD)


def test_every_role_is_read_and_system_and_developer_messages_are_instructions() -> None:
    """CLIENTS §4.2 rule 8."""
    request = decoded(
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi", "name": "ann"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "developer", "content": [{"type": "text", "text": "Be short."}]},
        {"role": "system", "content": None},
        HELLO,
    ).request
    assert request.instructions == "Be kind.\n\nBe short."
    assert request.messages == (say("user", "Hi"), say("assistant", "Hello!"), say("user", "Hello"))


def test_a_message_of_parts_keeps_their_order() -> None:
    """CLIENTS §4.2 rule 8."""
    part = {"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}}
    request = decoded({"role": "user", "content": [{"type": "text", "text": "Look"}, part]}).request
    assert request.messages == (Message(role="user", parts=(Text(text="Look"), Image(url="https://a/b"))),)


@pytest.mark.parametrize(
    "member",
    [
        {"temperature": 0.5, "max_tokens": 10, "max_completion_tokens": 10, "store": True, "top_p": 1, "x": {"y": 1}},
        {"n": 1, "stream": None, "stream_options": None, "user": None, "metadata": None, "coze": None},
        {"n": 1.0, "metadata": {}},
        {"metadata": {"conversation_id": ""}},
        {"response_format": {"type": "text"}, "tool_choice": "none", "tools": [], "functions": None, "logprobs": False},
    ],
)
def test_members_that_change_nothing_are_passed_over(member: dict[str, Any]) -> None:
    """CLIENTS §4.2 rule 8."""
    assert decoded(**member) == decoded()


def test_what_would_have_changed_the_answer_is_named() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    asked = decoded(tools=[tool], tool_choice="auto", functions=[{}], stop="x", logprobs=True, seed=0)
    assert asked.ignored == ("tools", "tool_choice", "functions", "stop", "logprobs", "seed")
    assert decoded(tools=[tool, {"type": "custom", "custom": {"name": "c"}}]).ignored == ("tools", "tools.other")
    assert decoded(tools=[{"type": "function", "function": {}}]).ignored == ("tools", "tools.other")


@pytest.mark.parametrize(
    ("metadata", "conversation_id"),
    [
        ({"a": "b"}, None),
        ({str(number): "x" for number in range(17)}, None),
        ({"a": 1, "b": None, "c": {}, "conversation_id": "7"}, "7"),
        ({"conversation_id": 7}, None),
        ({"conversation_id": None, "a": "b"}, None),
        (["a"], None),
        ("a", None),
    ],
)
def test_of_metadata_which_everybody_fills_only_the_conversation_counts(
    metadata: object, conversation_id: str | None
) -> None:
    asked = decoded(metadata=metadata)
    assert asked.request.conversation_id == conversation_id
    assert (asked.request.meta_data, asked.ignored) == ({}, ("metadata",))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"n": 2}, "`n` is more than 1"),
        ({"tool_choice": "required"}, "`tool_choice` demands a tool"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "`tool_choice` demands a tool"),
        ({"function_call": {"name": "f"}}, "`function_call` demands a function"),
        ({"response_format": {"type": "grammar"}}, "`response_format` is neither text"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "`response_format` is neither text"),
        ({"model": "m" * 201}, "`model` has more than 200 characters"),
        ({"stream": "yes"}, "The body cannot be read"),
    ],
)
def test_what_cannot_be_promised_is_refused_by_name(members: dict[str, Any], said: str) -> None:
    """CLIENTS §4.2 rule 8."""
    assert said in refused(**members).message


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (({"role": "assistant", "content": "Hello!"},), "The last message must be the user's"),
        (({"role": "system", "content": "Be kind."},), "The last message must be the user's"),
        ((HELLO, {"role": "assistant"}), "The last message must be the user's"),
        ((HELLO, {"role": "assistant"}, {"role": "system", "content": "Be kind."}), "The last message must be the"),
        ((HELLO, {"role": "function", "name": "f", "content": "1"}), "Message 1 is a result that does not say"),
        ((HELLO, {"role": "tool", "content": "warm"}), "Message 1 is a result that does not say"),
        ((HELLO, {"role": "tool", "tool_call_id": None, "content": "warm"}), "Message 1 is a result that does not"),
        (
            (HELLO, {"role": "tool", "content": "a"}, {"role": "tool", "tool_call_id": "c2", "content": "b"}),
            "Message 1 is a result that does not say",
        ),
        (({"role": "user", "content": None},), "Message 0 is the user's and holds nothing"),
        ((HELLO, {"role": "moderator", "content": "No."}), "Message 1 has the role 'moderator'"),
    ],
)
def test_a_history_that_asks_nothing_is_refused(messages: tuple[dict[str, Any], ...], said: str) -> None:
    error = refused(*messages)
    assert said in error.message
    assert ("tool_call_id" in (error.hint or "")) is ("result" in said)


def test_an_empty_list_of_messages_is_refused() -> None:
    with pytest.raises(BadRequest, match="The last message must be the user's"):
        read(b'{"model":"bot","messages":[]}')


CALLS = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def test_tool_messages_at_the_end_are_what_a_turn_waits_for() -> None:
    """CLIENTS §4.2 rule 8.  CLIENTS §5 item 9."""
    request = decoded(
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": "warm"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "dry"}]},
    ).request
    assert request.tool_results == (ToolResult(call_id="c1", output="warm"), ToolResult(call_id="c2", output="dry"))
    called = Message(role="assistant", parts=(ToolCall(call_id="c1", name="f", arguments="{}"),))
    assert request.messages[:2] == (say("user", "Hello"), called)
    assert [part for message in request.messages[2:] for part in message.parts] == list(request.tool_results)


def test_tools_and_a_form_are_what_a_bot_may_be_told_of() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    request = decoded(tools=tools, parallel_tool_calls=False, response_format=schema).request
    assert request.offer == Offer(tools=(Tool(name="f"),), is_single=True)
    assert request.form == Form(schema='{"type": "object"}')


def test_rounds_that_are_over_are_a_part_of_what_was_said() -> None:
    request = decoded(
        HELLO,
        {"role": "assistant", "content": "Let me see.", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": "warm"},
        {"role": "assistant", "content": "It is warm."},
        {"role": "user", "content": "Thanks"},
    ).request
    assert request.tool_results == ()
    assert [message.text for message in request.messages] == ["Hello", "Let me see.", "", "It is warm.", "Thanks"]
    assert request.messages[1].parts[1:] == (ToolCall(call_id="c1", name="f", arguments="{}"),)
    assert request.messages[2].parts == (ToolResult(call_id="c1", output="warm"),)


@pytest.mark.parametrize("role", ["system", "developer"])
def test_what_instructs_after_tool_messages_does_not_hide_them(role: str) -> None:
    between, after = {"role": role, "content": "Be kind."}, {"role": role, "content": "Be short."}
    request = decoded(
        HELLO,
        {"role": "assistant", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": "warm"},
        between,
        {"role": "tool", "tool_call_id": "c2", "content": "dry"},
        after,
    ).request
    assert [result.call_id for result in request.tool_results] == ["c1", "c2"]
    assert request.instructions == "Be kind.\n\nBe short."


def test_results_in_the_middle_need_no_id() -> None:
    """CLIENTS §4.2 rule 8."""
    function = {"role": "function", "name": "f", "content": "1"}
    tool = {"role": "tool", "tool_call_id": None, "content": "2"}
    request = decoded(HELLO, function, tool, HELLO, {"role": "system", "content": "Be kind."}).request
    assert request.messages == (say("user", "Hello"), say("user", "Hello"))
    assert request.tool_results == ()


def test_parts_of_the_assistant_that_are_no_text_are_passed_over() -> None:
    parts = [
        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
        {"type": "text", "text": "Hello!"},
        {"type": "refusal", "refusal": "No."},
        {"type": "whatever", "text": "x"},
    ]
    reasoning = [{"type": "reasoning", "summary": []}]
    request = decoded({"role": "assistant", "content": parts}, {"role": "assistant", "content": reasoning}, HELLO)
    assert request.request.messages == (say("assistant", "Hello!"), say("user", "Hello"))


def test_a_model_may_be_null() -> None:
    asked = decoded(model=None)
    assert (asked.model, asked.request.bot) == ("", "")


def test_the_user_and_the_conversation_go_to_coze() -> None:
    request = decoded(user="ann", metadata={"conversation_id": "7"}).request
    assert (request.user_id, request.conversation_id) == ("ann", "7")
    assert decoded(conversation_id="8", metadata={"conversation_id": "7"}).request.conversation_id == "8"
    assert decoded(conversation_id="8", coze={"conversation_id": "9"}).request.conversation_id == "9"


def test_coze_s_own_members_are_carried() -> None:
    coze = {
        "custom_variables": {"a": "b"},
        "parameters": {"p": [1]},
        "meta_data": {"m": "n"},
        "extra_params": {"e": "f"},
        "shortcut_command": {"command_id": "1"},
    }
    request = decoded(coze=coze, metadata={"m": "o", "q": "r"}).request
    assert request.custom_variables == {"a": "b"}
    assert request.parameters == {"p": [1]}
    assert request.meta_data == {"m": "n"}
    assert request.extra_params == {"e": "f"}
    assert request.shortcut_command == {"command_id": "1"}


@pytest.mark.parametrize(
    ("asked", "extras", "follow_ups", "steps"),
    [
        (decoded(), False, False, False),
        (decoded(coze={"extras": True}), True, True, True),
        (decoded(coze={"suggestions": True}), True, True, False),
        (decoded(coze={"steps": True}), True, False, True),
        (with_extras(decoded(coze={"steps": True})), True, True, True),
    ],
)
def test_what_openai_has_no_place_for_comes_only_when_asked_for(
    asked: Asked, *, extras: bool, follow_ups: bool, steps: bool
) -> None:
    assert (asked.has_extras, asked.has_follow_ups, asked.has_steps) == (extras, follow_ups, steps)
    assert (asked.request.wants.suggestions, asked.request.wants.steps) == (follow_ups, steps)


@pytest.mark.parametrize(
    ("members", "has_usage"),
    [
        ({}, True),
        ({"stream": True}, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True),
    ],
)
def test_a_stream_has_usage_only_when_asked_for(members: dict[str, Any], *, has_usage: bool) -> None:
    """CLIENTS §4.2 rule 3."""
    asked = decoded(**members)
    assert asked.is_streamed is ("stream" in members)
    assert asked.has_usage is asked.request.wants.usage is has_usage


@PROPERTIES
@given(bytes_near(b'{"messages":[{"role":"user",', b'"content":', b'"a"', b"null", b"[", b"]", b"}", b"}]}", b"\xff"))
def test_whatever_comes_is_a_request_or_a_bad_one(body: bytes) -> None:
    """CLIENTS §5 item 14."""
    with contextlib.suppress(BadRequest):
        assert read(body).request.messages
