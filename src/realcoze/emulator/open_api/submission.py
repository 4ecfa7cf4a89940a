"""Results of a caller's tools: which a chat takes, and how it goes on with them; pure.

Source: docs/protocol/openapi-v3.md §5.2.
"""

from collections.abc import Iterator
from dataclasses import replace

from realcoze.dialects.coze_open.objects import Chat, text_of
from realcoze.dialects.coze_open.stream import CREATED
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.dialects.coze_open.submission import Submission, decode_submission
from realcoze.domain.event import AnswerDone, Event, TextDelta, TurnDone, TurnStarted, Usage
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.fault import Fault, without_mark
from realcoze.emulator.open_api.answer import Answer, answer
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.open_api.retelling import retold, rewritten
from realcoze.emulator.open_api.secretary import Handed
from realcoze.emulator.script import split


def read_submission(body: bytes, chat: Chat) -> Submission:
    """The body of a call for a chat that waits for it.  Raises `BadRequest` and `Refused`."""
    submission = decode_submission(body)
    action = chat.required_action
    outputs = action.submit_tool_outputs if action else None
    if chat.status != "requires_action" or outputs is None:
        raise Refused(4000, "the chat does not require action")
    wanted = sorted(text_of(call.id) for call in outputs.tool_calls or ())
    if sorted(output.tool_call_id for output in submission.tool_outputs) != wanted:
        raise Refused(4000, "all tool calls must be answered in one request, and no others")
    return submission


def handed(submission: Submission, chat: Chat) -> list[Handed]:
    """What came back, in the order of the calls; a question of the chat has no name."""
    outputs = {output.tool_call_id: without_mark(output.output) for output in submission.tool_outputs}
    action = chat.required_action
    calls = (action.submit_tool_outputs.tool_calls if action and action.submit_tool_outputs else None) or ()
    return [Handed((call.function.name if call.function else "") or "", outputs[text_of(call.id)]) for call in calls]


def continued(
    text: str, encoder: type[ChatStreamEncoder], ids: ChatIds, next_ids: Iterator[str], fault: Fault | None = None
) -> Answer:
    """The rest of the chat: the bot says `text`, as its fault wants."""
    pieces, message_id = split(text), MessageId("rest")
    events: list[Event] = [
        TurnStarted(chat_id=ChatId(ids.chat_id), conversation_id=ConversationId(ids.conversation_id)),
        *(TextDelta(message_id=message_id, text=piece) for piece in pieces),
        AnswerDone(message_id=message_id, text=text),
        Usage(input=1, output=len(pieces), total=1 + len(pieces)),
        TurnDone(),
    ]
    told = rewritten(answer(retold(events, fault), encoder, ids, next_ids), fault)
    return replace(told, blocks=tuple(block for block in told.blocks if block.name != CREATED))
