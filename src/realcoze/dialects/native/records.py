"""An answer as records, one JSON object each: NDJSON (a line) or server-sent events (a `data` line).

Every event has its record, so a client that reads them knows all that we know.  A stream is whole
only with a record that ends the turn: `done`, `requires_action`, `input_required` or `error`.
Readers pass over record types that they do not know.

Source: docs/native-api.md.
"""

from typing import assert_never, get_args

import msgspec

from realcoze.dialects.json_text import NotJson, on_one_line, read_json
from realcoze.dialects.native.failure import ErrorBody, error_body, error_of
from realcoze.dialects.native.reply import InterruptBody, ToolCallBody, interrupt_body, usage_body
from realcoze.domain import event as ev
from realcoze.domain.event import Event, StepKind
from realcoze.domain.ids import ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.tool import ToolCall
from realcoze.errors import Truncated, UpstreamFailed
from realcoze.framing.sse import KEEPALIVE


class _Record(msgspec.Struct, tag_field="type"):
    """The base of all records."""


class Start(_Record, tag="start"):
    chat_id: str = ""
    conversation_id: str = ""


class Delta(_Record, tag="delta"):
    message_id: str
    text: str


class Snapshot(_Record, tag="snapshot"):
    message_id: str
    text: str


class Reasoning(_Record, tag="reasoning"):
    message_id: str
    text: str


class Answer(_Record, tag="answer"):
    """One message of the answer is complete; its text came in deltas and snapshots."""

    message_id: str


class Step(_Record, tag="step"):
    kind: StepKind
    title: str
    body: str


class Suggestion(_Record, tag="suggestion"):
    text: str


class Audio(_Record, tag="audio"):
    """`data` in base64."""

    data: bytes
    format: str


class Usage(_Record, tag="usage"):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class RequiresAction(_Record, tag="requires_action"):
    tool_calls: list[ToolCallBody]


class InputRequired(_Record, tag="input_required"):
    interrupt: InterruptBody


class Done(_Record, tag="done"):
    pass


class Error(_Record, tag="error"):
    error: ErrorBody


class Unknown(_Record, tag="unknown"):
    name: str
    raw: str


Record = (
    Start
    | Delta
    | Snapshot
    | Reasoning
    | Answer
    | Step
    | Suggestion
    | Audio
    | Usage
    | RequiresAction
    | InputRequired
    | Done
    | Error
    | Unknown
)


class _Tag(msgspec.Struct):
    type: str


_DECODER = msgspec.json.Decoder(Record)
_TAG = msgspec.json.Decoder(_Tag)
_KNOWN = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Record))
_encode = msgspec.json.Encoder().encode


class NdjsonEncoder:
    """Events → lines.  `steps` are the kinds of steps that the client subscribed to."""

    content_type = "application/x-ndjson"
    keepalive = b""

    def __init__(self, *, request_id: RequestId, steps: frozenset[StepKind]) -> None:
        self._request_id = request_id
        self._steps = steps
        self.is_closed = False
        """The record that ends the turn was written."""
        self.has_failed = False
        """That record is an error: the stream must not look complete."""

    def feed(self, event: Event) -> bytes:
        """The line of one event; nothing for a step that nobody subscribed to."""
        if type(event) is ev.TextDelta:  # nearly all of them
            return self._frame(on_one_line(_encode(Delta(event.message_id, event.text))))
        if isinstance(event, ev.Step) and event.kind not in self._steps:
            return b""
        said = self._frame(on_one_line(_encode(_record(event, self._request_id))))
        self.is_closed = isinstance(event, ev.ENDS)
        self.has_failed = isinstance(event, ev.TurnFailed)
        return said

    def _frame(self, record: bytes) -> bytes:
        return record + b"\n"


class SseEncoder(NdjsonEncoder):
    """Events → server-sent events without an `event` line, but for the one that reports an error."""

    content_type = "text/event-stream; charset=utf-8"
    keepalive = KEEPALIVE

    def feed(self, event: Event) -> bytes:
        framed = super().feed(event)
        return b"event: error\n" + framed if isinstance(event, ev.TurnFailed) else framed

    def _frame(self, record: bytes) -> bytes:
        return b"data: " + record + b"\n\n"


class RecordDecoder:
    """Records → events.  `feed` raises `UpstreamFailed` for what is no record."""

    def __init__(self) -> None:
        self._texts: dict[MessageId, list[str]] = {}
        self._over = False

    def feed(self, record: bytes) -> list[Event]:
        """The event of one record; none for a type that is not known."""
        try:
            if read_json(record, _TAG).type not in _KNOWN:
                return []
            event = self._event(read_json(record, _DECODER))
        except NotJson as error:
            raise UpstreamFailed(f"A record cannot be read: {error}.", code="upstream_protocol") from error
        self._over = self._over or isinstance(event, ev.ENDS)
        return [event]

    def finish(self) -> list[Event]:
        """Raises `Truncated` unless a record has ended the turn."""
        if not self._over:
            raise Truncated("The stream ended before the answer was complete.")
        return []

    def _event(self, record: Record) -> Event:  # noqa: C901 - one arm for each record
        match record:
            case Start():
                return ev.TurnStarted(
                    chat_id=ChatId(record.chat_id), conversation_id=ConversationId(record.conversation_id)
                )
            case Delta():
                message_id = MessageId(record.message_id)
                self._texts.setdefault(message_id, []).append(record.text)
                return ev.TextDelta(message_id=message_id, text=record.text)
            case Snapshot():
                self._texts[MessageId(record.message_id)] = [record.text]
                return ev.TextReplaced(message_id=MessageId(record.message_id), text=record.text)
            case Reasoning():
                return ev.ReasoningDelta(message_id=MessageId(record.message_id), text=record.text)
            case Answer():
                message_id = MessageId(record.message_id)
                return ev.AnswerDone(message_id=message_id, text="".join(self._texts.get(message_id, ())))
            case Step():
                return ev.Step(kind=record.kind, title=record.title, body=record.body)
            case Suggestion():
                return ev.Suggestion(text=record.text)
            case Audio():
                return ev.AudioDelta(audio=record.data, format=record.format)
            case Usage():
                return ev.Usage(input=record.input_tokens, output=record.output_tokens, total=record.total_tokens)
            case RequiresAction():
                return ev.ToolCallsRequested(calls=tuple(_call(call) for call in record.tool_calls))
            case InputRequired():
                asked = record.interrupt
                return ev.InputRequested(
                    interrupt=ev.Interrupt(event_id=asked.event_id, kind=asked.kind, data=asked.data)
                )
            case Done():
                return ev.TurnDone()
            case Error():
                return ev.TurnFailed(error=error_of(record.error))
            case Unknown():
                return ev.Unknown(name=record.name, raw=record.raw)
            case _:
                assert_never(record)


def _record(event: Event, request_id: RequestId) -> Record:  # noqa: C901 - one arm for each event
    match event:
        case ev.TextDelta():
            return Delta(event.message_id, event.text)
        case ev.TextReplaced():
            return Snapshot(event.message_id, event.text)
        case ev.TurnStarted():
            return Start(event.chat_id, event.conversation_id)
        case ev.ReasoningDelta():
            return Reasoning(event.message_id, event.text)
        case ev.AnswerDone():
            return Answer(event.message_id)
        case ev.Step():
            return Step(event.kind, event.title, event.body)
        case ev.Suggestion():
            return Suggestion(event.text)
        case ev.AudioDelta():
            return Audio(event.audio, event.format)
        case ev.Usage():
            usage = usage_body(event)
            return Usage(usage.input_tokens, usage.output_tokens, usage.total_tokens)
        case ev.ToolCallsRequested():
            return RequiresAction([ToolCallBody(call.call_id, call.name, call.arguments) for call in event.calls])
        case ev.InputRequested():
            return InputRequired(interrupt_body(event.interrupt))
        case ev.TurnDone():
            return Done()
        case ev.TurnFailed():
            return Error(error_body(event.error, request_id))
        case ev.Unknown():
            return Unknown(event.name, event.raw)
        case _:
            assert_never(event)


def _call(call: ToolCallBody) -> ToolCall:
    return ToolCall(call_id=call.id, name=call.name, arguments=call.arguments)
