"""The stream of one chat: server-sent events → our events.

A stream is a success when `conversation.chat.completed` (or requires_action) came with no `error`
before it; the marker of the end only ends it, and what was said after an error counts for nothing.

The text of a message is what its `completed` says.  When that goes on from what the deltas made, the
rest is sent; when it is another text, it replaces theirs.  Coze's control messages never become text.
When a stream breaks off, `recover` goes on with what Coze tells of the chat when it is asked.

Above: the upstream.  Below: `steps.py` and `content.py` for what stands in one message, `ending.py` for the
last event, `template.py` for deltas that are like the one before them.  The way back: `stream_encoder.py`.

Source: docs/protocol/openapi-v3.md §6; docs/protocol/studio-web.md §5.3.
"""

import base64
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import msgspec

from realcoze.dialects.coze_open.chat import ids_of
from realcoze.dialects.coze_open.content import shown
from realcoze.dialects.coze_open.ending import (
    CANCELLED,
    COMPLETE,
    debug_url_in,
    demand_of,
    failure_of,
    reported,
    usage_of,
)
from realcoze.dialects.coze_open.objects import Chat, Delta, Message, text_of
from realcoze.dialects.coze_open.payload import is_whole, read_payload
from realcoze.dialects.coze_open.steps import STEPS, StepReader
from realcoze.dialects.coze_open.template import DELTA, DeltaTemplate, head_of, join, next_delta, template_of
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Piece,
    ReasoningDelta,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import RealcozeError, Truncated, UpstreamFailed
from realcoze.framing.limits import EVENT_BYTES, STREAM_BYTES
from realcoze.framing.sse import ServerSentEvent, SseDecoder

CREATED = "conversation.chat.created"
IN_PROGRESS = "conversation.chat.in_progress"
MESSAGE = "conversation.message.completed"
AUDIO = "conversation.audio.delta"
COMPLETED = "conversation.chat.completed"
FAILED = "conversation.chat.failed"
_ABOUT_CHAT = "conversation.chat."
REQUIRES_ACTION = frozenset({f"{_ABOUT_CHAT}requires_action", f"{_ABOUT_CHAT}required_action"})
ERROR = "error"
ENDS = frozenset({"done", "conversation.stream.done"})
SILENT = frozenset({"ping", "PING"})

MOST_MISFITS = 8
"""Templates in a row that no delta was like; then there are no more, as something else changes each time."""

_CHAT_EVENTS = {CREATED, IN_PROGRESS, COMPLETED, FAILED, *REQUIRES_ACTION, *(_ABOUT_CHAT + end for end in CANCELLED)}

Told = frozenset[tuple[str, str]]
"""Messages by their type and id."""

NOTHING_TOLD: Told = frozenset()

_CHAT = msgspec.json.Decoder(Chat)
_MESSAGE = msgspec.json.Decoder(Message)
_DELTA = msgspec.json.Decoder(Delta)


class ChatStreamDecoder:
    """`feed` gives the events of one turn; `finish` raises `Truncated` when its end never came.

    Raises `UpstreamFailed` for a known event that cannot be read, or for too much of anything.  `told` are
    the messages that a turn before this one has told of the same chat.
    """

    __slots__ = (
        "_answers", "_end", "_head", "_is_over", "_is_started", "_max", "_max_event", "_misfits", "_room",
        "_sent", "_sse", "_steps", "_template", "_thought", "_unsaid", "_whole", "beats", "chat_id", "conversation_id",
        "debug_url", "has_chat", "has_sound", "is_complete", "likely", "strays",
    )  # fmt: skip

    def __init__(
        self, *, told: Told = NOTHING_TOLD, max_event_bytes: int = EVENT_BYTES, max_answer_bytes: int = STREAM_BYTES
    ) -> None:
        self._sse = SseDecoder(max_event_bytes=max_event_bytes)
        self._max_event = max_event_bytes
        self._room = max_answer_bytes
        self._max = max_answer_bytes
        self._sent: dict[MessageId, list[str]] = {}
        self._thought: dict[MessageId, list[str]] = {}
        self._answers: set[MessageId] = set()
        self._whole: set[tuple[str, str]] = set(told)
        self._template: DeltaTemplate | None = None
        """Of the deltas that may come next; none after another event, which may change what they mean."""
        self.likely: DeltaTemplate | None = None
        """The same, if what comes next begins an event; reads those that come alone, until anything is fed here."""
        self._misfits = 0
        self._head = b""
        """What stood before the data of the last delta that came in one piece."""
        self._steps = StepReader()
        self._unsaid: list[Event] = []
        """Of the last event before the stream broke off, which nobody has had yet."""
        self._is_started = False
        self._end: TurnDone | ToolCallsRequested | InputRequested | None = None
        self._is_over = False
        self.is_complete = False
        """The turn's end was seen; only the marker of the end, or sound, may still come."""
        self.chat_id = ChatId("")
        self.conversation_id = ConversationId("")
        self.has_chat = False
        """Coze has spoken of a chat: whatever becomes of it, it was begun."""
        self.has_sound = False
        """A piece of sound came; no list of messages holds what follows it."""
        self.beats = 0
        """Signs of life that are no news."""
        self.debug_url = ""
        """Where a run of a workflow can be looked at; for the log, never for a caller."""
        self.strays = 0
        """Events out of place so far: of another chat, or after their message or the turn was over."""

    @property
    def told(self) -> Told:
        """The messages of which something was told so far."""
        return frozenset({*self._whole, *(("answer", message_id) for message_id in self._sent)})

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end within `chunk`."""
        if self.likely is not None:
            if (text := self.likely.read_one(chunk)) is not None:
                return [msgspec.structs.replace(self.likely.sample, text=text)]
            self._room += self.likely.room
        self._room -= len(chunk)
        if self._room < 0:
            raise UpstreamFailed(f"The answer is larger than {self._max} bytes.", code="event_too_large")
        events = self._read(chunk)
        self.likely = self._template if self._sse.is_between_events else None
        if self.likely is not None:
            self.likely.room = min(self._max_event, self._room)
            self._room -= self.likely.room
        return events

    def _read(self, chunk: bytes) -> list[Event]:
        """Deltas that may be like the one before them are looked for where each begins."""
        events: list[Event] = []
        start = 0
        if self._take_one(chunk, events):
            return events
        while True:
            if self._template is not None and self._sse.is_between_events and len(chunk) <= self._max_event:
                start = self._template.read(chunk, start, events)
            if start == len(chunk):
                return events
            end = next_delta(chunk, start)
            piece = chunk[start:end]
            if len(piece) == len(chunk) or not self._take_one(piece, events):
                for event in self._sse.feed(piece):
                    self._take(event, events)
            start = end

    def _take_one(self, piece: bytes, events: list[Event]) -> bool:
        if (event := self._sse.feed_one(piece)) is None:
            return False
        if event.event == DELTA:
            self._head = head_of(piece, event.data)
        self._take(event, events)
        return True

    def finish(self) -> list[Event]:
        """What the end of input completes; after the turn's end a piece of an event takes nothing back."""
        events: list[Event] = []
        for event in self._sse.finish():
            if event.event in ENDS or is_whole(event.text):
                self._take(event, events)
            elif self.is_complete:
                self.strays += 1
            else:
                raise Truncated("The stream broke off within an event.")
        if self._is_over:
            return events
        if self._end is None:
            self._unsaid = events
            raise Truncated("The stream ended before the answer was complete.")
        self._is_over = True
        return [*events, self._end]

    def recover(self, chat: Chat, messages: Sequence[Message]) -> list[Event]:
        """What the stream did not tell of a chat that has ended since; no character comes twice.

        `messages` are all that the bot produced in it.  Raises `Truncated` where they do not hold what
        the stream began.
        """
        events = self._unsaid
        listed = {text_of(message.id) for message in messages}
        for message in messages:
            known = self._as_streamed(message, listed)
            if (known.type or "answer", text_of(known.id)) not in self._whole:
                self._message(known, events)
        if self._sent and chat.status == COMPLETE:
            raise Truncated("The answer that the stream began is not among what Coze has kept of it.")
        self._chat(f"{_ABOUT_CHAT}{chat.status}", chat, events)
        if not self._is_over:
            self._marker(events)
        return events

    def _as_streamed(self, message: Message, listed: AbstractSet[str]) -> Message:
        """A message under the id that its deltas had, should it be kept under another."""
        kind, own_id = message.type or "answer", text_of(message.id)
        begun = next((each for each in (*self._sent, *self._thought) if each not in listed), None)
        if begun is None or kind != "answer" or (kind, own_id) in self._whole or own_id in self._sent:
            return message
        said, thought = ("".join(kept.get(begun, ())) for kept in (self._sent, self._thought))
        goes_on = (message.content or "").startswith(said) if said else bool(thought)
        goes_on = goes_on and (message.reasoning_content or "").startswith(thought)
        return msgspec.structs.replace(message, id=begun) if goes_on else message

    def _take(self, event: ServerSentEvent, events: list[Event]) -> None:
        name = event.event
        self.has_chat = self.has_chat or name.startswith("conversation.")
        if name == DELTA and not self._is_over:
            self._delta(event, events)
            return
        self._template = None
        if self._is_over:
            self.strays += 1
        elif name == MESSAGE:
            self._message(read_payload(event, _MESSAGE), events)
        elif name in _CHAT_EVENTS:
            self._chat(name, read_payload(event, _CHAT), events)
        elif name == AUDIO:
            self._audio(read_payload(event, _MESSAGE), events)
        elif name == ERROR:
            self._error(event.text, events)
        elif name in ENDS or (not name and event.text.strip('"') == "[DONE]"):
            self.debug_url = debug_url_in(event.text)
            self._marker(events)
        elif name in SILENT:
            self.beats += 1
        else:
            events.append(Unknown(name=name[:100], raw=event.text[:2000]))

    def _chat(self, name: str, chat: Chat, events: list[Event]) -> None:
        chat_id, conversation_id = ids_of(chat)
        if self._is_strange(chat_id):
            return
        if name in (CREATED, IN_PROGRESS):
            self.chat_id = self.chat_id or chat_id
            self.conversation_id = self.conversation_id or conversation_id
            if not self._is_started:
                self._is_started = True
                events.append(TurnStarted(chat_id=chat_id, conversation_id=conversation_id))
            return
        if self._end is not None:
            self.strays += 1
            return
        status = (chat.status or "") if name == COMPLETED else name.removeprefix(_ABOUT_CHAT)
        if (error := failure_of(chat, status)) is not None:
            self._fail(error, events)
            return
        self._end = demand_of(chat) if name in REQUIRES_ACTION else TurnDone()
        self.is_complete = True
        events += usage_of(chat)

    def _error(self, data: str, events: list[Event]) -> None:
        self.debug_url = debug_url_in(data)
        if self._end is not None:
            self.strays += 1
        else:
            self._fail(reported(data), events)

    def _delta(self, event: ServerSentEvent, events: list[Event]) -> None:
        message = read_payload(event, _DELTA)
        if message.chat_id != self.chat_id and self._is_strange(ChatId(text_of(message.chat_id))):
            return
        message_id = self._answer_id(message)
        if message_id in self._answers or self._end is not None:
            self.strays += 1
            return
        if message.type not in (None, "", "answer"):
            return
        pieces: list[Piece] = []
        if message.reasoning_content:
            self._thought.setdefault(message_id, []).append(message.reasoning_content)
            pieces.append(ReasoningDelta(message_id=message_id, text=message.reasoning_content))
        if message.content and message.content_type in (None, "", "text"):
            self._sent.setdefault(message_id, []).append(message.content)
            pieces.append(TextDelta(message_id=message_id, text=message.content))
        if len(pieces) == 1:
            self._expect_more(pieces[0], event.data)
        for piece in pieces:
            join(events, piece)

    def _expect_more(self, sample: Piece, data: bytes) -> None:
        """Most of those that follow will be like it."""
        known, self._template = self._template, None
        if known is not None:
            self._misfits = 0 if known.has_fitted else self._misfits + 1
        if self._misfits < MOST_MISFITS:
            said = self._sent if isinstance(sample, TextDelta) else self._thought
            self._template = template_of(sample, said[sample.message_id], data, head=self._head)

    def _message(self, message: Message, events: list[Event]) -> None:
        if self._is_strange(ChatId(text_of(message.chat_id))):
            return
        kind, content = message.type or "answer", message.content or ""
        if self._end is not None or self._was_seen(kind, message):
            self.strays += 1
        elif kind == "answer":
            self._answer(message, events)
        elif kind == "follow_up":
            events.append(Suggestion(text=content))
        elif kind in STEPS:
            events += self._steps.read(kind, content)
        elif kind != "question":
            raw = msgspec.json.encode(message).decode()
            events.append(Unknown(name=f"message.{kind[:90]}", raw=raw[:2000]))

    def _answer(self, message: Message, events: list[Event]) -> None:
        message_id = self._answer_id(message)
        self._answers.add(message_id)
        thought, sent = ("".join(kept.pop(message_id, ())) for kept in (self._thought, self._sent))
        whole_thought = message.reasoning_content or ""
        if whole_thought.startswith(thought) and len(whole_thought) > len(thought):
            events.append(ReasoningDelta(message_id=message_id, text=whole_thought[len(thought) :]))
        if message.content_type == "card":
            events.append(Step(kind="other", title="card", body=message.content or ""))
            return
        if message.content_type == "audio":
            return
        whole = shown(message.content or "", message.content_type or "") or sent
        if not whole.startswith(sent):
            events.append(TextReplaced(message_id=message_id, text=whole))
        elif len(whole) > len(sent):
            events.append(TextDelta(message_id=message_id, text=whole[len(sent) :]))
        events.append(AnswerDone(message_id=message_id, text=whole))

    def _answer_id(self, message: Message | Delta) -> MessageId:
        """An answer without an id is the next one that is not complete."""
        if isinstance(message, Delta) and message.id and isinstance(message.id, str):
            return message.id
        return MessageId(text_of(message.id) or f"answer-{len(self._answers)}")

    def _was_seen(self, kind: str, message: Message) -> bool:
        """It came before; one without an id cannot be told from a new one."""
        if message.id is None or message.id == "":
            return False
        known = (kind, text_of(message.id))
        if known in self._whole:
            return True
        self._whole.add(known)
        return False

    def _audio(self, message: Message, events: list[Event]) -> None:
        if self._is_strange(ChatId(text_of(message.chat_id))):
            return
        try:
            sound = base64.b64decode(message.content or "", validate=True)
        except ValueError as error:
            raise UpstreamFailed("A piece of sound is no base64.", code="upstream_protocol") from error
        self.has_sound = True
        events.append(AudioDelta(audio=sound, format="pcm"))

    def _marker(self, events: list[Event]) -> None:
        """The end of the stream; without the turn's end before it, it means nothing yet."""
        if self._end is None:
            self.strays += 1
        else:
            self._is_over = True
            events.append(self._end)

    def _fail(self, error: RealcozeError, events: list[Event]) -> None:
        self._is_over = self.is_complete = True
        events.append(TurnFailed(error=error))

    def _is_strange(self, chat_id: ChatId) -> bool:
        """It belongs to another chat."""
        if chat_id and self.chat_id and chat_id != self.chat_id:
            self.strays += 1
            return True
        return False
