import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.openai_responses.request import Asked, decode_request
from realcoze.dialects.openai_wire import MODEL_CHARACTERS
from realcoze.domain.content import File, Image, Inline, Text
from realcoze.domain.ids import CallerId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Thread, Wants
from realcoze.domain.tool import Form, Offer, Tool, ToolCall, ToolResult
from realcoze.errors import BadRequest

CALLER, THREAD = CallerId("k"), Thread(id="t", is_whole=True)
HELLO = {"role": "user", "content": "Hello"}
PNG = "data:image/png;base64,iVBORw0KGgo="
PNG_BYTES = b"\x89PNG\r\n\x1a\n"


def read(body: bytes) -> Asked:
    """What `CALLER` asks."""
    return decode_request(body, caller=CALLER, thread=THREAD)


def decoded(asked: Any = "Hello", **members: Any) -> Asked:
    return read(json.dumps({"model": "bot", "input": asked, **members}).encode())


def refused(asked: Any = "Hello", **members: Any) -> str:
    with pytest.raises(BadRequest) as caught:
        decoded(asked, **members)
    return caught.value.message


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": [*content]}


def test_the_shortest_request() -> None:
    asked = read(b'\xef\xbb\xbf{"input":"Hello"}')
    assert asked.request.messages == (say("user", "Hello"),)
    assert (asked.request.bot, asked.model, asked.is_streamed, asked.ignored) == ("", "", False, ())
    assert asked.request.wants == Wants(reasoning=True, usage=True)
    assert (asked.request.caller, asked.request.thread) == (CALLER, THREAD)


def test_instructions_come_before_what_items_instruct() -> None:
    items = [
        {"role": "developer", "content": "Two"},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "3"},
    ]
    asked = decoded(items, instructions="One")
    assert (asked.request.instructions, asked.instructions) == ("One\n\nTwo\n\n3", "One")
    assert asked.request.messages == (say("user", "Hi"),)


def test_a_history_is_its_messages_and_nothing_that_a_bot_cannot_be_given() -> None:
    answer = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
    items = [
        user({"type": "input_text", "text": "Who"}, {"type": "input_text", "text": "?"}),
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "old"},
        {"type": "web_search_call", "id": "ws_1"},
        {**answer, "content": [{"type": "output_text", "text": "Ada"}, {"type": "refusal", "refusal": "no"}]},
        {**answer, "content": ""},
        user({"type": "input_text", "text": "Sure?"}),
    ]
    asked = decoded(items)
    question = Message(role="user", parts=(Text(text="Who"), Text(text="?")))
    call = ToolCall(call_id="1", name="look", arguments="{}")
    looked = Message(role="assistant", parts=(call,))
    found = Message(role="user", parts=(ToolResult(call_id="1", output="old"),))
    assert asked.request.messages == (question, looked, found, say("assistant", "Ada"), say("user", "Sure?"))
    assert asked.request.tool_results == ()


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_image", "image_url": "https://x/a.png"}, Image(url="https://x/a.png")),
        ({"type": "input_image", "image_url": PNG}, Inline(data=PNG_BYTES)),
        ({"type": "input_image", "file_id": "k"}, Image(key="k")),
        ({"type": "input_file", "file_id": "k"}, File(key="k")),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, File(url="https://x/a.pdf")),
        ({"type": "input_file", "file_data": PNG, "filename": "a.png"}, Inline(data=PNG_BYTES, name="a.png")),
    ],
)
def test_pictures_and_files(part: dict[str, Any], expected: object) -> None:
    [message] = decoded([user(part)]).request.messages
    assert message.parts == (expected,)


def test_results_at_the_end_are_for_the_turn_that_waits() -> None:
    outputs = [
        {"type": "function_call_output", "call_id": "1", "output": "a"},
        {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "b"}]},
        {"role": "developer", "content": "Go on."},
    ]
    asked = decoded([{"role": "user", "content": "Hi"}, {"type": "function_call", "call_id": "1"}, *outputs])
    assert asked.request.tool_results == (ToolResult(call_id="1", output="a"), ToolResult(call_id="2", output="b"))
    assert [part for said in decoded(outputs).request.messages for part in said.parts] == list(
        asked.request.tool_results
    )


def test_what_a_bot_said_and_called_in_one_turn_is_one_message() -> None:
    calls = [{"type": "function_call", "call_id": each, "name": "f", "arguments": ""} for each in ("1", "2")]
    said = {"role": "assistant", "content": "Wait."}
    request = decoded([HELLO, said, *calls, {"type": "function_call_output", "call_id": "1", "output": "a"}]).request
    first, second = (ToolCall(call_id=each, name="f", arguments="{}") for each in ("1", "2"))
    parts = (Text(text="Wait."), first, second)
    assert request.messages[1] == Message(role="assistant", parts=parts)
    assert len(request.messages) == 3
    assert decoded([HELLO, *calls, HELLO]).request.messages[1].parts == parts[1:]


def test_very_many_calls_are_one_message_while_the_others_hardly_wait() -> None:
    """One at a time it would take minutes."""
    call = {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"}
    assert len(decoded([HELLO, *[call] * 100_000, HELLO]).request.messages[1].parts) == 100_000


def test_tools_and_a_form_are_what_a_bot_may_be_told_of() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    tools = [{"type": "function", "name": "f", "parameters": {}}, {"type": "web_search"}]
    request = decoded(tools=tools, tool_choice="required", text={"format": schema}).request
    assert request.offer == Offer(tools=(Tool(name="f", parameters="{}"),), is_demanded=True)
    assert request.form == Form(schema='{"type": "object"}')


def test_who_asks_and_where() -> None:
    asked = decoded(user="ada", conversation={"id": "7"}, metadata={"a": "b"}, stream=True)
    assert (asked.request.user_id, asked.request.conversation_id, asked.is_streamed) == ("ada", "7", True)
    assert (asked.user, asked.metadata) == ("ada", {"a": "b"})
    assert decoded(conversation="7", safety_identifier="x").request.user_id == "x"
    coze = {"conversation_id": "8", "parameters": {"p": 1}, "custom_variables": {"v": "w"}}
    request = decoded(conversation="7", coze=coze).request
    assert (request.conversation_id, request.parameters, request.custom_variables) == ("8", {"p": 1}, {"v": "w"})


def test_what_is_ignored_is_named() -> None:
    asked = decoded(tools=[{"type": "function", "name": "f"}], tool_choice="auto", max_tool_calls=3.0)
    assert asked.ignored == ("tools", "max_tool_calls")
    mixed = [{"type": "namespace", "name": "n", "tools": []}, {"type": "web_search"}]
    assert decoded(tools=mixed).ignored == ("tools", "tools.other")
    assert (
        decoded(tools=[], temperature=1, reasoning={"effort": "low"}, text={"format": {"type": "text"}}).ignored == ()
    )


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"tool_choice": "required"}, "`tool_choice`"),
        ({"tool_choice": {"type": "function", "name": "x"}}, "`tool_choice`"),
        ({"text": {"format": {"type": "grammar"}}}, "`text.format`"),
        ({"model": "x" * (MODEL_CHARACTERS + 1)}, "`model`"),
        ({"previous_response_id": "resp_1", "conversation": "7"}, "exclude each other"),
        ({"background": True, "store": False}, "`background`"),
    ],
)
def test_what_nobody_can_promise_is_refused(members: dict[str, Any], said: str) -> None:
    assert said in refused(**members)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([HELLO, {"role": "assistant", "content": "Hi"}, {"type": "reasoning", "role": "user"}], "The last message"),
        ([{"type": "reasoning", "role": "user"}], "The last item"),
        ([{"role": "user", "content": {"text": "Hi"}}], "Item 0 cannot be read"),
        ([], "The last item"),
        ([{"role": "assistant", "content": "Hi"}], "The last message"),
        ([{"role": "user", "content": []}], "holds nothing"),
        ([{"role": "tool", "content": "Hi"}], "a message of nobody"),
        ([{"content": "Hi"}], "a message of nobody"),
        ([{"type": "item_reference", "id": "msg_1"}], "a reference"),
        ([user({"type": "input_audio"})], "input_text, input_image and input_file are known"),
        ([user({"type": "input_image"})], "cannot be read"),
        ([user({"type": "input_image", "image_url": "file:///x"})], "neither an address"),
        (
            [
                {"role": "system", "content": [{"type": "input_image", "file_id": "k"}]},
                {"role": "user", "content": "Hi"},
            ],
            "only text",
        ),
        ([{"type": "function_call_output", "output": "a"}], "of which call"),
    ],
)
def test_items_that_cannot_be_read_are_named(items: list[Any], said: str) -> None:
    assert said in refused(items)


def test_what_is_no_request_is_refused() -> None:
    for body in (b"", b"[]", b"{}", b'{"input":1}', b'{"input":"x","stream":"yes"}'):
        with pytest.raises(BadRequest, match="cannot be read"):
            read(body)


def test_an_answer_is_kept_unless_it_is_not_to_be() -> None:
    assert [decoded(**members).is_kept for members in ({}, {"store": None}, {"store": True}, {"store": False})] == [
        True, True, True, False,
    ]  # fmt: skip
    asked = decoded(previous_response_id="resp_1", background=True)
    assert (asked.previous_response_id, asked.is_background) == ("resp_1", True)
    assert (decoded().previous_response_id, decoded().is_background) == (None, False)


def test_a_note_in_the_stead_of_a_file_is_read_as_that_file_and_of_a_tool_as_words() -> None:
    note = {"type": "input_text", "text": "[a picture]", "omitted": True}
    asked = decoded([user({"type": "input_text", "text": "Look"}, note)])
    assert asked.request.messages[0].parts == (Text(text="Look"), Inline(data=b"", note="[a picture]"))
    result = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "See"}, note]}
    assert decoded([HELLO, result]).request.tool_results == (ToolResult(call_id="c", output="See\n[a picture]"),)


def test_other_items_may_stand_in_the_place_of_those_of_the_request() -> None:
    items = [msgspec.Raw(msgspec.json.encode({"role": "user", "content": text})) for text in ("One", "Two")]
    asked = decode_request(b'{"input":"Two"}', caller=CALLER, thread=THREAD, items=items)
    assert asked.request.messages == (say("user", "One"), say("user", "Two"))
    with pytest.raises(BadRequest, match="Item 1 cannot be read"):
        decode_request(b'{"input":"Two"}', caller=CALLER, thread=THREAD, items=[items[0], msgspec.Raw(b"7")])


WORDS = bytes_near(
    b'{"input":', b"[", b"]", b"}", b'"x"', b",", b'"role":"user"', b'"content":', b'"type":"input_text"'
)


@PROPERTIES
@given(WORDS)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(BadRequest):
        read(body)


@pytest.mark.parametrize(
    "passed_over",
    [
        {"type": "computer_call_output", "call_id": "1", "output": {"type": "computer_screenshot"}},
        {"type": "shell_call_output", "call_id": "1", "output": [{"stdout": "x", "outcome": {}}]},
        {"type": "reasoning", "summary": [], "content": None, "encrypted_content": "x", "status": None},
    ],
)
def test_what_is_passed_over_may_have_any_shape(passed_over: dict[str, Any]) -> None:
    assert decoded([passed_over, HELLO, *([] if "output" in passed_over else [passed_over])]).request.messages == (
        say("user", "Hello"),
    )


def test_of_a_result_of_the_past_only_text_is_read() -> None:
    for output, read_as in (({"old": 1}, ""), ([{"type": "input_image"}, {"type": "input_text", "text": "a"}], "a")):
        past = {"type": "function_call_output", "call_id": "1", "output": output}
        assert decoded([past, HELLO]).request.messages[0].parts == (ToolResult(call_id="1", output=read_as),)


def test_an_empty_text_of_the_bot_s_is_no_message() -> None:
    """As langchain-openai 1.7 sends it beside a call of a tool."""
    empty = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ""}]}
    assert decoded([HELLO, empty, HELLO]).request.messages == (say("user", "Hello"), say("user", "Hello"))


def test_whatever_demands_nothing_and_is_null_is_taken() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": []}
    asked = decoded([{"type": None, **HELLO}], tool_choice=choice, metadata={"a": 1}, top_logprobs=None, text=None)
    assert (asked.request.messages, asked.metadata) == ((say("user", "Hello"),), {"a": 1})


def test_parts_of_chat_completions_are_read_too() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://x/a.png"}}
    [message] = decoded([user({"type": "text", "text": "Look"}, part)]).request.messages
    assert message.parts == (Text(text="Look"), Image(url="https://x/a.png"))


def test_what_an_emulated_tool_shows_is_a_part_of_the_message() -> None:
    """As Codex 0.169.0 hands in the picture that its tool view_image has read."""
    shown = [{"type": "input_image", "image_url": PNG, "detail": "high"}, {"type": "input_text", "text": "Red."}]
    given = {"type": "function_call_output", "call_id": "call_emulated_1", "output": shown}
    request = decoded([HELLO, {"type": "function_call", "call_id": "call_emulated_1", "name": "look"}, given]).request
    told = ToolResult(call_id="call_emulated_1", output="Red.")
    assert request.messages[-1].parts == (told, Inline(data=PNG_BYTES))
    assert request.tool_results == (told,)
