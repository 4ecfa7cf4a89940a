"""The stream of one run of a workflow: server-sent events → our events.

A run is a success when `Done` came; it also ends, waiting, with an `Interrupt`, after which nothing is said.
Its text is that of its nodes, each a message of its own: `Message` events carry what is new, and the one with
`node_is_finish` completes it.  Ids count anew after an answer to a question, so they mean nothing here.

Above: the upstream.  Below: `ending.py` and `failure.py`.  The way back: `workflow_encoder.py`.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from realcoze.dialects.coze_open.ending import debug_url_in, reported, usage_of
from realcoze.dialects.coze_open.failure import refusal
from realcoze.dialects.coze_open.objects import Chat, Id, Number, WireUsage, Word, number_of, text_of
from realcoze.dialects.coze_open.payload import read_payload
from realcoze.dialects.coze_open.workflow import kind_of
from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    Step,
    TextDelta,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.request import Json
from realcoze.errors import RealcozeError, Truncated, UpstreamFailed
from realcoze.framing.limits import EVENT_BYTES, STREAM_BYTES
from realcoze.framing.sse import ServerSentEvent, SseDecoder

MESSAGE = "Message"
INTERRUPT = "Interrupt"
ERROR = "Error"
READER_FAILED = "error"
"""Studio's, with plain text in place of an object."""

PING = frozenset({"PING", "ping"})
DONE = frozenset({"Done", "done"})


class WireMessage(msgspec.Struct, omit_defaults=True):
    """More of what one node says."""

    content: Word = None
    content_type: Word = None
    node_title: Word = None
    node_seq_id: Word = None
    node_is_finish: bool | None = None
    node_id: Id = None
    node_type: Word = None
    node_execute_uuid: Word = None
    ext: Any = None
    token: Number = None
    cost: Word = None
    usage: WireUsage | None = None


class InterruptData(msgspec.Struct, omit_defaults=True):
    event_id: Id = None
    type: Number = None
    data: Any = None
    required_parameters: Any = None


class WireInterrupt(msgspec.Struct, omit_defaults=True):
    """A question; Studio leaves the title of its node out."""

    interrupt_data: InterruptData
    node_title: Word = None


class WireError(msgspec.Struct, omit_defaults=True):
    error_code: Number = None
    error_message: Word = None
    debug_url: Word = None


_MESSAGE = msgspec.json.Decoder(WireMessage)
_INTERRUPT = msgspec.json.Decoder(WireInterrupt)
_ERROR = msgspec.json.Decoder(WireError)
_ANYTHING = msgspec.json.Decoder()


@dataclass(slots=True)
class _Node:
    """What a node that is not finished has said."""

    message_id: MessageId
    title: str
    said: list[str] = field(default_factory=list)


class WorkflowStreamDecoder:
    """`feed` gives the events of one run; `finish` raises `Truncated` when its end never came.

    Raises `UpstreamFailed` for a known event that cannot be read, or for too much of anything.
    """

    def __init__(self, *, max_event_bytes: int = EVENT_BYTES, max_answer_bytes: int = STREAM_BYTES) -> None:
        self._sse = SseDecoder(max_event_bytes=max_event_bytes)
        self._room = max_answer_bytes
        self._max = max_answer_bytes
        self._open: dict[str, _Node] = {}
        self._message_ids: set[MessageId] = set()
        self._last_said = ("", "")
        self.is_complete = False
        """The run's end was seen."""
        self.chat_id = ChatId("")
        self.conversation_id = ConversationId("")
        """A workflow has neither; both stay empty."""
        self.has_chat = False
        """The workflow runs: whatever becomes of it, it was begun."""
        self.strays = 0
        """Events so far that came after the end."""
        self.beats = 0
        """Signs of life so far that say nothing else."""
        self.debug_url = ""
        """Where Coze shows the run to its owner, once it has said so."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end within `chunk`."""
        self._room -= len(chunk)
        if self._room < 0:
            raise UpstreamFailed(f"The answer is larger than {self._max} bytes.", code="event_too_large")
        events: list[Event] = []
        for event in self._sse.feed(chunk):
            self._take(event, events)
        return events

    def finish(self) -> list[Event]:
        """What the end of input completes; after the run's end a piece of an event takes nothing back."""
        events: list[Event] = []
        for event in self._sse.finish():
            if read_if_json(event.text, _ANYTHING) is not None:
                self._take(event, events)
            elif self.is_complete:
                self.strays += 1
            else:
                raise Truncated("The stream broke off within an event.")
        if not self.is_complete:
            raise Truncated("The stream ended before the workflow did.")
        return events

    def _take(self, event: ServerSentEvent, events: list[Event]) -> None:
        name = event.event
        if name in PING:
            self.beats += 1
            self._begin(events)
        elif self.is_complete:
            self.strays += name not in DONE
        elif name == MESSAGE:
            self._begin(events)
            self._message(read_payload(event, _MESSAGE), events)
        elif name == INTERRUPT:
            self._begin(events)
            self._interrupt(read_payload(event, _INTERRUPT), events)
        elif name == ERROR:
            self._fail(read_payload(event, _ERROR), events)
        elif name == READER_FAILED:
            self._end(TurnFailed(error=reported(event.text)), events)
        elif name in DONE:
            self._begin(events)
            self._done(event.text, events)
        else:
            events.append(Unknown(name=name[:100], raw=event.text[:2000]))

    def _begin(self, events: list[Event]) -> None:
        if not self.has_chat and not self.is_complete:
            self.has_chat = True
            events.append(TurnStarted(chat_id=self.chat_id, conversation_id=self.conversation_id))

    def _message(self, message: WireMessage, events: list[Event]) -> None:
        title = message.node_title or ""
        key = message.node_execute_uuid or text_of(message.node_id) or title
        node = self._open.get(key)
        if node is None:
            node = self._open[key] = _Node(self._new_id(message), title)
            if title:
                events.append(Step(kind="other", title=title, body=message.node_type or ""))
        if message.content:
            node.said.append(message.content)
            events.append(TextDelta(message_id=node.message_id, text=message.content))
        events += _usage(message)
        if message.node_is_finish:
            self._finish(key, events)

    def _new_id(self, message: WireMessage) -> MessageId:
        """The run's of its node; a node that speaks again, as in a loop, gets a number."""
        number = len(self._message_ids)
        name = message.node_execute_uuid or text_of(message.node_id) or f"answer-{number}"
        message_id = MessageId(f"{name}-{number}" if name in self._message_ids else name)
        self._message_ids.add(message_id)
        return message_id

    def _finish(self, key: str, events: list[Event]) -> None:
        node = self._open.pop(key)
        text = "".join(node.said)
        self._last_said = (node.title, text)
        events.append(AnswerDone(message_id=node.message_id, text=text))

    def _interrupt(self, asked: WireInterrupt, events: list[Event]) -> None:
        found = asked.interrupt_data
        kind = kind_of(number_of(found.type))
        data = _parsed(found.data)
        told: dict[str, Json] = {"node_title": asked.node_title or "", "data": data}
        if found.required_parameters is not None:
            told["required_parameters"] = found.required_parameters
        for key in tuple(self._open):
            self._finish(key, events)
        if question := self._question(asked.node_title, data):
            told["question"] = question
        self._end(InputRequested(interrupt=Interrupt(event_id=text_of(found.event_id), kind=kind, data=told)), events)

    def _question(self, title: str | None, data: Json) -> str:
        """In its own words, or in those that its node has just said."""
        if isinstance(data, str) and data:
            return data
        said_by, said = self._last_said
        return said if title is None or title == said_by else ""

    def _fail(self, failure: WireError, events: list[Event]) -> None:
        """A `debug_url` is kept for the log; it never stands in a text."""
        self.debug_url = failure.debug_url or ""
        code, text = number_of(failure.error_code), failure.error_message or ""
        error: RealcozeError = refusal(code, text) if code else UpstreamFailed(f"The workflow failed: {text[:300]}")
        self._end(TurnFailed(error=error), events)

    def _done(self, data: str, events: list[Event]) -> None:
        self.debug_url = debug_url_in(data)
        for key in tuple(self._open):
            self._finish(key, events)
        self._end(TurnDone(), events)

    def _end(self, end: Event, events: list[Event]) -> None:
        self.is_complete = True
        events.append(end)


def _usage(message: WireMessage) -> list[Usage]:
    """The tokens of the whole run, which its last message has; older servers told only their sum."""
    total = number_of(message.token)
    return usage_of(Chat(usage=message.usage)) or ([Usage(input=0, output=0, total=total)] if total else [])


def _parsed(data: Any) -> Json:
    """The JSON that stands in a text, or what is there."""
    found: Json = read_if_json(data, _ANYTHING) if isinstance(data, str) else data
    return data if found is None else found
