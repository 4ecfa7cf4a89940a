"""What a fault makes of a turn before it is encoded, and of the answer afterwards; pure.

What no JSON encoder writes is put in as a character that stands for it, and exchanged in the bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import msgspec

from realcoze.dialects.coze_open.objects import Message
from realcoze.domain.event import (
    AnswerDone,
    Event,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    Usage,
)
from realcoze.domain.tool import ToolCall
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import Answer, Block
from realcoze.emulator.open_api.fault import number
from realcoze.errors import UpstreamFailed

LARGE = 17 << 20
STAND_IN = "\ue000"
CONTROLS = "\0\u0085\u2028"
_IN_BYTES = {
    "controls": CONTROLS.encode().replace(b"\0", b"\\u0000"),
    "surrogate": b"\\ud83d",
    "invalid": b"\xff",
}
_IN_TEXT = {"controls": CONTROLS, "surrogate": "\ufffd", "invalid": "\ufffd"}
_STOPS = frozenset({"failed", "bare", "canceled", "cancelled", "expired", "requires"})
CALL = ToolCall(call_id="call_emulated_1", name="take_picture", arguments='{"of": "the sea"}')


def retold(events: Iterable[Event], fault: Fault | None) -> Iterator[Event]:
    """The events of a turn that goes as its fault wants."""
    if fault is None:
        yield from events
    elif fault.name in _STOPS:
        yield from _stopped(events, fault)
    elif fault.name == "wordless":
        yield from (event for event in events if not isinstance(event, TextDelta | TextReplaced | AnswerDone))
    elif fault.name in _IN_BYTES:
        yield from _inserted(events, STAND_IN, fault.after)
    elif fault.name == "large":
        yield from _inserted(events, "x" * number(fault, LARGE), fault.after)
    else:
        yield from events


def rewritten(answer: Answer, fault: Fault | None) -> Answer:
    """The answer with what no encoder writes."""
    if fault is None:
        return answer
    if fault.name in _IN_BYTES:
        stand_in, wanted = STAND_IN.encode(), _IN_BYTES[fault.name]
        blocks = tuple(replace(block, data=block.data.replace(stand_in, wanted)) for block in answer.blocks)
        messages = tuple(_exchanged(message, _IN_TEXT[fault.name]) for message in answer.messages)
        return replace(answer, blocks=blocks, messages=messages)
    if fault.name in ("canceled", "cancelled", "expired"):
        chat = msgspec.structs.replace(answer.chat, status=fault.name)
        return replace(answer, chat=chat, blocks=tuple(_called(block, fault.name) for block in answer.blocks))
    if fault.name == "bare":
        told = b'event:conversation.chat.failed\ndata:{"code":701231,"msg":"error"}\n\n'
        return replace(answer, blocks=(*answer.blocks[:-1], replace(answer.blocks[-1], data=told)))
    return answer


def _stopped(events: Iterable[Event], fault: Fault) -> Iterator[Event]:
    """The events up to so many deltas, or to the end of the answer, and then another end."""
    deltas = 0
    for event in events:
        if isinstance(event, AnswerDone | Usage | TurnDone) or (isinstance(event, TextDelta) and deltas >= fault.after):
            break
        deltas += isinstance(event, TextDelta)
        yield event
    if fault.name == "requires":
        yield ToolCallsRequested(calls=(CALL,))
    else:
        yield TurnFailed(error=UpstreamFailed("event interval error", upstream_code=number(fault, 5000)))


def _inserted(events: Iterable[Event], text: str, after: int) -> Iterator[Event]:
    """The same turn with a text at the end of one delta, and in the whole answer."""
    told = list(events)
    deltas = [place for place, event in enumerate(told) if isinstance(event, TextDelta)]
    at = deltas[min(after, len(deltas) - 1)] if deltas else -1
    said = ""
    for place, event in enumerate(told):
        if isinstance(event, TextDelta) and place <= at:
            said += event.text
        if isinstance(event, TextDelta) and place == at:
            yield msgspec.structs.replace(event, text=event.text + text)
        elif isinstance(event, AnswerDone):
            yield msgspec.structs.replace(event, text=said + text + event.text[len(said) :])
        else:
            yield event


def _exchanged(message: Message, text: str) -> Message:
    return msgspec.structs.replace(message, content=(message.content or "").replace(STAND_IN, text))


def _called(block: Block, word: str) -> Block:
    """A chat that failed under another name."""
    name = block.name.replace("chat.failed", f"chat.{word}")
    data = block.data.replace(b"chat.failed", b"chat." + word.encode())
    return replace(block, name=name, data=data.replace(b'"status":"failed"', b'"status":"%b"' % word.encode()))
