"""Faults of the open API on request, and the answers to calls that do not come to a chat; pure.

The mark is that of `fault`; where a name is there too, it means the same.  `after` counts deltas of the
answer that go well before the fault, and messages of a workflow's.

Source: RFC 9110 §10.2.3 for Retry-After; docs/protocol/openapi-v3.md §3, §6, §18.
"""

from dataclasses import dataclass, field

import msgspec

from realcoze.emulator.fault import Fault

CALL_FAULTS = {
    "region": "the call is refused: regional restrictions",
    "session": "the call is refused: the token is not known (4100, HTTP 401)",
    "risk": "the call is refused: unusual traffic (4102)",
    "quota": "the call is refused: the daily limit is used up (4008)",
    "broken": "the call is answered by an HTML page with HTTP 502",
    "stall": "the call is never answered, and nothing is pushed",
    "silent": "the call is accepted, and nothing is pushed: only headers",
    "code": "the call is refused with HTTP 200 and the code that `value` says (4016)",
    "failing": "the call is answered by JSON with the HTTP status that `value` says (500)",
    "empty": "the call is answered by HTTP 500 without a body",
    "blank": "the call is answered by HTTP 200 without a body",
    "login": "the call is answered by an HTML page with HTTP 200",
    "redirect": "the call is redirected to a login page",
    "limit": "HTTP 429; `value` is the Retry-After, or `date` for a date",
    "event": "the stream is one error event with the code that `value` says (4016)",
    "mime": "the stream says that it is plain text",
}
TURN_FAULTS = {
    "rewrite": "the bot takes back what it wrote and begins anew",
    "failed": "the chat fails with the code that `value` says (5000)",
    "bare": "the chat fails, and the event holds only code and msg",
    "canceled": "the chat ends as canceled",
    "cancelled": "the chat ends as cancelled",
    "expired": "the chat ends as expired",
    "requires": "the chat ends with a tool that the caller must run",
    "wordless": "the chat is completed without an answer",
    "stuck": "the chat never ends until it is cancelled",
    "controls": "the answer holds NUL, U+0085 and U+2028, the last two as they are",
    "surrogate": "the answer holds half an emoji",
    "invalid": "the answer holds a byte that is no UTF-8",
    "large": "the answer holds a word of as many letters as `value` says (17 MiB)",
}
STREAM_FAULTS = {
    "eof": "the stream ends after a delta, or after as many bytes as `value` says, as if it were whole",
    "torn": "the stream ends in the middle of an event",
    "cut": "the connection is closed without the last chunk; `value` as for `eof`",
    "reset": "the connection is reset; `value` as for `eof`",
    "deaf": "the stream stays open and nothing comes any more; `value` as for `eof`",
    "half": "half an event comes, and then nothing any more",
    "trickle": "the rest comes byte by byte, `value` seconds apart (10)",
    "bytes": "all comes in chunks of one byte",
    "garbage": "bytes that are no chunk are sent",
    "spaces": "there is a space after each colon",
    "crlf": "lines end with CR LF",
    "cr": "lines end with CR",
    "bom": "the stream begins with a byte order mark",
    "comments": "comments stand between the events and in them",
    "fields": "events have an id, a retry and fields that nobody knows",
    "lines": "each event's data stands on two lines",
    "tiny": "100,000 tiny events come in one piece; `value` for another number",
    "drop": "one delta is never sent",
    "duplicate": "one delta is sent twice",
    "twice": "each complete message and the end of the chat are sent twice",
    "reorder": "one delta overtakes the one before it",
    "late": "a complete message gets one more delta",
    "hasty": "the end of the stream comes before the end of the chat",
    "stranger": "a delta of somebody else's chat comes in between",
    "truncated": "one delta is sent with its end missing",
    "unknown": "an event, a type and a status come that nobody knows",
    "error": "an error event ends the stream; `value` is its code (4013), `empty` or `word`",
    "unfinished": "the chat's end never comes, only that of the stream",
    "undone": "the end of the stream never comes, only that of the chat",
    "abrupt": "the last event lacks its blank line",
    "ending": "the end of the stream holds what `value` says: `object` (default), `empty` or `plain`",
    "elsewhere": "the answer is in another conversation than the one asked for",
    "numbers": "ids are numbers and no strings",
    "sparse": "fields that one can do without are not there",
}
CHAT_FAULTS = {**CALL_FAULTS, **TURN_FAULTS, **STREAM_FAULTS}
"""Name → what happens, for people."""

WORKFLOW_FAULTS = frozenset(CALL_FAULTS) | {
    *("failed", "stuck", "eof", "torn", "cut", "reset", "deaf", "half", "trickle", "bytes", "garbage"),
    *(
        "crlf",
        "cr",
        "bom",
        "comments",
        "tiny",
        "drop",
        "duplicate",
        "truncated",
        "unknown",
        "error",
        "undone",
        "abrupt",
    ),
}
"""Those that a workflow has too, in any of its parameters."""

_REFUSALS = {
    "region": (200, 1, "Coze is unavailable due to regional restrictions"),
    "session": (401, 4100, "authentication is invalid"),
    "risk": (200, 4102, "unusual traffic"),
    "quota": (200, 4008, "daily limit reached"),
}
_HTML = "text/html"
_LOGIN_PAGE = b"<!DOCTYPE html><html><title>Log in</title><form>Please log in.</form></html>"


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it is."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def raw_answer(fault: Fault, *, http_date: str) -> Raw | None:
    """The answer to a call that does not come to a chat; None for all other faults."""
    if fault.name in _REFUSALS:
        status, code, text = _REFUSALS[fault.name]
        return _refusal(status, code, text)
    match fault.name:
        case "broken":
            return Raw(502, b"<html>Bad Gateway</html>", _HTML)
        case "code":
            return _refusal(200, number(fault, 4016), "asked for")
        case "failing":
            return _refusal(number(fault, 500), 5000, "internal server error")
        case "empty":
            return Raw(500, b"")
        case "blank":
            return Raw(200, b"")
        case "login":
            return Raw(200, _LOGIN_PAGE, _HTML)
        case "redirect":
            return Raw(302, b"", _HTML, {"Location": "/sign"})
        case "limit":
            waits = {"Retry-After": http_date if fault.value == "date" else fault.value} if fault.value else {}
            return Raw(429, b'{"code":4020,"msg":"too many requests"}', headers=waits)
        case "event":
            failure = msgspec.json.encode({"code": number(fault, 4016), "msg": "asked for"})
            return Raw(200, b"event:error\ndata:%b\n\n" % failure, "text/event-stream")
    return None


def number(fault: Fault, default: int) -> int:
    """The value of a fault as a number."""
    return int(fault.value) if fault.value.isascii() and fault.value.isdigit() and len(fault.value) < 12 else default


def seconds(fault: Fault, default: float) -> float:
    """The value of a fault as a time, a day at most."""
    try:
        return min(max(float(fault.value), 0.0), 86_400.0) if fault.value else default
    except ValueError:
        return default


def _refusal(status: int, code: int, text: str) -> Raw:
    return Raw(status, msgspec.json.encode({"code": code, "msg": text}))
