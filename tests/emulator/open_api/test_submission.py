from itertools import count

import pytest

from realcoze.dialects.coze_open.objects import Chat, Function, RequiredAction, SubmitToolOutputs, WireToolCall
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.open_api.secretary import Handed
from realcoze.emulator.open_api.submission import continued, handed, read_submission
from realcoze.errors import BadRequest

IDS = ChatIds(chat_id="11", conversation_id="12", bot_id="13", section_id="14", created_at=15)
ACTION = RequiredAction("submit_tool_outputs", SubmitToolOutputs([WireToolCall("a"), WireToolCall("b")]))
WAITING = Chat(id="11", status="requires_action", required_action=ACTION)


def test_all_calls_are_answered_at_once() -> None:
    body = b'{"tool_outputs":[{"tool_call_id":"b","output":"2"},{"tool_call_id":"a","output":"1"}],"stream":true}'
    submission = read_submission(body, WAITING)
    assert [output.output for output in submission.tool_outputs] == ["2", "1"]
    assert submission.stream


@pytest.mark.parametrize(
    ("body", "chat"),
    [
        (b'{"tool_outputs":[{"tool_call_id":"a"}]}', WAITING),
        (b'{"tool_outputs":[{"tool_call_id":"a"},{"tool_call_id":"b"},{"tool_call_id":"b"}]}', WAITING),
        (b'{"tool_outputs":[{"tool_call_id":"a"},{"tool_call_id":"c"}]}', WAITING),
        (b'{"tool_outputs":[]}', Chat(status="completed")),
        (b'{"tool_outputs":[]}', Chat(status="requires_action")),
    ],
)
def test_anything_else_is_refused(body: bytes, chat: Chat) -> None:
    with pytest.raises(Refused, match="4000"):
        read_submission(body, chat)


@pytest.mark.parametrize("body", [b"{}", b"no"])
def test_what_is_no_submission_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest, match="submit_tool_outputs"):
        read_submission(body, WAITING)


def test_what_came_back_is_in_the_order_of_the_calls() -> None:
    calls = [WireToolCall("a", "function", Function("add", "{}")), WireToolCall("b", "reply_message", None)]
    chat = Chat(
        status="requires_action", required_action=RequiredAction("submit_tool_outputs", SubmitToolOutputs(calls))
    )
    body = b'{"tool_outputs":[{"tool_call_id":"b","output":"2"},{"tool_call_id":"a","output":"1"}]}'
    assert handed(read_submission(body, chat), chat) == [Handed("add", "1"), Handed("", "2")]


def test_the_chat_goes_on_where_it_was() -> None:
    told = continued("All is set.", ChatStreamEncoder, IDS, map(str, count()))
    assert told.blocks[0].name == "conversation.chat.in_progress"
    assert told.text == "All is set."
    assert (told.chat.id, told.chat.status) == ("11", "completed")


def test_the_rest_may_go_as_a_fault_wants() -> None:
    told = continued("All is set.", ChatStreamEncoder, IDS, map(str, count()), Fault("failed", after=1, value="4011"))
    assert told.blocks[-1].name == "conversation.chat.failed"
    assert told.chat.last_error is not None
    assert told.chat.last_error.code == 4011


def test_a_mark_in_a_result_is_no_part_of_it() -> None:
    chat = Chat(
        status="requires_action",
        required_action=RequiredAction("submit_tool_outputs", SubmitToolOutputs([WireToolCall("a")])),
    )
    body = b'{"tool_outputs":[{"tool_call_id":"a","output":"1 [[fault cut]]"}]}'
    assert handed(read_submission(body, chat), chat) == [Handed("", "1")]
