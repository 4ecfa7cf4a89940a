"""An answer as the Node program streamed it: cumulative snapshots, one object after another.

`{"content":"H","continue":true,"reply_type":1}{"content":"He",…}` and a last one, sent once, with
`continue` false.  The program's own reader looks at each piece that arrives by itself, and takes it
only if it ends with `}`, and then splits it at every `}`.  So: `}` inside strings is written as an
escape, an object stays under what arrives in one piece, and at most one is on its way at a time.

Source: docs/protocol/playground-2024.md §9; docs/native-api.md, "The stream of the Node program".
"""

from collections import deque
from typing import assert_never

import msgspec

from realcoze.dialects.native.reply import ANSWER
from realcoze.dialects.native.request import REPLY_TYPES
from realcoze.domain import event as ev
from realcoze.domain.event import Event, StepKind
from realcoze.domain.fold import Fold
from realcoze.errors import BadRequest, RealcozeError, TooLarge
from realcoze.framing.json_stream import escape_braces

INTERVAL_S = 0.1
"""The least time between two objects."""

OBJECT_BYTES = 60 << 10
"""The largest object that the reader gets in one piece; it reads 64 KiB at once."""

_OTHER_FRAMING = "send `Accept: application/x-ndjson` or `text/event-stream`, which have no such limit"


class _Object(msgspec.Struct, rename={"is_continued": "continue"}, omit_defaults=True):
    content: str
    is_continued: bool
    reply_type: int
    error: str = ""


class SnapshotEncoder:
    """Events → snapshots, no faster than the reader can take them.

    `feed` only takes note; what is due comes from `tick`, at `deadline()` or later, one object a
    call.  `is_closed` turns true with the object that ends the stream; `has_failed` says that it is
    an error, after which the connection is closed without the last chunk.
    """

    content_type = "application/json; charset=utf-8"
    keepalive = b""

    def __init__(self, *, steps: frozenset[StepKind]) -> None:
        self._wanted = steps
        self._fold = Fold()
        self._steps: deque[ev.Step] = deque()
        self._is_new = False
        self._is_done = False
        self._error: RealcozeError | None = None
        self._next_at = 0.0
        self.is_closed = False
        self.has_failed = False

    def feed(self, event: Event) -> bytes:
        """Take one event; gives nothing."""
        if self.is_closed:
            return b""
        self._fold.feed(event)
        match event:
            case ev.TextDelta() | ev.TextReplaced():
                self._is_new = True
            case ev.Step():
                if event.kind in self._wanted:
                    self._steps.append(event)
            case ev.TurnDone() | ev.InputRequested():
                # Its reader answers a question as it answers anything: with its next turn.
                self._is_done = True
            case ev.TurnFailed():
                self._error = event.error
            case ev.ToolCallsRequested():
                self._error = BadRequest(f"The bot waits for the result of a tool; {_OTHER_FRAMING}.")
            case (
                ev.TurnStarted()
                | ev.ReasoningDelta()
                | ev.AnswerDone()
                | ev.Suggestion()
                | ev.AudioDelta()
                | ev.Usage()
                | ev.Unknown()
            ):
                pass
            case _:
                assert_never(event)
        return b""

    def deadline(self) -> float | None:
        """When the next object may be sent; None while there is none, or no more."""
        is_due = self._steps or self._is_new or self._is_done or self._error
        return self._next_at if is_due and not self.is_closed else None

    def tick(self, now: float) -> bytes:
        """The next object, or nothing when none is due."""
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return b""
        self._next_at = now + INTERVAL_S
        if self._steps:
            step = self._steps.popleft()
            return self._object(step.body, reply_type=REPLY_TYPES[step.kind], is_continued=True)
        self._is_new = False
        if self._error is not None:
            return self.fail(self._error)
        self.is_closed = self._is_done
        return self._object(self._fold.text, reply_type=ANSWER, is_continued=not self._is_done)

    def fail(self, error: RealcozeError) -> bytes:
        """The last object of a stream that broke off, flat like all others."""
        self.is_closed = self.has_failed = True
        text = f"{error.code}: {error.message}"
        whole = _encode(_Object(self._fold.text, is_continued=True, reply_type=ANSWER, error=text))
        if len(whole) <= OBJECT_BYTES:
            return whole
        return _encode(_Object("", is_continued=True, reply_type=ANSWER, error=text))

    def _object(self, content: str, *, reply_type: int, is_continued: bool) -> bytes:
        written = _encode(_Object(content, is_continued=is_continued, reply_type=reply_type))
        if len(written) <= OBJECT_BYTES:
            return written
        return self.fail(TooLarge(f"The answer is too long for this stream; {_OTHER_FRAMING}.", code="answer_too_long"))


def encode_flat_error(error: RealcozeError) -> bytes:
    """An error before the stream has begun, as its reader can read it."""
    return _encode(_Object("", is_continued=True, reply_type=ANSWER, error=f"{error.code}: {error.message}"))


def _encode(body: _Object) -> bytes:
    return escape_braces(msgspec.json.encode(body))
