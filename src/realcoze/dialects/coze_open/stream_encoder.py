"""Our events → the stream of one chat, as a server sends it.

What SDKs read is written as they want it: one `data` line an event, no comments, a newline at the
end, and the characters at which some of them break lines only as escapes.

Source: docs/protocol/openapi-v3.md §6, §16; docs/protocol/studio-web.md §5.3.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, assert_never

import msgspec

from realcoze.dialects.coze_open.ending import REPLY_MESSAGE
from realcoze.dialects.coze_open.objects import (
    Chat,
    Function,
    LastError,
    Message,
    RequiredAction,
    SubmitToolOutputs,
    WireToolCall,
    WireUsage,
)
from realcoze.dialects.coze_open.steps import FINISHED
from realcoze.dialects.coze_open.stream import (
    AUDIO,
    COMPLETED,
    CREATED,
    ERROR,
    FAILED,
    IN_PROGRESS,
    MESSAGE,
)
from realcoze.dialects.coze_open.template import DELTA
from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
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
from realcoze.domain.ids import MessageId
from realcoze.domain.tool import ToolCall
from realcoze.errors import RealcozeError, Truncated

_REQUIRES_ACTION = "conversation.chat.requires_action"
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_BREAKS = re.compile(r"\r\n|\r|\n")
_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
_NOTED = ("bot_state", "time_cost", "token", "input_tokens", "output_tokens")
"""What Studio writes of its own into `meta_data`."""

_TYPES: dict[StepKind, str] = {"call": "function_call", "result": "tool_response", "recall": "knowledge"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatIds:
    """What a chat's objects are called; `created_at` in Unix seconds.

    One of a chatflow has no bot, and an address where its owner may look at the run.
    """

    chat_id: str
    conversation_id: str
    bot_id: str
    section_id: str
    created_at: int
    debug_url: str = ""


class ChatStreamEncoder:
    """`next_ids` gives the ids of messages that have none of their own.

    `chat` and `messages` are what retrieve and the list of messages show of the turn so far.
    """

    end: ClassVar[bytes] = b'event:done\ndata:"[DONE]"\n\n'

    def __init__(self, ids: ChatIds, next_ids: Iterator[str]) -> None:
        self._ids = ids
        self._next_ids = next_ids
        self._thoughts: dict[MessageId, list[str]] = {}
        self._has_finished_answers = False
        self._has_answer = False
        self.chat = self._new_chat()
        self.messages: list[Message] = []

    def feed(self, event: Event) -> bytes:  # noqa: C901 - one case an event
        """The bytes of one event; empty for what the wire has no word for."""
        match event:
            case TurnStarted():
                return self._chat(CREATED, "created") + self._chat(IN_PROGRESS, "in_progress")
            case TextDelta() | ReasoningDelta():
                return self._delta(event)
            case AnswerDone():
                return self._answer(event)
            case Step():
                return self._step(event)
            case Suggestion():
                return self._finish_answers() + self._whole("follow_up", event.text)
            case AudioDelta():
                sound = base64.b64encode(event.audio).decode()
                return self._line(AUDIO, self._message("answer", sound, content_type="audio"))
            case Usage():
                self.chat.usage = WireUsage(event.total, event.output, event.input)
                return b""
            case TurnDone():
                return self._finish_answers() + self._chat(COMPLETED, "completed") + self._end()
            case ToolCallsRequested():
                return self._require([_tool_call(call) for call in event.calls])
            case TurnFailed():
                return self.fail(event.error)
            case Unknown():
                return _as_it_came(event)
            case InputRequested():
                return self._ask(event.interrupt)
            case TextReplaced():
                return b""
            case _:
                assert_never(event)

    def finish(self) -> bytes:
        """Nothing is ever held back.  Raises `Truncated` for a turn that has not ended."""
        if self.chat.status in ("created", "in_progress"):
            raise Truncated("The turn has not ended.")
        return b""

    def fail(self, error: RealcozeError) -> bytes:
        """A chat that failed; nothing comes after it, as recorded."""
        self.chat.last_error = LastError(error.upstream_code or 5000, error.message)
        self.chat.failed_at = self._ids.created_at
        return self._chat(FAILED, "failed")

    def _end(self) -> bytes:
        return self.end

    def _line(self, name: str, data: object) -> bytes:
        return encode_line(name, data)

    def _new_chat(self) -> Chat:
        return Chat(
            id=self._ids.chat_id,
            conversation_id=self._ids.conversation_id,
            bot_id=self._ids.bot_id or None,
            created_at=self._ids.created_at,
            last_error=LastError(0, ""),
            usage=WireUsage(0, 0, 0),
            section_id=self._ids.section_id,
            status="created",
        )

    def _chat(self, name: str, status: str) -> bytes:
        self.chat.status = status
        if name == COMPLETED:
            self.chat.completed_at = self._ids.created_at
        return self._line(name, self.chat)

    def _message(self, kind: str, content: str, *, id: str = "", content_type: str = "text") -> Message:  # noqa: A002 - the wire's word
        return Message(
            id=id or next(self._next_ids),
            conversation_id=self._ids.conversation_id,
            bot_id=self._ids.bot_id or None,
            chat_id=self._ids.chat_id,
            role="assistant",
            type=kind,
            content=content,
            content_type=content_type,
            section_id=self._ids.section_id,
        )

    def _whole(self, kind: str, content: str) -> bytes:
        return self._keep(self._message(kind, content))

    def _keep(self, message: Message) -> bytes:
        message.created_at = message.updated_at = self._ids.created_at
        self.messages.append(message)
        return self._line(MESSAGE, message)

    def _delta(self, event: TextDelta | ReasoningDelta) -> bytes:
        if isinstance(event, TextDelta):
            return self._line(DELTA, self._message("answer", event.text, id=event.message_id))
        self._thoughts.setdefault(event.message_id, []).append(event.text)
        message = self._message("answer", "", id=event.message_id)
        message.reasoning_content = event.text
        return self._line(DELTA, message)

    def _answer(self, event: AnswerDone) -> bytes:
        self._has_answer = True
        message = self._message("answer", event.text, id=event.message_id)
        message.reasoning_content = "".join(self._thoughts.pop(event.message_id, ())) or None
        return self._keep(message)

    def _step(self, event: Step) -> bytes:
        if event.kind == "other":
            return self._whole("verbose", _verbose("other", event.body))
        return self._whole(_TYPES[event.kind], self._call(event) if event.kind == "call" else event.body)

    def _call(self, event: Step) -> str:
        arguments = read_if_json(event.body, _OBJECT)
        called = {"name": event.title, "arguments": event.body if arguments is None else arguments}
        return msgspec.json.encode({**called, "plugin_id": 7281192623887548473}).decode()

    def _finish_answers(self) -> bytes:
        if self._has_finished_answers or not self._has_answer:
            return b""
        self._has_finished_answers = True
        return self._whole("verbose", self._finished())

    def _finished(self) -> str:
        return _verbose(FINISHED, '{"finish_reason":0,"FinData":""}')

    def _ask(self, interrupt: Interrupt) -> bytes:
        """A question; its words came before as a message.  Only one that is answered like a tool has a call."""
        if interrupt.kind != REPLY_MESSAGE:
            return self._chat(_REQUIRES_ACTION, "requires_action") + self._end()
        return self._require([WireToolCall(interrupt.event_id, REPLY_MESSAGE, None)])

    def _require(self, calls: list[WireToolCall]) -> bytes:
        self.chat.required_action = RequiredAction("submit_tool_outputs", SubmitToolOutputs(calls))
        return self._chat(_REQUIRES_ACTION, "requires_action") + self._end()


class StudioStreamEncoder(ChatStreamEncoder):
    """As Coze Studio writes it: no usage, last_error or updated_at in the stream, and an end of its own."""

    end: ClassVar[bytes] = b"event:conversation.stream.done\ndata:\n\n"

    def fail(self, error: RealcozeError) -> bytes:
        """An error while generating; the rest of the stream comes all the same, and only retrieve knows better."""
        failure = self._line(ERROR, {"code": error.upstream_code or 103200002, "msg": error.message})
        rest = self._chat(COMPLETED, "completed") + self._end()
        self.chat.status = "failed"
        return failure + rest

    def _new_chat(self) -> Chat:
        chat = super()._new_chat()
        chat.last_error = chat.usage = None
        chat.completed_at = chat.failed_at = 0
        return chat

    def _chat(self, name: str, status: str) -> bytes:
        usage, self.chat.usage = self.chat.usage, None
        try:
            return super()._chat(name, status)
        finally:
            self.chat.usage = usage

    def _message(self, kind: str, content: str, *, id: str = "", content_type: str = "text") -> Message:  # noqa: A002 - the wire's word
        message = super()._message(kind, content, id=id, content_type=content_type)
        message.created_at = self._ids.created_at
        message.meta_data = dict.fromkeys(_NOTED, "")
        return message

    def _keep(self, message: Message) -> bytes:
        self.messages.append(message)
        return self._line(MESSAGE, message)

    def _call(self, event: Step) -> str:
        called = {"id": "call_1", "type": "function", "function": {"name": event.title, "arguments": event.body}}
        return msgspec.json.encode(called).decode()

    def _finished(self) -> str:
        data = {"msg_type": FINISHED, "data": '{"finish_reason":0,"fin_data":""}', "from_unit": ""}
        return msgspec.json.encode(data).decode()


def encode_line(name: str, data: object) -> bytes:
    """One event, without a space after its colons."""
    return f"event:{name}\ndata:{_json(data)}\n\n".encode()


def encode_spaced(name: str, data: object) -> bytes:
    """One event, with a space after its colons, as workflows have it."""
    return f"event: {name}\ndata: {_json(data)}\n\n".encode()


def _json(data: object) -> str:
    return msgspec.json.encode(data).decode().translate(_LINE_BREAKS)


def _tool_call(call: ToolCall) -> WireToolCall:
    return WireToolCall(call.call_id, "function", Function(call.name, call.arguments))


def _verbose(kind: str, data: str) -> str:
    return msgspec.json.encode({"msg_type": kind, "data": data, "from_module": None, "from_unit": None}).decode()


def _as_it_came(event: Unknown) -> bytes:
    data = "".join(f"data:{_value(line)}\n" for line in _BREAKS.split(event.raw))
    return f"event:{_value(_BREAKS.sub(' ', event.name))}\n{data}\n".encode()


def _value(text: str) -> str:
    """A reader takes one space away."""
    return f" {text}" if text.startswith(" ") else text
