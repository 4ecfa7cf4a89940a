"""An answer as server-sent events, block by block.

    message_start (content_block_start content_block_delta* content_block_stop)* message_delta message_stop

`ping` may stand anywhere, and `error` ends a stream that is not whole: without `message_stop`, and
without the stop of a block that was cut, since some clients take a block that stopped for a whole one.

Source: the streams that anthropic 2.12.0 reads (`_streaming.py`, `lib/streaming`); docs/anthropic-api.md.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from realcoze.dialects.anthropic_messages.failure import encode_error
from realcoze.dialects.anthropic_messages.reply import (
    Block,
    MessageBody,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    UsageBody,
    input_of,
    message_id_of,
    usage_body,
)
from realcoze.dialects.deltas import WritesShortcut, deltas_of, write_deltas
from realcoze.dialects.json_text import on_one_line
from realcoze.domain import event as ev
from realcoze.domain.event import Event, Piece, Usage
from realcoze.domain.growing import GrowingText
from realcoze.domain.ids import RequestId
from realcoze.domain.request import Request
from realcoze.domain.shortcut import Shortcut
from realcoze.domain.tool import ToolCall
from realcoze.errors import ContentRefused, RealcozeError

_DELTAS = {
    TextBlock: ("text_delta", "text"),
    ThinkingBlock: ("thinking_delta", "thinking"),
    ToolUseBlock: ("input_json_delta", "partial_json"),
}
"""The type of a block's deltas, and where their text stands."""

_AFTER = b"}}\n\n"
"""What stands behind it."""

_json = msgspec.json.Encoder().encode


class _Event(msgspec.Struct, tag_field="type"):
    """The base of events but deltas, which are written by hand."""


class _MessageStart(_Event, tag="message_start"):
    message: MessageBody


class _BlockStart(_Event, tag="content_block_start"):
    index: int
    content_block: Block


class _BlockStop(_Event, tag="content_block_stop"):
    index: int


class _Ending(msgspec.Struct):
    stop_reason: str
    stop_sequence: None = None


class _MessageDelta(_Event, tag="message_delta"):
    """The usage must be there: the official SDK's helper breaks without it."""

    delta: _Ending
    usage: UsageBody


class _MessageStop(_Event, tag="message_stop"):
    pass


class _Ping(_Event, tag="ping"):
    pass


class _TextDelta(msgspec.Struct, tag_field="type", tag="text_delta"):
    text: str


class _ThinkingDelta(msgspec.Struct, tag_field="type", tag="thinking_delta"):
    thinking: str


class _InputDelta(msgspec.Struct, tag_field="type", tag="input_json_delta"):
    partial_json: str


class _BlockDelta(_Event, tag="content_block_delta"):
    """For who describes this API: `MessageEncoder` writes it by hand."""

    index: int
    delta: _TextDelta | _ThinkingDelta | _InputDelta


EVENTS = (_MessageStart, _BlockStart, _BlockDelta, _BlockStop, _MessageDelta, _MessageStop, _Ping)
"""What the data of a streamed event is, an error's apart, for who describes this API."""


class MessageEncoder(WritesShortcut):
    """Events → the events of the message that answers `request`."""

    content_type = "text/event-stream; charset=utf-8"
    keepalive = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, request: Request, *, request_id: RequestId) -> None:
        self._model = request.bot
        self._has_thinking = request.wants.reasoning
        self._request_id = request_id
        self._usage: Usage | None = None
        self._text = GrowingText()
        self._is_begun = False
        self._has_said = False
        self._index = -1
        self._open: type[Block] | None = None
        self._before_delta = b""
        self.is_closed = False
        """The event that ends the stream was written."""
        self.has_failed = False
        """That event is an error: the stream must not look complete."""

    def feed(self, event: Event) -> bytes:
        """The bytes of one event; nothing for what the dialect has no word for."""
        if self.is_closed:
            return b""
        try:
            said = self._say(self._text.feed(event))
        except RealcozeError as error:
            return self._fail(error)
        match event:
            case ev.TextDelta():
                return said
            case ev.TurnStarted():
                return self._begin()
            case ev.ReasoningDelta():
                return self._think(event.text)
            case ev.Usage():
                self._usage = event
            case ev.TurnDone() | ev.InputRequested():
                return said + self._end("end_turn")
            case ev.ToolCallsRequested():
                return said + b"".join(map(self._call, event.calls)) + self._end("tool_use")
            case ev.TurnFailed():
                return self._fail(event.error)
        return said

    def shortcut(self, like: Piece, write: Callable[[bytes], None]) -> Shortcut | None:
        """See `WritesShortcut`."""
        is_thought = isinstance(like, ev.ReasoningDelta)
        if self.is_closed or self._open is not (ThinkingBlock if is_thought else TextBlock):
            return None
        take = partial(write_deltas, write, self._before_delta, _AFTER)
        if is_thought:
            return Shortcut(take)
        return Shortcut(take, (self._text.feed,)) if self._text.has_level(like.message_id) else None

    def _begin(self) -> bytes:
        """The start of the message, once."""
        if self._is_begun:
            return b""
        self._is_begun = True
        return _framed(_MessageStart(MessageBody(id=message_id_of(self._request_id), model=self._model)))

    def _say(self, text: str) -> bytes:
        if not text:
            return b""
        self._has_said = True
        if self._open is TextBlock:
            return self._deltas(text)
        return self._block(TextBlock("")) + self._deltas(text)

    def _think(self, text: str) -> bytes:
        if not (text and self._has_thinking):
            return b""
        start = b"" if self._open is ThinkingBlock else self._block(ThinkingBlock(""))
        return start + self._deltas(text)

    def _call(self, call: ToolCall) -> bytes:
        """A tool in a block of its own; its input, an object, comes as text."""
        start = self._block(ToolUseBlock(call.call_id, call.name, {}))
        return start + self._deltas(_json(input_of(call)).decode())

    def _block(self, block: Block) -> bytes:
        """Stop the block that is open and start another."""
        before = self._begin() + self._stop()
        self._index += 1
        self._open = type(block)
        kind, name = _DELTAS[self._open]
        self._before_delta = (
            f'event: content_block_delta\ndata: {{"type":"content_block_delta","index":{self._index},'
            f'"delta":{{"type":"{kind}","{name}":'
        ).encode()
        return before + _framed(_BlockStart(self._index, block))

    def _deltas(self, text: str) -> bytes:
        """More of the block that is open."""
        return deltas_of(self._before_delta, _AFTER, text)

    def _stop(self) -> bytes:
        if self._open is None:
            return b""
        self._open = None
        return _framed(_BlockStop(self._index))

    def _end(self, reason: str) -> bytes:
        ending = _MessageDelta(_Ending(reason), usage_body(self._usage))
        said = self._begin() + self._stop() + _framed(ending) + _framed(_MessageStop())
        self.is_closed = True
        return said

    def _fail(self, error: RealcozeError) -> bytes:
        """An error; but an answer that Coze's content rules cut off is one that was refused."""
        if isinstance(error, ContentRefused) and self._has_said:
            return self._end("refusal")
        said = b"event: error\ndata: %b\n\n" % on_one_line(encode_error(error, self._request_id))
        self.is_closed = self.has_failed = True
        return said


def _framed(event: _Event) -> bytes:
    name = event.__struct_config__.tag
    return b"event: %b\ndata: %b\n\n" % (str(name).encode(), on_one_line(_json(event)))
