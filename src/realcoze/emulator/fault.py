"""Faults on request: a mark in the last user message, `[[fault NAME after=50 value=4016]]`.

`after` counts pushes of the answer that go well before the fault; beyond the last one it means the
last.  A fault that concerns the call itself has no use for it.  What `value` is, its description says.

The names here are the playground's; those of the open API are in `open_api.fault`, and where both have one
it means the same.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from realcoze.errors import BadRequest

CALL_FAULTS = {
    "region": "the call is refused: regional restrictions",
    "session": "the call is refused: the session has ended",
    "signature": "the call is refused as Coze does since 2024-02-27: HTTP 403 without a body",
    "risk": "the call is refused: unusual traffic",
    "quota": "the call is refused: the daily limit is used up",
    "broken": "the call is answered by an HTML page with HTTP 502",
    "stall": "the call is never answered, and nothing is pushed",
    "early": "the answer is pushed before the call is answered",
    "silent": "the call is accepted, and nothing is pushed",
}
PUSH_FAULTS = {
    "drop": "one push is never sent",
    "cut": "the socket is cut without a close",
    "rewrite": "the bot takes back what it wrote and begins anew",
    "unfinished": "the last push is not marked as the last",
    "stranger": "a push of somebody else's turn comes in between",
    "late": "a finished turn gets one more push",
    "duplicate": "one push is sent twice",
    "reorder": "one push overtakes the one before it",
    "deaf": "the socket stays open and nothing comes any more, not even an echo",
    "truncated": "one frame is sent with its end missing",
    "badlength": "one frame says a length that is not there",
    "badtype": "one frame has an impossible wire type",
    "badgzip": "one frame says that it is compressed, and is not",
    "text": "one push is sent as a text message without a frame",
    "huge": "one message of 17 MiB is sent",
    "garbage": "bytes that are no websocket are sent",
}
FAULTS = {**CALL_FAULTS, **PUSH_FAULTS}
"""Name → what happens, for people."""

_MARK = re.compile(r"\[\[fault ([a-z]+)(?: after=(\d+))?(?: value=([^\s\]]+))?\]\]")

_LIKE_A_MARK = re.compile(r"\[\[fault\b[^\]]*\]\]", re.IGNORECASE)
"""What whoever wrote it takes for a mark."""


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    after: int = 0
    value: str = ""


def find_fault(text: str, names: Iterable[str] = FAULTS) -> Fault | None:
    """The first mark in a message.

    Raises `BadRequest` where it is none of `names`, or no mark: an answer without the fault would pass for one with it.
    """
    like = _LIKE_A_MARK.search(text)
    if like is None:
        return None
    match = _MARK.fullmatch(like.group())
    if match is None:
        raise BadRequest(
            f"{like.group()[:80]} is no mark of the emulator's; it is written [[fault cut after=3 value=1]]."
        )
    if match.group(1) not in names:
        raise BadRequest(f"The emulator has no fault {match.group(1)[:40]!r} here. It has: {', '.join(sorted(names))}.")
    return Fault(match.group(1), int(match.group(2) or 0), match.group(3) or "")


def without_mark(text: str) -> str:
    """What the bot sees of the message."""
    return _MARK.sub("", text).strip()
