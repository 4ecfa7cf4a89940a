"""Our events → the stream of a turn with a chatflow, as a server sends it: a chat's, written otherwise.

There is a space after its colons, its end names the run, and the code of an error is a string.  Studio numbers
the events besides, at which one SDK stops.  The way back: `stream.py`.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from collections.abc import Iterator
from itertools import count

from realcoze.dialects.coze_open.stream import ERROR
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder, encode_spaced
from realcoze.errors import RealcozeError


class ChatflowStreamEncoder(ChatStreamEncoder):
    """As coze.com writes it."""

    def fail(self, error: RealcozeError) -> bytes:
        """An error and its run; nothing comes after it."""
        super().fail(error)
        code = str(error.upstream_code or 5000)
        return self._line(ERROR, {"code": code, "msg": error.message, "debug_url": self._ids.debug_url})

    def _end(self) -> bytes:
        return self._line("done", {"debug_url": self._ids.debug_url})

    def _line(self, name: str, data: object) -> bytes:
        return encode_spaced(name, data)


class StudioChatflowStreamEncoder(ChatflowStreamEncoder):
    """As Coze Studio writes it: each event has a number, from 1."""

    def __init__(self, ids: ChatIds, next_ids: Iterator[str]) -> None:
        super().__init__(ids, next_ids)
        self._numbers = count(1)

    def _line(self, name: str, data: object) -> bytes:
        return b"id: %d\n%b" % (next(self._numbers), super()._line(name, data))
