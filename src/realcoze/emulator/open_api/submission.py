"""Results of a caller's tools: the call that hands them in, and how the chat goes on; pure.

Source: docs/protocol/openapi-v3.md §5.2.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec

from realcoze.dialects.coze_open.objects import Chat
from realcoze.dialects.coze_open.stream import CREATED
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.event import AnswerDone, Event, TextDelta, TurnDone, TurnStarted, Usage
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.open_api.answer import Answer, answer
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.script import split

PATH = "/v3/chat/submit_tool_outputs"


class ToolOutput(msgspec.Struct):
    tool_call_id: str
    output: str = ""


class Submission(msgspec.Struct):
    tool_outputs: list[ToolOutput]
    stream: bool | None = None


_SUBMISSION = msgspec.json.Decoder(Submission)


def read_submission(body: bytes, chat: Chat) -> Submission:
    """The body of a call for a chat that waits for it.  Raises `Refused`."""
    try:
        submission = read_json(body, _SUBMISSION)
    except NotJson as error:
        raise Refused(4000, f"invalid parameter: {error}") from error
    action = chat.required_action
    outputs = action.submit_tool_outputs if action else None
    if chat.status != "requires_action" or outputs is None:
        raise Refused(4000, "the chat does not require action")
    wanted = {call.id for call in outputs.tool_calls or ()}
    if {output.tool_call_id for output in submission.tool_outputs} != wanted:
        raise Refused(4000, "all tool calls must be answered in one request, and no others")
    return submission


def continued(
    outputs: Sequence[ToolOutput], encoder: type[ChatStreamEncoder], ids: ChatIds, next_ids: Iterator[str]
) -> Answer:
    """The rest of the chat: the bot tells what it was given."""
    text = "The tool says: " + "; ".join(output.output for output in outputs)
    pieces, message_id = split(text), MessageId("rest")
    events: list[Event] = [
        TurnStarted(chat_id=ChatId(ids.chat_id), conversation_id=ConversationId(ids.conversation_id)),
        *(TextDelta(message_id=message_id, text=piece) for piece in pieces),
        AnswerDone(message_id=message_id, text=text),
        Usage(input=len(outputs), output=len(pieces), total=len(outputs) + len(pieces)),
        TurnDone(),
    ]
    told = answer(events, encoder, ids, next_ids)
    return replace(told, blocks=tuple(block for block in told.blocks if block.name != CREATED))
