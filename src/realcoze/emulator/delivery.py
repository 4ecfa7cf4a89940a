"""From an answer to what goes over the socket, step by step, with its fault; pure.

Source: docs/protocol/playground-2024.md §4.3, §5, §11; docs/faults.md, W1 to W9.
"""

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import msgspec

from realcoze.dialects.coze_playground.push import MESSAGE_EVENT, Ext, Push, PushMessage, encode_push
from realcoze.emulator.account import SERVICE_ID
from realcoze.emulator.fault import Fault
from realcoze.framing.frontier import Frame, encode_frame

FrameForm = Literal["json", "gzip", "bare", "mixed"]
"""How a push is wrapped: a Frame, a Frame with a compressed payload, no Frame, or each in turn."""

STRANGER = "99999999-9999-4999-8999-999999999999"
STRANGERS_TEXT = "This was said to somebody else."
HUGE_BYTES = 17 << 20
GARBAGE = b"\xff" * 64
"""No websocket frame begins like this: every reserved bit is set, and the opcode is unknown."""


@dataclass(frozen=True, slots=True)
class Send:
    """One websocket message; `is_token` for those that the pace applies to."""

    message: bytes | str
    is_token: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection without a close."""


@dataclass(frozen=True, slots=True)
class Deafen:
    """Go on as if the other side had vanished."""


@dataclass(frozen=True, slots=True)
class Garble:
    """Put bytes on the connection that are no websocket."""


@dataclass(frozen=True, slots=True)
class Rejoin:
    """Wait until the other side is there again, where there is a pace.

    Coze would not wait, and a short answer would end in the gap; as one without a pace does.
    """


Step = Send | Cut | Deafen | Garble | Rejoin
_BEFORE: dict[str, Step] = {"cut": Cut(), "deaf": Deafen(), "garbage": Garble()}
"""What happens to the connection before the push of some faults goes out."""


class Wrapper:
    """Pushes → websocket messages.  `log_id_ms` is what a Frame's LogID shows."""

    def __init__(self, form: FrameForm) -> None:
        self._form = form
        self._numbers = count(1)

    def wrap(self, push: Push, *, log_id_ms: int) -> bytes:
        payload = encode_push(push)
        number = next(self._numbers)
        form = ("json", "gzip", "bare")[number % 3] if self._form == "mixed" else self._form
        if form == "bare":
            return payload
        frame = Frame(
            seq_id=number,
            log_id=log_id_ms,
            service=SERVICE_ID,
            method=1,
            headers=(("trace", f"t{number}"),),
            payload_type="text/json",
            payload=payload,
        )
        if form == "gzip":
            frame = replace(frame, payload_encoding="gzip", payload=gzip.compress(payload, mtime=0))
        return encode_frame(frame)


class Pace:
    """How long to wait after each token; by the clock, so that a delay in between does not add up.

    Times are in seconds of any clock that does not go back.
    """

    def __init__(self, tokens_per_s: float, now: float) -> None:
        self._pause = 1 / tokens_per_s
        self._due_at = now

    def wait_s(self, now: float) -> float:
        """From `now`, when a token has gone out, until the next one; 0 for one that is late."""
        self._due_at += self._pause
        return max(0.0, self._due_at - now)


def deliver(pushes: Iterable[Push], fault: Fault | None, wrapper: Wrapper, *, log_id_ms: int) -> Iterator[Step]:
    """The steps by which an answer goes out."""
    if fault is None:
        for push in pushes:
            yield Send(wrapper.wrap(push, log_id_ms=log_id_ms))
        return
    all_pushes = list(pushes)
    at = min(fault.after, max(len(all_pushes) - 1, 0))
    for place, push in enumerate(all_pushes):
        if fault.name == "unfinished":
            push = _without_finish(push)  # noqa: PLW2901 - the fault is this push's
        message = wrapper.wrap(push, log_id_ms=log_id_ms)
        if place == at:
            yield from _at_fault(fault.name, push, message)
            if fault.name == "cut" and place + 1 < len(all_pushes):
                yield Rejoin()
        elif fault.name == "reorder" and place == at + 1:
            yield Send(message)
            yield Send(wrapper.wrap(all_pushes[at], log_id_ms=log_id_ms), is_token=False)
        else:
            yield Send(message)
    if fault.name == "late" and all_pushes:
        yield Send(wrapper.wrap(all_pushes[-1], log_id_ms=log_id_ms), is_token=False)


def _at_fault(name: str, push: Push, message: bytes) -> Iterator[Step]:
    if name in _BEFORE:
        yield _BEFORE[name]
    match name:
        case "drop" | "reorder":
            return
        case "duplicate":
            yield Send(message, is_token=False)
        case "stranger":
            yield Send(encode_push(_strangers_push()), is_token=False)
        case "text":
            yield Send(encode_push(push).decode(), is_token=False)
            return
        case "truncated":
            yield Send(message[: len(message) // 2])
            return
        case "badlength":
            yield Send(b"\x42\xff\xff\x7f" + message)
            return
        case "badtype":
            yield Send(b"\x07" + message.replace(b"{", b"").replace(b"}", b""))
            return
        case "badgzip":
            frame = Frame(
                seq_id=1 << 40, log_id=0, service=SERVICE_ID, method=1, payload_encoding="gzip", payload=b"\x1f\x8bno"
            )
            yield Send(encode_frame(frame))
            return
        case "huge":
            yield Send(b" " * HUGE_BYTES, is_token=False)
    yield Send(message)


def _strangers_push() -> Push:
    ext = Ext(push_uuid=STRANGER, is_finish="1")
    return Push(event_type=MESSAGE_EVENT, message=PushMessage(content=STRANGERS_TEXT, reply_type=1, ext=ext))


def _without_finish(push: Push) -> Push:
    """The same push, its message not marked as the last; others share nothing with it."""
    copy = msgspec.json.decode(encode_push(push), type=Push)
    if copy.message is not None:
        copy.message.ext.is_finish = None
    return copy
