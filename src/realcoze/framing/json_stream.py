"""JSON objects one after another, with or without white space between them.

That is what the Node program streamed (docs/protocol/playground-2024.md §9) and what NDJSON is.
The decoder finds where each object ends, whatever braces its strings hold and wherever the bytes
were cut (weakness 23 of the same page); it does not parse them.
"""

import re

from realcoze.errors import Truncated, UpstreamFailed
from realcoze.framing.limits import EVENT_BYTES

_MARK = re.compile(rb'["\\{}]')
_SOLID = re.compile(rb"[^ \t\r\n]")


def escape_braces(text: bytes) -> bytes:
    r"""Write `}` inside the strings of one flat JSON object as `\u007d`; the last byte closes it.

    The reader of the Node program's page splits at every `}`.
    """
    return text[:-1].replace(b"}", rb"\u007d") + text[-1:]


class JsonStreamDecoder:
    """Cuts a stream into its objects.

    `feed` raises `UpstreamFailed` when something else than an object stands there or one is too
    large; `finish` raises `Truncated` inside an object.
    """

    def __init__(self, *, max_value_bytes: int = EVENT_BYTES) -> None:
        self._max = max_value_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._depth = 0
        self._in_string = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The objects that end within `chunk`, each as its own bytes."""
        self._buffer += chunk
        values: list[bytes] = []
        while (end := self._end_of_value()) is not None:
            self._check(end)
            values.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
            self._scanned = 0
        self._check(len(self._buffer))
        return values

    def finish(self) -> list[bytes]:
        """Nothing is ever left to give; raises `Truncated` when an object had begun."""
        if self._buffer:
            raise Truncated("The stream ended inside a JSON object.")
        return []

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._max:
            raise UpstreamFailed(f"One JSON object is larger than {self._max} bytes.", code="event_too_large")

    def _end_of_value(self) -> int | None:
        """Where the first object ends, or None when it has not ended yet."""
        if self._depth == 0 and not self._begin():
            return None
        at = self._scanned
        while match := _MARK.search(self._buffer, at):
            mark, at = match.group(), match.end()
            if mark == b"\\":
                if at == len(self._buffer):
                    self._scanned = match.start()
                    return None
                at += 1
            elif mark == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark == b"{" else -1
                if self._depth == 0:
                    return at
        self._scanned = len(self._buffer)
        return None

    def _begin(self) -> bool:
        """Skip the white space before an object; False when nothing follows it yet."""
        first = _SOLID.search(self._buffer)
        if first is None:
            self._buffer.clear()
            return False
        del self._buffer[: first.start()]
        if not self._buffer.startswith(b"{"):
            raise UpstreamFailed("The stream holds something that is no JSON object.", code="upstream_protocol")
        return True
