import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.openai_pages import Page
from realcoze.dialects.openai_responses.building import begin_building, response_id_of
from realcoze.dialects.openai_responses.kept import (
    SENT_ITEMS,
    Record,
    Said,
    cancelled,
    decode_record,
    encode_again,
    encode_deleted,
    encode_items,
    encode_record,
    items_to_keep,
    no_such_response,
)
from realcoze.dialects.openai_responses.reply import Status, failed, replied
from realcoze.dialects.openai_responses.request import Asked, decode_request
from realcoze.domain.content import Inline, Text
from realcoze.domain.fold import Reply
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import BadRequest, NotFound, Truncated

FIRST, SECOND = RequestId("req_aa"), RequestId("req_bb")
ASKED = Asked(request=Request(messages=(say("user", "Hi"),)), model="bot", is_kept=True)
PNG = "data:image/png;base64,iVBORw0KGgo="
CALL = ToolCall(call_id="c", name="look", arguments="{}")


def body(asked: Any, **members: Any) -> bytes:
    return json.dumps({"input": asked, **members}).encode()


def said(sent: bytes, records: Mapping[str, Record] | None = None) -> Said:
    building = begin_building(sent)
    while (wanted := building.wanted) is not None:
        building.add(wanted, (records or {}).get(wanted))
    return building.said()


def record(sent: bytes, reply: Reply, request_id: RequestId = FIRST, *, before: Mapping[str, Record] = {}) -> Record:
    """What is kept of an answer to a request."""
    items = items_to_keep(said(sent, before), request_id)
    read = decode_record(encode_record(replied(ASKED, reply, request_id, created=7), items))
    assert read is not None
    return read


def stopped(status: Status) -> Record:
    response = failed(ASKED, Truncated("It broke off."), FIRST, created=7)
    response.status = status
    read = decode_record(encode_record(response, []))
    assert read is not None
    return read


def asked(sent: bytes, records: Mapping[str, Record]) -> Asked:
    """The request as it goes to the bot, with what it builds on."""
    items = said(sent, records).items
    return decode_request(sent, caller=CallerId(""), thread=None, items=items)


def kept(*items: Any) -> list[Any]:
    """The items of a request as they are kept."""
    return [json.loads(bytes(item)) for item in items_to_keep(said(body([*items])), FIRST)]


def test_a_text_is_kept_as_a_message_with_an_id_of_its_response() -> None:
    [item] = items_to_keep(said(body("Hello")), FIRST)
    assert json.loads(bytes(item)) == {
        "type": "message", "id": "msg_aa8001", "role": "user", "status": "completed",
        "content": [{"type": "input_text", "text": "Hello"}],
    }  # fmt: skip
    assert response_id_of("msg_aa8001") == "resp_aa"
    assert SENT_ITEMS == 0x8000


def test_items_are_kept_as_they_came_with_what_they_lack() -> None:
    assert kept(
        {"role": "assistant", "content": "Hi"},
        {"type": "message", "id": "mine", "role": "user", "content": [{"type": "input_text", "text": "a"}], "x": 1},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "seen"},
        {"type": "web_search_call"},
    ) == [
        {
            "type": "message", "role": "assistant", "id": "msg_aa8001", "status": "completed",
            "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
        },
        {
            "type": "message", "id": "mine", "role": "user", "status": "completed", "x": 1,
            "content": [{"type": "input_text", "text": "a"}],
        },
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}", "id": "fc_aa8002"},
        {"type": "function_call_output", "call_id": "c", "output": "seen", "id": "fco_aa8003"},
        {"type": "web_search_call", "id": "item_aa8004"},
    ]  # fmt: skip


def test_of_files_within_a_request_a_note_is_kept_and_of_others_where_they_are() -> None:
    elsewhere = [{"type": "input_image", "image_url": "https://x/a.png"}, {"type": "input_file", "file_id": "7"}]
    parts = [
        {"type": "input_text", "text": "data: look"},
        {"type": "input_image", "image_url": PNG},
        {"type": "image_url", "image_url": {"url": PNG}},
        {"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"},
        {"type": "input_file", "file_data": PNG},
        *elsewhere,
    ]
    [message, result] = kept(
        {"role": "user", "content": parts}, {"type": "function_call_output", "call_id": "c", "output": parts[1:2]}
    )
    texts = ["[a picture]", "[a picture]", "[a file: a.pdf]", "[a file]"]
    notes = [{"type": "input_text", "text": text, "omitted": True} for text in texts]
    assert message["content"] == [parts[0], *notes, *elsewhere]
    assert result["output"] == notes[:1]


def test_a_note_is_read_as_the_file_that_was_there() -> None:
    """So that the history is known by its kinds, and a bot that has not seen the file is told of it."""
    content = [{"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": PNG}]
    first = record(body([{"role": "user", "content": content}]), Reply(text="I see."))
    [look, *_] = asked(body("And?", previous_response_id="resp_aa"), {"resp_aa": first}).request.messages
    assert look.parts == (Text(text="Look"), Inline(data=b"", note="[a picture]"))


def test_what_a_tool_gave_back_is_words_though_there_was_a_picture() -> None:
    first = record(body("Look"), Reply(text="", tool_calls=(CALL,)))
    output = [{"type": "input_text", "text": "Seen:"}, {"type": "input_text", "text": "[a picture]", "omitted": True}]
    results = [{"type": "function_call_output", "call_id": "c", "output": output}]
    request = asked(body(results, previous_response_id="resp_aa"), {"resp_aa": first}).request
    assert request.tool_results[0].output == "Seen:\n[a picture]"


def test_half_an_emoji_is_kept_as_a_sign_for_it() -> None:
    [item] = items_to_keep(said(b'{"input": [{"role": "user", "content": "a\\ud83d"}]}'), FIRST)
    assert json.loads(bytes(item))["content"][0]["text"] == "a\ufffd"


def test_who_goes_on_says_all_that_was_said() -> None:
    first = record(body("My name is Ada."), Reply(text="Hello Ada.", reasoning="Hm"))
    sent = body("Who am I?", previous_response_id="resp_aa")
    second = record(sent, Reply(text="You are Ada."), SECOND, before={"resp_aa": first})
    third = asked(body("Sure?", previous_response_id="resp_bb"), {"resp_bb": second})
    assert third.request.messages == (
        say("user", "My name is Ada."), say("assistant", "Hello Ada."),
        say("user", "Who am I?"), say("assistant", "You are Ada."), say("user", "Sure?"),
    )  # fmt: skip
    assert third.previous_response_id == "resp_bb"


def test_instructions_are_those_of_one_request_and_system_messages_of_all() -> None:
    first = record(body([{"role": "system", "content": "One"}, {"role": "user", "content": "Hi"}]), Reply(text="Yes?"))
    more = {"previous_response_id": "resp_aa", "instructions": "Two"}
    assert asked(body("And?", **more), {"resp_aa": first}).request.instructions == "Two\n\nOne"


def test_results_of_tools_go_on_with_the_calls_that_are_kept() -> None:
    first = record(body("Look"), Reply(text="", tool_calls=(CALL,)))
    results = [{"type": "function_call_output", "call_id": "c", "output": "seen"}]
    sent = body(results, previous_response_id="resp_aa")
    request = asked(sent, {"resp_aa": first}).request
    seen = ToolResult(call_id="c", output="seen")
    assert request.messages == (
        say("user", "Look"), Message(role="assistant", parts=(CALL,)), Message(role="user", parts=(seen,)),
    )  # fmt: skip
    assert request.tool_results == (seen,)
    listed = json.loads(encode_items(record(sent, Reply(text="I see."), SECOND, before={"resp_aa": first}), PAGE))
    assert [item["type"] for item in listed["data"]] == ["function_call_output", "function_call", "message"]


PAGE = Page(limit=20)


def test_items_are_listed_in_parts_by_their_ids() -> None:
    first = record(body([{"role": "user", "content": text} for text in "abc"]), Reply(text="d"))
    listed = json.loads(encode_items(first, Page(limit=2, is_newest_first=False)))
    assert [item["content"][0]["text"] for item in listed["data"]] == ["a", "b"]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("msg_aa8001", "msg_aa8002", True)
    rest = json.loads(encode_items(first, Page(limit=2, is_newest_first=False, after="msg_aa8002")))
    assert [item["content"][0]["text"] for item in rest["data"]] == ["c"]


def test_an_answer_that_is_not_there_is_told_by_its_id() -> None:
    assert "'resp_aa' not found" in no_such_response("resp_aa").message


@pytest.mark.parametrize("status", ["queued", "in_progress", "failed", "cancelled"])
def test_what_is_no_answer_cannot_be_gone_on_with(status: Any) -> None:
    with pytest.raises(BadRequest, match="'resp_aa' is"):
        said(body("Hi", previous_response_id="resp_aa"), {"resp_aa": stopped(status)})


def test_an_answer_that_was_cut_off_can() -> None:
    assert said(body("Hi", previous_response_id="resp_aa"), {"resp_aa": stopped("incomplete")}).earlier == []


def test_what_is_cancelled_keeps_what_it_was_and_no_error() -> None:
    first = cancelled(stopped("failed"))
    response = json.loads(first.body)
    assert (response["status"], response["error"], response["id"]) == ("cancelled", None, "resp_aa")
    assert decode_record(encode_again(first)) == first
    assert not first.is_of_background


def test_what_is_deleted_is_told_by_its_id() -> None:
    assert json.loads(encode_deleted("resp_aa")) == {"id": "resp_aa", "object": "response", "deleted": True}


@pytest.mark.parametrize("data", [b"", b"null", b"{}", b'{"response": 1, "items": []}', b"\xff"])
def test_what_another_version_wrote_is_not_there(data: bytes) -> None:
    assert decode_record(data) is None


@pytest.mark.parametrize("items", [[1], ["a"], [[]], [None]])
def test_items_that_are_none_are_refused(items: list[Any]) -> None:
    sent = body(items)
    with pytest.raises(BadRequest, match="cannot be read"):
        items_to_keep(said(sent), FIRST)


def test_an_item_that_nests_too_deeply_is_refused() -> None:
    sent = b'{"input":[{"role":"user","content":' + b"[" * 600 + b"]" * 600 + b"}]}"
    with pytest.raises(BadRequest, match="nested too deeply"):
        items_to_keep(said(sent), FIRST)


WORDS = bytes_near(
    b'{"input":', b"[", b"]", b"}", b'"x"', b",", b'"role":"user"', b'"content":', b'"type":"item_reference"', b'"id":'
)


@PROPERTIES
@given(WORDS)
def test_any_bytes_are_read_or_refused(sent: bytes) -> None:
    with contextlib.suppress(BadRequest, NotFound):
        items_to_keep(said(sent), FIRST)
