from itertools import count

import pytest

from realcoze.dialects.coze_open.objects import Chat, RequiredAction, SubmitToolOutputs, WireToolCall
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.open_api.submission import ToolOutput, continued, read_submission

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
        (b"{}", WAITING),
        (b"no", WAITING),
        (b'{"tool_outputs":[{"tool_call_id":"a"}]}', WAITING),
        (b'{"tool_outputs":[]}', Chat(status="completed")),
        (b'{"tool_outputs":[]}', Chat(status="requires_action")),
    ],
)
def test_anything_else_is_refused(body: bytes, chat: Chat) -> None:
    with pytest.raises(Refused, match="4000"):
        read_submission(body, chat)


def test_the_chat_goes_on_where_it_was() -> None:
    told = continued([ToolOutput("a", "the sea"), ToolOutput("b", "x")], ChatStreamEncoder, IDS, map(str, count()))
    assert told.blocks[0].name == "conversation.chat.in_progress"
    assert told.text == "The tool says: the sea; x"
    assert (told.chat.id, told.chat.status) == ("11", "completed")
