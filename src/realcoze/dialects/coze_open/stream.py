"""The stream of one chat: server-sent events ↔ our events.

A stream is a success when `conversation.chat.completed` (or requires_action) came with no `error`
before it; the marker of the end only ends it, and what was said after an error counts for nothing.

The text of a message is what its `completed` says.  When that goes on from what the deltas made, the
rest is sent; when it is another text, it replaces theirs.  Coze's control messages never become text.

Source: docs/protocol/openapi-v3.md §6; docs/protocol/studio-web.md §5.3.
"""

import base64
import binascii
from collections import deque
from typing import Any, TypeVar

import msgspec

from realcoze.dialects.coze_open.chat import ids_of
from realcoze.dialects.coze_open.content import OBJECTS, Item
from realcoze.dialects.coze_open.failure import cancelled, refusal
from realcoze.dialects.coze_open.objects import Chat, Message, Number, Word, number_of, text_of
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    ReasoningDelta,
    Step,
    StepKind,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCall,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import RealcozeError, Truncated, UpstreamFailed
from realcoze.framing.limits import EVENT_BYTES, STREAM_BYTES
from realcoze.framing.sse import ServerSentEvent, SseDecoder

CREATED = "conversation.chat.created"
IN_PROGRESS = "conversation.chat.in_progress"
DELTA = "conversation.message.delta"
MESSAGE = "conversation.message.completed"
AUDIO = "conversation.audio.delta"
COMPLETED = "conversation.chat.completed"
FAILED = "conversation.chat.failed"
REQUIRES_ACTION = frozenset({"conversation.chat.requires_action", "conversation.chat.required_action"})
CANCELLED = frozenset({
    "conversation.chat.canceled", "conversation.chat.cancelled", "conversation.chat.expired",
    "conversation.chat.deleted",
})  # fmt: skip
ERROR = "error"
ENDS = frozenset({"done", "conversation.stream.done"})
SILENT = frozenset({"ping", "PING"})

FINISHED = "generate_answer_finish"
"""The verbose message behind the last answer; follow-ups and usage come after it."""

_STEPS: dict[str, StepKind] = {
    "function_call": "call",
    "tool_output": "result",
    "tool_response": "result",
    "knowledge": "recall",
}

T = TypeVar("T")


class _Verbose(msgspec.Struct):
    msg_type: Word = ""
    data: Word = ""


class _Called(msgspec.Struct):
    name: Word = ""
    arguments: Any = None


class _Call(msgspec.Struct):
    """A plugin's call: flat, or as Studio writes it with a `function`."""

    name: Word = ""
    plugin_name: Word = ""
    arguments: Any = None
    function: _Called | None = None


class _Result(msgspec.Struct):
    response_for_model: Word = None


class _Error(msgspec.Struct):
    code: Number = 0
    msg: Word = ""


_CHAT = msgspec.json.Decoder(Chat)
_MESSAGE = msgspec.json.Decoder(Message)
_ERROR = msgspec.json.Decoder(_Error)
_VERBOSE = msgspec.json.Decoder(_Verbose)
_CALL = msgspec.json.Decoder(_Call)
_RESULT = msgspec.json.Decoder(_Result)
_ITEMS = msgspec.json.Decoder(list[Item])
_ANYTHING = msgspec.json.Decoder()


class ChatStreamDecoder:
    """`feed` gives the events of one turn; `finish` raises `Truncated` when its end never came.

    Raises `UpstreamFailed` for a known event that cannot be read, or for too much of anything.
    `wants_rest` turns false when nothing that matters can come any more.
    """

    def __init__(self, *, max_event_bytes: int = EVENT_BYTES, max_answer_bytes: int = STREAM_BYTES) -> None:
        self._sse = SseDecoder(max_event_bytes=max_event_bytes)
        self._room = max_answer_bytes
        self._max = max_answer_bytes
        self._sent: dict[MessageId, list[str]] = {}
        self._thought: dict[MessageId, list[str]] = {}
        self._complete: set[MessageId] = set()
        self._called: deque[str] = deque()
        self._end: TurnDone | ToolCallsRequested | None = None
        self._is_over = False
        self.chat_id = ChatId("")
        self.conversation_id = ConversationId("")
        self.strays = 0
        """Events out of place so far: of another chat, or after their message or the turn was over."""

    @property
    def is_complete(self) -> bool:
        """The turn's end was seen; only the marker of the end, or sound, may still come."""
        return self._end is not None or self._is_over

    @property
    def wants_rest(self) -> bool:
        """More bytes can still mean something."""
        return not self._is_over

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that end within `chunk`."""
        if not chunk:
            return []
        self._room -= len(chunk)
        if self._room < 0:
            raise UpstreamFailed(f"The answer is larger than {self._max} bytes.", code="event_too_large")
        events: list[Event] = []
        for event in self._sse.feed(chunk):
            self._take(event, events)
        return events

    def finish(self) -> list[Event]:
        """What the end of input completes."""
        events: list[Event] = []
        for event in self._sse.finish():
            if event.event not in ENDS and not _is_whole(event.data):
                raise Truncated("The stream broke off within an event.")
            self._take(event, events)
        if self._is_over:
            return events
        if self._end is None:
            raise Truncated("The stream ended before the answer was complete.")
        self._is_over = True
        return [*events, self._end]

    def _take(self, event: ServerSentEvent, events: list[Event]) -> None:
        name = event.event
        if self._is_over:
            self.strays += 1
        elif name == DELTA:
            self._delta(_read(event, _MESSAGE), events)
        elif name == MESSAGE:
            self._message(_read(event, _MESSAGE), event, events)
        elif name in ENDS or (not name and event.data.strip('"') == "[DONE]"):
            self._marker(events)
        elif name == AUDIO:
            self._audio(_read(event, _MESSAGE), events)
        elif name == ERROR:
            self._fail(_error(event.data), events)
        elif name.startswith("conversation.chat."):
            self._chat(name, _read(event, _CHAT), event, events)
        elif name not in SILENT:
            events.append(Unknown(name=name[:100], raw=event.data[:2000]))

    def _chat(self, name: str, chat: Chat, event: ServerSentEvent, events: list[Event]) -> None:
        chat_id, conversation_id = ids_of(chat)
        if self._is_strange(chat_id):
            return
        if name in (CREATED, IN_PROGRESS):
            if not self.chat_id:
                self.chat_id, self.conversation_id = chat_id, conversation_id
                events.append(TurnStarted(chat_id=chat_id, conversation_id=conversation_id))
        elif name == FAILED or (name == COMPLETED and chat.status == "failed"):
            self._fail(_failure(chat), events)
        elif name in CANCELLED:
            self._fail(cancelled(name.rpartition(".")[2]), events)
        elif self._end is not None:
            self.strays += 1
        elif name == COMPLETED:
            self._end = TurnDone()
            events += _usage(chat)
        elif name in REQUIRES_ACTION:
            self._end = ToolCallsRequested(calls=_calls(chat))
            events += _usage(chat)
        else:
            events.append(Unknown(name=name[:100], raw=event.data[:2000]))

    def _delta(self, message: Message, events: list[Event]) -> None:
        message_id = MessageId(text_of(message.id))
        if self._is_strange(ChatId(text_of(message.chat_id))):
            return
        if message_id in self._complete or self._end is not None:
            self.strays += 1
            return
        if message.type not in (None, "", "answer"):
            return
        if message.reasoning_content:
            self._thought.setdefault(message_id, []).append(message.reasoning_content)
            events.append(ReasoningDelta(message_id=message_id, text=message.reasoning_content))
        if message.content and message.content_type in (None, "", "text"):
            self._sent.setdefault(message_id, []).append(message.content)
            events.append(TextDelta(message_id=message_id, text=message.content))

    def _message(self, message: Message, event: ServerSentEvent, events: list[Event]) -> None:
        message_id = MessageId(text_of(message.id))
        if self._is_strange(ChatId(text_of(message.chat_id))):
            return
        if self._end is not None or (message_id and message_id in self._complete):
            self.strays += 1
            return
        self._complete.add(message_id)
        kind, content = message.type or "answer", message.content or ""
        if kind == "answer":
            self._answer(message_id, message, events)
        elif kind == "follow_up":
            events.append(Suggestion(text=content))
        elif kind in _STEPS:
            events.append(self._step(_STEPS[kind], content))
        elif kind == "verbose":
            events += _verbose(content)
        elif kind != "question":
            events.append(Unknown(name=f"message.{kind[:90]}", raw=event.data[:2000]))

    def _answer(self, message_id: MessageId, message: Message, events: list[Event]) -> None:
        thought = "".join(self._thought.pop(message_id, ()))
        whole_thought = message.reasoning_content or ""
        if whole_thought.startswith(thought) and len(whole_thought) > len(thought):
            events.append(ReasoningDelta(message_id=message_id, text=whole_thought[len(thought) :]))
        if message.content_type == "card":
            events.append(Step(kind="other", title="card", body=message.content or ""))
            return
        if message.content_type == "audio":
            return
        sent = "".join(self._sent.pop(message_id, ()))
        whole = _text(message) or sent
        if not whole.startswith(sent):
            events.append(TextReplaced(message_id=message_id, text=whole))
        elif len(whole) > len(sent):
            events.append(TextDelta(message_id=message_id, text=whole[len(sent) :]))
        events.append(AnswerDone(message_id=message_id, text=whole))

    def _step(self, kind: StepKind, content: str) -> Step:
        """A result does not say of what: it is of the first call that has none."""
        if kind == "call":
            call = _call(content)
            self._called.append(call.title)
            return call
        if kind == "result":
            return Step(kind=kind, title=self._called.popleft() if self._called else "", body=_result(content))
        return Step(kind=kind, title="", body=content)

    def _audio(self, message: Message, events: list[Event]) -> None:
        if self._is_strange(ChatId(text_of(message.chat_id))):
            return
        try:
            sound = base64.b64decode(message.content or "", validate=True)
        except binascii.Error as error:
            raise UpstreamFailed("A piece of sound is no base64.", code="upstream_protocol") from error
        events.append(AudioDelta(audio=sound, format="pcm"))

    def _marker(self, events: list[Event]) -> None:
        """The end of the stream; without the turn's end before it, it means nothing yet."""
        if self._end is None:
            self.strays += 1
        else:
            self._is_over = True
            events.append(self._end)

    def _fail(self, error: RealcozeError, events: list[Event]) -> None:
        self._is_over = True
        events.append(TurnFailed(error=error))

    def _is_strange(self, chat_id: ChatId) -> bool:
        """It belongs to another chat."""
        if chat_id and self.chat_id and chat_id != self.chat_id:
            self.strays += 1
            return True
        return False


def _read(event: ServerSentEvent, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return read_json(event.data.encode(errors="replace"), decoder)
    except NotJson as error:
        raise UpstreamFailed(f"An event {event.event} cannot be read: {error}.", code="upstream_protocol") from error


def _is_whole(data: str) -> bool:
    """One whole JSON value, or the unquoted marker of the end."""
    return data == "[DONE]" or _tried(data, _ANYTHING) is not None or data == "null"


def _tried(text: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    """What a text holds if it is JSON of that shape."""
    try:
        return read_json(text.encode(errors="replace"), decoder)
    except NotJson:
        return None


def _error(data: str) -> RealcozeError:
    found = _tried(data, _ERROR)
    if found is None:
        return UpstreamFailed(f"Coze reported an error: {data[:300]}")
    code = number_of(found.code)
    return (
        refusal(code, found.msg or "") if code else UpstreamFailed(f"Coze reported an error: {found.msg or data[:300]}")
    )


def _failure(chat: Chat) -> RealcozeError:
    last = chat.last_error
    code = number_of(last.code) if last else 0
    text = (last.msg if last else "") or chat.msg or ""
    code = code or number_of(chat.code)
    return refusal(code, text) if code else UpstreamFailed(f"Coze says that the chat failed. {text[:300]}".strip())


def _usage(chat: Chat) -> list[Event]:
    if chat.usage is None:
        return []
    input_, output = number_of(chat.usage.input_count), number_of(chat.usage.output_count)
    total = number_of(chat.usage.token_count) or input_ + output
    return [Usage(input=input_, output=output, total=total)] if total else []


def _calls(chat: Chat) -> tuple[ToolCall, ...]:
    action = chat.required_action
    outputs = action.submit_tool_outputs if action else None
    return tuple(
        ToolCall(
            call_id=call.id,
            name=(call.function.name if call.function else "") or "",
            arguments=(call.function.arguments if call.function else "") or "",
        )
        for call in (outputs.tool_calls if outputs else None) or ()
    )


def _call(content: str) -> Step:
    call = _tried(content, _CALL)
    if call is None:
        return Step(kind="call", title="", body=content)
    name = call.name or (call.function.name if call.function else "") or call.plugin_name or ""
    arguments = call.function.arguments if call.function else call.arguments
    body = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return Step(kind="call", title=name, body=content if arguments is None else body)


def _result(content: str) -> str:
    """What the bot's model was shown; a plugin may wrap it."""
    result = _tried(content, _RESULT)
    return (result.response_for_model if result else None) or content


def _verbose(content: str) -> list[Event]:
    """A control message; only what it tells of knowledge is for people."""
    verbose = _tried(content, _VERBOSE)
    if verbose is None:
        return [Unknown(name="verbose", raw=content[:2000])]
    if verbose.msg_type == "knowledge_recall":
        return [Step(kind="recall", title="", body=verbose.data or "")]
    if verbose.msg_type == FINISHED:
        return []
    return [Unknown(name=f"verbose.{(verbose.msg_type or '')[:80]}", raw=content[:2000])]


def _text(message: Message) -> str:
    """An answer as text; one of several parts with its pictures and files as Markdown links."""
    content = message.content or ""
    if message.content_type != OBJECTS:
        return content
    items = _tried(content, _ITEMS)
    if items is None:
        return content
    return "\n\n".join(filter(None, map(_link, items)))


def _link(item: Item) -> str:
    if item.type == "text" or not item.file_url:
        return item.text or ""
    return f"![]({item.file_url})" if item.type == "image" else f"[{item.type}]({item.file_url})"
