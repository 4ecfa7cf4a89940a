"""The rows of docs/reliability.md as data: what goes wrong, how it is made, and how it must end.

`ends` is how it ends for a caller: `success`, `requires_action`, `R STATUS CODE` (refused before the first
content) or `M STATUS CODE` (failed in the middle; a whole answer is refused with that status instead).
"""

from dataclasses import dataclass

from realcoze.emulator.open_api.settings import Personality
from reliability.stage import SAID, spoken

BOTH: tuple[Personality, ...] = ("coze", "studio")
COZE: tuple[Personality, ...] = ("coze",)
STUDIO: tuple[Personality, ...] = ("studio",)
ALL_FORMS = ("whole", "SSE", "NDJSON")
TWO_FORMS = ("whole", "SSE")
ONE_FORM = ("SSE",)
"""For what waits a second before it is asked for again, and differs little from its neighbours."""

PART = "part"
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Row:
    """`mark` is what the emulator is told; where there is none, a test of its own makes the fault."""

    id: str
    what: str
    ends: str
    mark: str = ""
    made: str = ""
    """How it is made, where no mark does it."""

    on: tuple[Personality, ...] = COZE
    forms: tuple[str, ...] = ALL_FORMS
    attempts: int = 1
    retry_after: int | None = None
    text: str = ""
    """What the caller has in the end: `ALL` that was said, only `PART` of it, or this."""

    words: int = 10
    inserted: str = ""
    """What stands behind the first word of the answer beside what was said."""

    next_ends: str = "success"
    """How the next request on the conversation ends (I6)."""

    wait_s: float = 5.0
    """The deadlines: for the first event, and between two."""

    gate_s: float = 5.0

    @property
    def name(self) -> str:
        return f"{self.id}-{self.mark or self.what}".replace(" ", "-").replace("value=", "").replace("after=", "after-")

    def ends_for(self, form: str) -> str:
        """How it must end for a caller who wants the answer in that form."""
        kind, _, rest = self.ends.partition(" ")
        if kind != "M":
            return self.ends
        return f"R {rest}" if form == "whole" else f"M {rest.partition(' ')[2]}"

    @property
    def answer(self) -> str:
        """All that the bot says."""
        return spoken(self.words).replace(SAID, SAID + self.inserted, 1)


def _r(status: int, code: str) -> str:
    return f"R {status} {code}"


PROTOCOL, TRUNCATED = "502 upstream_protocol", "502 upstream_truncated"
TIMEOUT = "504 upstream_timeout"
QUIET_S = 0.4
LIMITED = "R 429 rate_limited"

REFUSED_ROWS = (
    Row(id="U5", what="500 with JSON", mark="failing value=500", ends=_r(502, "coze_5000")),
    Row(id="U5", what="503 with JSON", mark="failing value=503", ends=_r(502, "coze_5000")),
    Row(id="U5", what="502 with HTML", mark="broken", ends=f"R {PROTOCOL}"),
    Row(id="U5", what="500 without a body", mark="empty", ends=f"R {PROTOCOL}"),
    Row(id="U5", what="200 without a body", mark="blank", ends=f"R {PROTOCOL}"),
    Row(id="U5", what="200 with a login page", mark="login", ends=f"R {PROTOCOL}"),
    Row(id="U5", what="302 to a login page; not followed", mark="redirect", ends=f"R {PROTOCOL}"),
    Row(id="U5", what="a stream called text/plain", mark="mime", ends=f"R {PROTOCOL}"),
    Row(id="U6", what="429 without Retry-After", mark="limit", ends=LIMITED, attempts=2, retry_after=1, forms=ONE_FORM),
    Row(
        id="U6",
        what="429, Retry-After: 1",
        mark="limit value=1",
        ends=LIMITED,
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(
        id="U6",
        what="429, Retry-After: 0",
        mark="limit value=0",
        ends=LIMITED,
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(
        id="U6",
        what="429, Retry-After: -5",
        mark="limit value=-5",
        ends=LIMITED,
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(
        id="U6",
        what="429, Retry-After: abc",
        mark="limit value=abc",
        ends=LIMITED,
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(
        id="U6",
        what="429, Retry-After: a date",
        mark="limit value=date",
        ends=LIMITED,
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(
        id="U6",
        what="429, Retry-After: 999999",
        mark="limit value=999999",
        ends=LIMITED,
        retry_after=120,
    ),
    Row(id="U7", what="200 with code 4000 for a stream", mark="code value=4000", ends=_r(400, "coze_4000")),
    Row(id="U7", what="code 4001", mark="code value=4001", ends=_r(404, "not_found")),
    Row(id="U7", what="code 4006", mark="code value=4006", ends=_r(404, "model_not_found")),
    Row(id="U7", what="code 4008", mark="code value=4008", ends=_r(429, "insufficient_quota")),
    Row(
        id="U7",
        what="code 4009",
        mark="code value=4009",
        ends=_r(503, "overloaded"),
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(id="U7", what="code 4010", mark="code value=4010", ends=_r(400, "context_length_exceeded")),
    Row(id="U7", what="code 4013", mark="code value=4013", ends=_r(502, "coze_4013"), attempts=2),
    Row(id="U7", what="code 4014", mark="code value=4014", ends=_r(400, "content_filter")),
    Row(
        id="U7",
        what="code 4016",
        mark="code value=4016",
        ends=_r(409, "conversation_busy"),
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(id="U7", what="code 4020", mark="code value=4020", ends=LIMITED, attempts=2, retry_after=1, forms=ONE_FORM),
    Row(id="U7", what="code 4028", mark="code value=4028", ends=_r(429, "insufficient_quota")),
    Row(
        id="U7",
        what="code 4100; nothing more is sent until the restart",
        mark="code value=4100",
        ends=_r(502, "upstream_auth"),
        next_ends=_r(502, "upstream_auth"),
    ),
    Row(
        id="U7",
        what="code 4102; nothing more is sent for a minute",
        mark="code value=4102",
        ends=_r(503, "upstream_blocked"),
        next_ends=_r(503, "upstream_blocked"),
        retry_after=60,
    ),
    Row(
        id="U7",
        what="regional restrictions; nothing more is sent for a minute",
        mark="region",
        ends=_r(503, "upstream_blocked"),
        next_ends=_r(503, "upstream_blocked"),
        retry_after=60,
    ),
    Row(id="U7", what="a code that nobody knows", mark="code value=987654", ends=_r(502, "coze_987654")),
    Row(
        id="U8",
        what="4016 as the first event",
        mark="event value=4016",
        ends=_r(409, "conversation_busy"),
        attempts=2,
        retry_after=1,
        forms=ONE_FORM,
    ),
    Row(
        id="U8",
        what="4100 as the first event",
        mark="event value=4100",
        ends=_r(502, "upstream_auth"),
        next_ends=_r(502, "upstream_auth"),
    ),
    Row(id="U8", what="5000 as the first event", mark="event value=5000", ends=_r(502, "coze_5000")),
)

BROKEN_ROWS = (
    Row(id="U9", what="the body ends well before the first delta", mark="eof", ends=f"R {TRUNCATED}", on=BOTH),
    Row(id="U9", what="after 1 delta", mark="eof after=1", ends=f"M {TRUNCATED}", text=PART, on=BOTH),
    Row(id="U9", what="after 50 deltas", mark="eof after=50", ends=f"M {TRUNCATED}", text=PART, words=60, on=BOTH),
    Row(id="U9", what="within an event", mark="torn after=3", ends=f"M {TRUNCATED}", text=PART, on=BOTH),
    Row(
        id="U9",
        what="the end of the stream without that of the chat",
        mark="unfinished",
        ends=f"M {TRUNCATED}",
        text=ALL,
        on=BOTH,
    ),
    Row(id="U10", what="closed without the last chunk, no delta", mark="cut", ends=f"R {TRUNCATED}", on=BOTH),
    Row(id="U10", what="after 3 deltas", mark="cut after=3", ends=f"M {TRUNCATED}", text=PART, on=BOTH),
    Row(id="U11", what="reset, no delta", mark="reset", ends=f"R {TRUNCATED}", on=BOTH),
    Row(id="U11", what="after 3 deltas", mark="reset after=3", ends=f"M {TRUNCATED}", text=PART, on=BOTH),
    Row(id="U12", what="never answered", mark="stall", ends=f"R {TIMEOUT}", forms=TWO_FORMS, wait_s=QUIET_S),
    Row(id="U12", what="only headers", mark="silent", ends=f"R {TIMEOUT}", forms=TWO_FORMS, wait_s=QUIET_S),
    Row(
        id="U12",
        what="stalled after a delta",
        mark="deaf after=1",
        ends=f"M {TIMEOUT}",
        text=PART,
        on=BOTH,
        forms=TWO_FORMS,
        wait_s=QUIET_S,
    ),
    Row(
        id="U12",
        what="stalled within a line",
        mark="half after=1",
        ends=f"M {TIMEOUT}",
        text=PART,
        forms=TWO_FORMS,
        wait_s=QUIET_S,
    ),
    Row(
        id="U12",
        what="the chat hangs; it is cancelled at Coze",
        mark="stuck after=1",
        ends=f"M {TIMEOUT}",
        text=PART,
        on=BOTH,
        forms=TWO_FORMS,
        wait_s=QUIET_S,
    ),
    Row(
        id="U13",
        what="byte by byte, for ever: bytes that make no event do not count",
        mark="trickle after=1 value=0.02",
        ends=f"M {TIMEOUT}",
        text=PART,
        forms=TWO_FORMS,
        wait_s=QUIET_S,
    ),
)

FRAMING_ROWS = (
    Row(id="U14", what="chunks of one byte", mark="bytes", ends="success", text=ALL, on=BOTH),
    Row(id="U15", what="a byte that is no UTF-8", mark="invalid", ends="success", text=ALL, inserted="\ufffd"),
    Row(id="U15", what="half an emoji", mark="surrogate", ends="success", text=ALL, inserted="\ufffd"),
    Row(
        id="U15",
        what="NUL, U+0085 and U+2028 are text",
        mark="controls",
        ends="success",
        text=ALL,
        inserted="\0\u0085\u2028",
    ),
    Row(id="U16", what="a space after each colon", mark="spaces", ends="success", text=ALL),
    Row(id="U16", what="CR LF", mark="crlf", ends="success", text=ALL),
    Row(id="U16", what="CR", mark="cr", ends="success", text=ALL),
    Row(id="U16", what="a byte order mark", mark="bom", ends="success", text=ALL),
    Row(id="U16", what="comments", mark="comments", ends="success", text=ALL),
    Row(id="U16", what="id, retry, unknown fields", mark="fields", ends="success", text=ALL),
    Row(id="U16", what="data on two lines", mark="lines", ends="success", text=ALL),
    Row(id="U17", what="an event of 64 KiB", mark="large value=65535", ends="success", text=ALL, inserted="x" * 65535),
    Row(
        id="U17",
        what="an event above 64 KiB",
        mark="large value=65537",
        ends="success",
        text=ALL,
        inserted="x" * 65537,
    ),
    Row(
        id="U17",
        what="an event of 1 MiB",
        mark="large value=1048576",
        ends="success",
        text=ALL,
        inserted="x" * 1048576,
    ),
    Row(
        id="U17",
        what="an event of 17 MiB",
        mark="large after=1",
        ends="M 502 event_too_large",
        text=PART,
        forms=TWO_FORMS,
    ),
    Row(id="U17", what="100,000 tiny events at once", mark="tiny", ends="success", text=ALL, forms=TWO_FORMS),
    Row(id="U18", what="a delta twice", mark="duplicate after=2", ends="success", text=ALL, on=BOTH),
    Row(id="U18", what="each message and the chat completed twice", mark="twice", ends="success", text=ALL, on=BOTH),
    Row(id="U19", what="two deltas change places", mark="reorder after=2", ends="success", text=ALL, on=BOTH),
    Row(id="U19", what="a delta is missing", mark="drop after=2", ends="success", text=ALL, on=BOTH),
    Row(id="U19", what="a delta after its message", mark="late after=2", ends="success", text=ALL, on=BOTH),
    Row(id="U19", what="the stream's end before the chat's", mark="hasty", ends="success", text=ALL, on=BOTH),
    Row(id="U19", what="a delta of another chat", mark="stranger after=2", ends="success", text=ALL, on=BOTH),
    Row(id="U20", what="malformed JSON in the middle", mark="truncated after=3", ends=f"M {PROTOCOL}", text=PART),
    Row(id="U20", what="bytes that are no chunk", mark="garbage after=3", ends=f"M {TRUNCATED}", text=PART),
    Row(id="U21", what="unknown event, type and status", mark="unknown after=2", ends="success", text=ALL, on=BOTH),
)

ENDING_ROWS = (
    Row(id="U22", what="chat.failed, no delta", mark="failed", ends="R 502 coze_5000", on=BOTH),
    Row(id="U22", what="after 3 deltas", mark="failed after=3", ends="M 502 coze_5000", text=PART, on=BOTH),
    Row(id="U22", what="refused for its content", mark="failed value=4014", ends="R 400 content_filter", on=BOTH),
    Row(id="U22", what="failed with only code and msg", mark="bare", ends="R 502 coze_701231"),
    Row(id="U22", what="canceled", mark="canceled after=3", ends=f"M {TRUNCATED}", text=PART),
    Row(id="U22", what="cancelled", mark="cancelled after=3", ends=f"M {TRUNCATED}", text=PART),
    Row(id="U22", what="expired", mark="expired after=3", ends=f"M {TRUNCATED}", text=PART),
    Row(id="U23", what="completed without an answer", mark="wordless", ends="success", on=BOTH),
    Row(
        id="Z5",
        what="requires_action, after 3 deltas",
        mark="requires after=3",
        ends="requires_action",
        text=PART,
        on=BOTH,
    ),
    Row(
        id="Z8",
        what="an error event, then completed and stream.done: it failed",
        mark="failed after=2 value=5000",
        ends="M 502 coze_5000",
        text=PART,
        on=STUDIO,
    ),
    Row(
        id="Z8",
        what="an error event without a code",
        mark="error after=3 value=empty",
        ends="M 502 upstream_error",
        text=PART,
        on=BOTH,
    ),
    Row(
        id="Z8", what="its code as a word", mark="error after=3 value=word", ends="M 502 coze_4013", text=PART, on=BOTH
    ),
    Row(id="Z9", what="no blank line after the last event", mark="abrupt", ends="success", text=ALL, on=BOTH),
    Row(id="Z9", what="no end of the stream after that of the chat", mark="undone", ends="success", text=ALL, on=BOTH),
    Row(id="Z10", what="the reply is in another conversation", mark="elsewhere", ends="success", text=ALL, on=BOTH),
    Row(id="Z12", what="the end holds an object", mark="ending", ends="success", text=ALL),
    Row(id="Z12", what="the end holds {}", mark="ending value=empty", ends="success", text=ALL),
    Row(id="Z12", what="the end holds [DONE]", mark="ending value=plain", ends="success", text=ALL),
    Row(id="Z13", what="ids are numbers", mark="numbers", ends="success", text=ALL, on=BOTH),
    Row(id="Z13", what="fields that one can do without are missing", mark="sparse", ends="success", text=ALL, on=BOTH),
    Row(
        id="Z15",
        what="the token lacks the permission",
        mark="code value=4101",
        ends=_r(502, "upstream_forbidden"),
    ),
)

MARKED_ROWS = (*REFUSED_ROWS, *BROKEN_ROWS, *FRAMING_ROWS, *ENDING_ROWS)


def recovered(what: str, mark: str, *, on: tuple[Personality, ...] = COZE, wait_s: float = 5.0) -> Row:
    """A fault of `BROKEN_ROWS`, where Coze may be asked for the rest."""
    told = f"{what}; asked for the rest"
    return Row(id="Z11", what=told, mark=mark, ends="success", text=ALL, on=on, forms=TWO_FORMS, wait_s=wait_s)


RECOVERED_ROWS = (
    recovered("the body ends well after 1 delta", "eof after=1", on=BOTH),
    recovered("the stream ends within an event", "torn after=3"),
    recovered("no end of the chat", "unfinished"),
    recovered("closed without the last chunk", "cut after=3", on=BOTH),
    recovered("reset before the first delta", "reset"),
    recovered("stalled after a delta", "deaf after=1", wait_s=QUIET_S),
    recovered("byte by byte, for ever", "trickle after=1 value=0.02", wait_s=QUIET_S),
)
