"""Many pushes ↔ the events of one turn.

A push carries everything said so far, so the decoder turns snapshots into deltas and the encoder
deltas into snapshots.  Snapshots are told apart by reply type and message id.  A snapshot that is a
shorter prefix of what stands there is stale and dropped; one that is no continuation is a rewrite.
The turn is over with the push that has reply type 1 and is_finish "1", and only with that one; when
it announces suggestions and somebody wants them, the turn stays open for them a little.

Source: docs/protocol/playground-2024.md §5.1 and §5.2.
"""

from typing import assert_never

import msgspec

from realcoze.dialects.coze_playground.push import (
    ACK,
    ANSWER,
    CALL,
    MESSAGE_EVENT,
    RECALL,
    RESULT,
    SUGGEST,
    SUGGESTIONS,
    Ext,
    Number,
    Push,
    PushMessage,
)
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    ReasoningDelta,
    Step,
    StepKind,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import RealcozeError, Truncated, UpstreamFailed
from realcoze.framing.limits import STREAM_BYTES

SUGGESTIONS_S = 3.0
"""How long a finished answer waits for its suggestions."""

SUGGESTIONS_QUIET_S = 0.5
"""How long after one suggestion the next may take."""

SUGGESTIONS_MOST = 3
"""Coze makes three; with the third the turn is over."""

OTHER = 7
"""The reply type under which a step of no known kind is written."""

_COUNT_DIGITS = 18
"""What is longer is no count of tokens; `int` itself refuses text of more than 4300 digits."""

_KINDS: dict[int, StepKind] = {CALL: "call", RESULT: "result", RECALL: "recall"}
_REPLY_TYPES: dict[StepKind, int] = {"call": CALL, "result": RESULT, "recall": RECALL, "other": OTHER}


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    """The other form of `content` that the front end's own types describe."""

    text: str
    suggest: list[str] = []


_WRAPPED = msgspec.json.Decoder(_Wrapped)


class AnswerDecoder:
    """Pushes of one turn → its events.

    `wants_suggestions` decides whether the turn waits for them.  Times are in seconds of any clock
    that does not go back.  After the event that ends the turn, `feed` gives nothing more.  It raises
    `UpstreamFailed` (`event_too_large`) for an answer that, with its steps, is above `STREAM_BYTES`.
    """

    def __init__(self, *, wants_suggestions: bool = False) -> None:
        self._wants_suggestions = wants_suggestions
        self._started = False
        self._over = False
        self._texts: dict[MessageId, str] = {}
        self._done: set[MessageId] = set()
        self._steps: dict[tuple[int, MessageId], Step] = {}
        self._told: dict[tuple[int, MessageId], Step] = {}
        self._size = 0
        self._closes_at: float | None = None
        self._last_at = 0.0
        self._suggestions = 0
        self.stale = 0
        """Pushes dropped because something newer stood there."""

    def feed(self, push: Push, now: float) -> list[Event]:
        """Take one push."""
        message = push.message
        if self._over or message is None or push.event_type != MESSAGE_EVENT or message.message_type == ACK:
            return []
        events: list[Event] = []
        if not self._started:
            self._started = True
            conversation_id = ConversationId(str(message.conversation_id or ""))
            events.append(TurnStarted(chat_id=ChatId(push.push_uuid), conversation_id=conversation_id))
        if message.content_type == SUGGESTIONS:
            events += self._suggestion(message, now)
        elif message.reply_type == ANSWER:
            events += self._answer(message, now)
        else:
            events += self._step(message)
        return events

    def deadline(self) -> float | None:
        """When `tick` must be called; None while nothing is waited for."""
        return None if self._over else self._closes_at

    def tick(self, now: float) -> list[Event]:
        """End a turn that has waited long enough for suggestions."""
        if self._over or self._closes_at is None or now < self._closes_at:
            return []
        return self._end()

    def finish(self) -> list[Event]:
        """No more pushes will come.  Raises `Truncated` unless the answer was finished."""
        if self._over:
            return []
        if self._closes_at is None:
            raise Truncated("The answer ended before it was complete.")
        return self._end()

    def _answer(self, message: PushMessage, now: float) -> list[Event]:
        is_last = str(message.ext.is_finish) == "1"
        message_id = MessageId(str(message.message_id or ""))
        if message_id in self._done:
            self.stale += 1
            return []
        events: list[Event] = [*self._flush_steps(), *self._text(message_id, message.content or "", is_last=is_last)]
        if not is_last:
            return events
        for each, text in self._texts.items():
            if each not in self._done:
                self._done.add(each)
                events.append(AnswerDone(message_id=each, text=text))
        if (usage := _usage(message.ext)) is not None:
            events.append(usage)
        if self._wants_suggestions and str(message.ext.has_suggest) == "1":
            self._last_at = now + SUGGESTIONS_S
            self._closes_at = self._last_at
            return events
        return events + self._end()

    def _text(self, message_id: MessageId, content: str, *, is_last: bool) -> list[Event]:
        new = _plain(content)
        if not is_last:
            # Half an emoji at the end of a snapshot: the next one has it whole.
            new = new.rstrip("\ufffd")
        old = self._texts.get(message_id)
        if old is None:
            self._keep_text(message_id, new)
            return [TextDelta(message_id=message_id, text=new)] if new else []
        if new.startswith(old):
            if len(new) == len(old):
                return []
            self._keep_text(message_id, new)
            return [TextDelta(message_id=message_id, text=new[len(old) :])]
        if old.startswith(new) and not (is_last and new):
            # Shorter and the same so far: it was overtaken.  Only the last snapshot is never that.
            self.stale += 1
            return []
        self._keep_text(message_id, new)
        return [TextReplaced(message_id=message_id, text=new)]

    def _keep_text(self, message_id: MessageId, new: str) -> None:
        self._grow(len(new) - len(self._texts.get(message_id, "")))
        self._texts[message_id] = new

    def _grow(self, characters: int) -> None:
        """Count what is kept here or was handed on; a step that is told anew counts again."""
        self._size += characters
        if self._size > STREAM_BYTES:
            raise UpstreamFailed(f"The answer is larger than {STREAM_BYTES} bytes.", code="event_too_large")

    def _step(self, message: PushMessage) -> list[Event]:
        key = (message.reply_type, MessageId(str(message.message_id or "")))
        before, told = self._steps.get(key), self._told.get(key)
        title, body = message.ext.plugin or "", message.content or ""
        if told is not None and told.title == title and told.body.startswith(body):
            self.stale += 1
            return []
        if before is not None and before.body.startswith(body) and before.body != body:
            self.stale += 1
            body = before.body
        step = Step(kind=_KINDS.get(message.reply_type, "other"), title=title, body=body)
        self._grow(_characters(step) - (_characters(before) if before is not None else 0))
        if str(message.ext.is_finish) == "1":
            self._steps.pop(key, None)
            self._told[key] = step
            return [step]
        self._steps[key] = step
        return []

    def _suggestion(self, message: PushMessage, now: float) -> list[Event]:
        content = message.content or ""
        wrapped = _wrapped(content)
        texts = wrapped.suggest or [wrapped.text] if wrapped else [content]
        events: list[Event] = [Suggestion(text=text) for text in texts if text]
        self._suggestions += len(events)
        if self._closes_at is None:
            return events
        if self._suggestions >= SUGGESTIONS_MOST:
            return events + self._end()
        self._closes_at = min(self._last_at, now + SUGGESTIONS_QUIET_S)
        return events

    def _flush_steps(self) -> list[Event]:
        """Steps that were never marked as finished: the answer that follows shows that they are."""
        steps = list(self._steps.values())
        self._told |= self._steps
        self._steps.clear()
        return [*steps]

    def _end(self) -> list[Event]:
        self._over = True
        return [*self._flush_steps(), TurnDone()]


class AnswerEncoder:
    """Events of one turn → pushes, as a server sends them.

    The last push of an answer says what follows it (usage, suggestions), so it is held until the
    next event shows that, and steps go before it.  A failure has no form on this wire: the pushes
    just stop.
    """

    def __init__(self, *, push_uuid: str) -> None:
        self._uuid = push_uuid
        self._conversation_id = ConversationId("")
        self._texts: dict[MessageId, str] = {}
        self._last: PushMessage | None = None
        self._steps = 0

    def feed(self, event: Event) -> list[Push]:  # noqa: C901 - one arm for each event
        """The pushes that one event makes."""
        match event:
            case TurnStarted():
                self._conversation_id = event.conversation_id
                return []
            case TextDelta():
                return self._snapshot(event.message_id, self._texts.get(event.message_id, "") + event.text)
            case TextReplaced():
                return self._snapshot(event.message_id, event.text)
            case AnswerDone():
                before = self._continued()
                self._last = self._message(ANSWER, event.text, event.message_id, is_finish="1")
                return before
            case Usage():
                if self._last is not None:
                    ext = self._last.ext
                    ext.token, ext.input_tokens, ext.output_tokens = (
                        str(event.total),
                        str(event.input),
                        str(event.output),
                    )
                return []
            case Suggestion():
                if self._last is not None:
                    self._last.ext.has_suggest = "1"
                return [*self._release(), self._suggestion(event.text)]
            case Step():
                return [self._step(event)]
            case TurnDone() | ToolCallsRequested() | InputRequested():
                return self._release()
            case TurnFailed():
                return self.fail(event.error)
            case ReasoningDelta() | AudioDelta() | Unknown():
                return []
            case _:
                assert_never(event)

    def finish(self) -> list[Push]:
        """What is still held."""
        return self._release()

    def fail(self, error: RealcozeError) -> list[Push]:  # noqa: ARG002 - the shape of every encoder
        """Nothing: this wire has no word for a failure, and a finished answer must not be faked."""
        self._last = None
        return []

    def _snapshot(self, message_id: MessageId, text: str) -> list[Push]:
        self._texts[message_id] = text
        return [*self._continued(), self._push(self._message(ANSWER, text, message_id, is_finish="0"))]

    def _step(self, step: Step) -> Push:
        self._steps += 1
        message = self._message(_REPLY_TYPES[step.kind], step.body, MessageId(f"step-{self._steps}"), is_finish="1")
        message.ext.plugin = step.title
        return self._push(message)

    def _suggestion(self, text: str) -> Push:
        message = self._message(SUGGEST, text, MessageId(""), is_finish="1")
        message.content_type = SUGGESTIONS
        return self._push(message)

    def _continued(self) -> list[Push]:
        """The held push, when another message follows: marked as the last it would end the turn."""
        if self._last is not None:
            self._last.ext.is_finish = "0"
        return self._release()

    def _release(self) -> list[Push]:
        last, self._last = self._last, None
        return [] if last is None else [self._push(last)]

    def _message(self, reply_type: int, content: str, message_id: MessageId, *, is_finish: str) -> PushMessage:
        return PushMessage(
            content=content,
            reply_type=reply_type,
            message_id=message_id,
            conversation_id=self._conversation_id,
            ext=Ext(push_uuid=self._uuid, is_finish=is_finish),
        )

    def _push(self, message: PushMessage) -> Push:
        return Push(event_type=MESSAGE_EVENT, message=message)


def _characters(step: Step) -> int:
    return len(step.title) + len(step.body)


def _plain(content: str) -> str:
    """The text of an answer: `content` itself, or the `text` of the wrapped form."""
    wrapped = _wrapped(content)
    return content if wrapped is None else wrapped.text


def _wrapped(content: str) -> _Wrapped | None:
    if not (content.startswith("{") and content.endswith("}")):
        return None
    try:
        return read_json(content.encode(errors="replace"), _WRAPPED)
    except NotJson:
        return None


def _usage(ext: Ext) -> Usage | None:
    counts = [_count(number) for number in (ext.input_tokens, ext.output_tokens, ext.token)]
    if not any(counts):
        return None
    sent, made, total = counts
    return Usage(input=sent, output=made, total=total or sent + made)


def _count(number: Number) -> int:
    text = str(number)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _COUNT_DIGITS else 0
