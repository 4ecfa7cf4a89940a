"""Server-sent events, both ways.

The rules are those of the WHATWG HTML standard, §9.2.6, with two additions that Coze's streams
need: a block with an `event` line and no `data` is dispatched, and at the end of input a block that
was never closed by an empty line is handed over with `complete=False`.  The dialect above decides
whether such a block is whole.  Invalid UTF-8 becomes U+FFFD.
"""

import re
from dataclasses import dataclass

from realcoze.errors import UpstreamFailed
from realcoze.framing.limits import EVENT_BYTES

KEEPALIVE = b": keepalive\n\n"
"""A comment: says that the connection lives and means nothing else."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BREAKS = re.compile(r"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSentEvent:
    """One event.  `event` is empty for the default type; `id` is the last one that the stream set."""

    event: str = ""
    data: str = ""
    id: str = ""
    complete: bool = True


def encode_event(data: str, *, event: str = "") -> bytes:
    """The bytes of one event; each line of `data` gets a line of its own."""
    name = f"event: {event}\n" if event else ""
    lines = "".join(f"data: {line}\n" for line in _BREAKS.split(data))
    return f"{name}{lines}\n".encode()


class SseDecoder:
    """`feed` raises `UpstreamFailed` (`event_too_large`) as soon as one event exceeds its limit."""

    def __init__(self, *, max_event_bytes: int = EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._line: list[bytes] = []
        self._size = 0
        self._first_line = True
        self._skip_lf = False
        self._event = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that end within `chunk`."""
        if self._skip_lf and chunk:
            self._skip_lf = False
            chunk = chunk.removeprefix(b"\n")
        events: list[ServerSentEvent] = []
        *lines, rest = _LINE_END.split(chunk) if b"\r" in chunk else chunk.split(b"\n")
        for piece in lines:
            self._grow(piece)
            if line := self._take_line():
                self._field(line)
            else:
                events += self._dispatch(complete=True)
        self._skip_lf = self._skip_lf or chunk.endswith(b"\r")
        self._grow(rest)
        return events

    def finish(self) -> list[ServerSentEvent]:
        """The block that the end of input cut off, if it holds anything; marked as not complete."""
        if line := self._take_line():
            self._field(line)
        return self._dispatch(complete=False)

    def _grow(self, piece: bytes) -> None:
        if not piece:
            return
        self._line.append(piece)
        self._size += len(piece)
        if self._size > self._max:
            raise UpstreamFailed(f"One event of the stream is larger than {self._max} bytes.", code="event_too_large")

    def _take_line(self) -> bytes:
        line = b"".join(self._line)
        self._line.clear()
        if self._first_line:
            self._first_line = False
            return line.removeprefix(_BOM)
        return line

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode(errors="replace")
        if name == b"data":
            self._data.append(text)
        elif name == b"event":
            self._event = text
        elif name == b"id" and "\0" not in text:
            self._id = text

    def _dispatch(self, *, complete: bool) -> list[ServerSentEvent]:
        name, data = self._event, self._data
        self._event, self._data, self._size = "", [], 0
        if not data and not name:
            return []
        return [ServerSentEvent(event=name, data="\n".join(data), id=self._id, complete=complete)]
