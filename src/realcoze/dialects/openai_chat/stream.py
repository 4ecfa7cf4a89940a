"""A streamed chat completion: `data` lines, and nothing else but comments.

One id, created and model; the role in the first delta alone; exactly one finish_reason; usage in a chunk
without choices, where it was asked for; `[DONE]`.  A turn that fails ends with an error instead of all
these: the stream must not look complete.

Source: OpenAI's published API; docs/openai-api.md.
"""

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from realcoze.dialects.deltas import DELTA_CHARACTERS, WritesShortcut, deltas_of, write_deltas
from realcoze.dialects.json_text import on_one_line
from realcoze.dialects.openai_chat.reply import CozeBody, FinishReason, step_body, tool_call_body
from realcoze.dialects.openai_chat.request import Asked
from realcoze.dialects.openai_wire import (
    DONE,
    STREAM,
    UsageBody,
    answer_id,
    data_line,
    encode_error,
    usage_body,
)
from realcoze.domain import event as ev
from realcoze.domain.event import Event, Piece
from realcoze.domain.growing import GrowingText
from realcoze.domain.ids import RequestId
from realcoze.domain.shortcut import Shortcut
from realcoze.domain.tool import ToolCall
from realcoze.errors import ContentRefused, RealcozeError, UpstreamFailed
from realcoze.framing.sse import KEEPALIVE

_TEXTS = frozenset({ev.TextDelta, ev.TextReplaced, ev.AnswerDone})

_AFTER = b'},"finish_reason":null}]}\n\n'

_encode = msgspec.json.Encoder().encode


class _FunctionPiece(msgspec.Struct, omit_defaults=True):
    arguments: str
    name: str = ""


class _CallPiece(msgspec.Struct, omit_defaults=True):
    """A piece of the call of that index; its id, type and name stand in the first one."""

    index: int
    function: _FunctionPiece
    id: str = ""
    type: str = ""


class _Delta(msgspec.Struct):
    """Those of a text are written by hand, `role` in the first one."""

    tool_calls: list[_CallPiece] | msgspec.UnsetType = msgspec.UNSET
    role: str | msgspec.UnsetType = msgspec.UNSET
    content: str | msgspec.UnsetType = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class _Choice(msgspec.Struct):
    index: int
    delta: _Delta
    finish_reason: FinishReason | None


class _Chunk(msgspec.Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: UsageBody | msgspec.UnsetType = msgspec.UNSET
    x_coze: CozeBody | msgspec.UnsetType = msgspec.UNSET


CHUNK = _Chunk
"""What the data of a streamed event is, for who describes this API."""


class ChunkEncoder(WritesShortcut):
    """Events → chunks.  `created` in seconds since 1970.

    A text delta is three pieces of bytes, of which the middle one alone is made for it.
    """

    content_type = STREAM
    keepalive = KEEPALIVE

    __slots__ = (
        "_asked", "_coze", "_first", "_follow_ups", "_has_begun", "_head", "_reasoning_before", "_steps", "_text",
        "_text_before", "_usage", "has_failed", "is_closed",
    )  # fmt: skip

    def __init__(self, asked: Asked, request_id: RequestId, *, created: int) -> None:
        self._asked = asked
        self._head = (answer_id(request_id), "chat.completion.chunk", created, asked.model)
        before = _encode(_Chunk(*self._head, [])).removesuffix(b"[]}")
        before = on_one_line(b'data: %b[{"index":0,"delta":{' % before)
        self._first = b'%b"role":"assistant","content":""%b' % (before, _AFTER)
        self._text_before = b'%b"content":' % before
        self._reasoning_before = b'%b"reasoning_content":' % before
        self._text = GrowingText()
        self._usage: UsageBody | None = None
        self._coze = CozeBody()
        self._follow_ups: list[str] = []
        self._steps: list[ev.Step] = []
        self._has_begun = False
        self.is_closed = False
        """What ends the stream was written."""
        self.has_failed = False
        """That is an error: the stream must not look complete."""

    def feed(self, event: Event) -> bytes:
        """The chunks of one event, which may be none; nothing after the end."""
        if self.is_closed:
            return b""
        try:
            text = self._text.feed(event)
        except UpstreamFailed as error:
            return self._fail(error)
        said = self._said(self._text_before, text) if text else b""
        return said if type(event) in _TEXTS else said + self._beside_text(event)

    def shortcut(self, like: Piece, write: Callable[[bytes], None]) -> Shortcut | None:
        """See `WritesShortcut`."""
        if self.is_closed or not self._has_begun:
            return None
        if isinstance(like, ev.ReasoningDelta):
            return Shortcut(partial(write_deltas, write, self._reasoning_before, _AFTER))
        if not self._text.has_level(like.message_id):
            return None
        return Shortcut(partial(write_deltas, write, self._text_before, _AFTER), (self._text.feed,))

    def _beside_text(self, event: Event) -> bytes:
        match event:
            case ev.TurnStarted():
                self._coze.conversation_id, self._coze.chat_id = event.conversation_id, event.chat_id
                return self._begun()
            case ev.ReasoningDelta():
                return self._said(self._reasoning_before, event.text) if event.text else b""
            case ev.Usage():
                self._usage = usage_body(event)
            case ev.Suggestion():
                self._follow_ups.append(event.text)
            case ev.Step():
                self._steps.append(event)
            case ev.ToolCallsRequested():
                return self._tool_calls(event) + self._end("tool_calls")
            case ev.TurnDone() | ev.InputRequested():
                return self._end("stop")
            case ev.TurnFailed():
                was_cut = isinstance(event.error, ContentRefused) and self._text.has_begun
                return self._end("content_filter") if was_cut else self._fail(event.error)
        return b""

    def _said(self, before: bytes, text: str) -> bytes:
        """Deltas of one kind of text, after the first delta if there was none."""
        return self._begun() + deltas_of(before, _AFTER, text)

    def _begun(self) -> bytes:
        """The first delta, once."""
        if self._has_begun:
            return b""
        self._has_begun = True
        return self._first

    def _tool_calls(self, event: ev.ToolCallsRequested) -> bytes:
        deltas = (delta for index, call in enumerate(event.calls) for delta in _deltas_of(call, index))
        return self._begun() + b"".join(self._chunk([_Choice(0, delta, None)]) for delta in deltas)

    def _end(self, finish_reason: FinishReason) -> bytes:
        extras: CozeBody | msgspec.UnsetType = msgspec.UNSET
        if self._asked.has_extras:
            extras = self._coze
            if self._asked.has_follow_ups:
                extras.follow_ups = self._follow_ups
            if self._asked.has_steps:
                extras.steps = [step_body(step) for step in self._steps]
        last = self._chunk([_Choice(0, _Delta(), finish_reason)], x_coze=extras)
        usage = self._chunk([], usage=self._usage) if self._asked.has_usage and self._usage else b""
        self.is_closed = True
        return self._begun() + last + usage + DONE

    def _fail(self, error: RealcozeError) -> bytes:
        said = data_line(on_one_line(encode_error(error)))
        self.is_closed = self.has_failed = True
        return said

    def _chunk(
        self,
        choices: list[_Choice],
        *,
        usage: UsageBody | msgspec.UnsetType = msgspec.UNSET,
        x_coze: CozeBody | msgspec.UnsetType = msgspec.UNSET,
    ) -> bytes:
        return data_line(on_one_line(_encode(_Chunk(*self._head, choices, usage, x_coze))))


def _deltas_of(call: ToolCall, index: int) -> Iterator[_Delta]:
    """The first has the call's name and id, the others the rest of arguments that are long."""
    body = tool_call_body(call)
    room = max(0, DELTA_CHARACTERS - len(call.call_id) - len(call.name))
    begun = _FunctionPiece(call.arguments[:room], call.name)
    yield _Delta([_CallPiece(index, begun, body.id, body.type)])
    for start in range(room, len(call.arguments), DELTA_CHARACTERS):
        more = _FunctionPiece(call.arguments[start : start + DELTA_CHARACTERS])
        yield _Delta([_CallPiece(index, more)])
