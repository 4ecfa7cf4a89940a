"""Server-sent events, both ways.

The rules are those of the WHATWG HTML standard, §9.2.6, with two additions that Coze's streams
need: a block with an `event` line and no `data` is dispatched, and at the end of input a block that
was never closed by an empty line is handed over with `complete=False`.  The dialect above decides
whether such a block is whole.  Invalid UTF-8 becomes U+FFFD, in data where it is taken for text.
"""

import re
from typing import NamedTuple

from realcoze.errors import UpstreamFailed
from realcoze.framing.limits import EVENT_BYTES

KEEPALIVE = b": keepalive\n\n"
"""A comment: says that the connection lives and means nothing else."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_PLAIN = re.compile(rb"event: ?(.*)\ndata: ?(.*)\n\n")
"""An event as nearly all are written; to look for it takes half of the time that lines take."""
_LF, _CR = b"\n\r"
_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event.  `event` is empty for the default type; `id` is the last one that the stream set.

    A tuple, as each token is one: a frozen dataclass takes four times as long to make (2026-11-22).  Its data
    are bytes, as the next who reads them has them cheapest: text costs a token of JSON twice its time.
    """

    event: str = ""
    data: bytes = b""
    id: str = ""
    complete: bool = True

    @property
    def text(self) -> str:
        """The data as text."""
        return self.data.decode(errors="replace")


class SseDecoder:
    """`feed` raises `UpstreamFailed` (`event_too_large`) as soon as one event exceeds its limit."""

    __slots__ = (
        "_data", "_event", "_held", "_id", "_is_first_line", "_max", "_size", "_skip_lf", "is_between_events",
    )  # fmt: skip

    def __init__(self, *, max_event_bytes: int = EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._held: list[bytes] = [b""]
        """The pieces of a line that has not ended; the first line has one from the beginning."""
        self._size = 0
        self._is_first_line = True
        self._skip_lf = False
        self._event = ""
        self._data: list[bytes] = []
        self._id = ""
        self.is_between_events = False
        """Nothing is held of a line or of an event, so that the next byte begins one."""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that end within `chunk`."""
        events: list[ServerSentEvent] = []
        start = 0
        if self._is_first_line:
            self._begin(chunk)
        if self.is_between_events and _CR not in chunk and len(chunk) <= self._max:
            while start < len(chunk) and (found := _PLAIN.match(chunk, start)):
                name, data = found.groups()
                start = found.end()
                events.append(ServerSentEvent(name.decode("utf-8", "replace"), data, self._id))
        if start < len(chunk):
            self._take_lines(chunk[start:], events)
        return events

    def finish(self) -> list[ServerSentEvent]:
        """The block that the end of input cut off, if it holds anything; marked as not complete."""
        if self._held and (line := self._whole_line(b"")):
            self._field(line)
        return [self._dispatch(complete=False)] if self._data or self._event else []

    def feed_one(self, chunk: bytes) -> ServerSentEvent | None:
        """The event that `chunk` is, where it is one and written as nearly all are; None is for `feed` to take."""
        if self._is_first_line:
            self._begin(chunk)
        block, end, more = chunk.partition(b"\n\n")
        if more or not end or not self.is_between_events or _CR in chunk or len(chunk) > self._max:
            return None
        first, _, second = block.partition(b"\n")
        name, data = first.removeprefix(b"event:"), second.removeprefix(b"data:")
        if len(name) == len(first) or len(data) == len(second) or _LF in data:
            return None
        return ServerSentEvent(name.removeprefix(b" ").decode("utf-8", "replace"), data.removeprefix(b" "), self._id)

    def _begin(self, chunk: bytes) -> None:
        """Where no byte order mark begins the stream, its first line is one as any other."""
        if chunk and not self._size and not chunk.startswith(_BOM[:1]):
            self._is_first_line = False
            self._held.clear()
            self.is_between_events = True

    def _take_lines(self, chunk: bytes, events: list[ServerSentEvent]) -> None:
        if self._skip_lf:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        lines = _LINE_END.split(chunk) if b"\r" in chunk else chunk.split(b"\n")
        rest = lines.pop()
        for piece in lines:
            self._size += len(piece)
            if self._size > self._max:
                raise self._too_large()
            line = self._whole_line(piece) if self._held else piece
            if line:
                self._field(line)
            elif self._data or self._event:
                events.append(self._dispatch(complete=True))
            else:
                self._size = 0
        self._skip_lf = self._skip_lf or chunk.endswith(b"\r")
        if rest:
            self._size += len(rest)
            if self._size > self._max:
                raise self._too_large()
            self._held.append(rest)
        self.is_between_events = not (self._size or self._is_first_line or self._skip_lf)

    def _too_large(self) -> UpstreamFailed:
        return UpstreamFailed(f"One event of the stream is larger than {self._max} bytes.", code="event_too_large")

    def _whole_line(self, last: bytes) -> bytes:
        line = b"".join([*self._held, last])
        self._held.clear()
        if self._is_first_line:
            self._is_first_line = False
            return line.removeprefix(_BOM)
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode(errors="replace")

    def _dispatch(self, *, complete: bool) -> ServerSentEvent:
        name, data = self._event, self._data
        self._event, self._data, self._size = "", [], 0
        return ServerSentEvent(name, data[0] if len(data) == 1 else b"\n".join(data), self._id, complete)
