"""The codes of Coze and of Coze Studio ↔ the one tree of errors, by one table.

The code counts first, the HTTP status second: most refusals come with HTTP 200.

Source: docs/protocol/openapi-v3.md §3, docs/protocol/studio-web.md §1; docs/errors.md for the classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from realcoze.errors import (
    BadRequest,
    Busy,
    ContentRefused,
    ContextTooLong,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    RealcozeError,
    TooLarge,
    Truncated,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
)

LOGIN_HINT = (
    "Coze does not know the token. It may have expired (30 days at most), or be of the other Coze: a token of "
    "coze.com does not work on coze.cn, nor the other way round. Make one at /open/oauth/pats (in Coze Studio: "
    "avatar, API Authorization), put it into COZE_API_TOKEN, and set COZE_API_BASE to https://api.coze.com, "
    "https://api.coze.cn or your own Studio."
)
SCOPE_HINT = (
    "The token lacks a permission, or the bot's workspace was not ticked when it was made; Coze's text names what is "
    "missing. Edit the token at /open/oauth/pats."
)
PUBLISH_HINT = "Open the bot in Coze, choose Publish, tick the channel API, and publish it."
BOT_HINT = (
    "Check the bot's id (COZE_BOT_ID, or bot_id in realcoze.toml): it is the number behind /bot/ in the address of "
    "the bot's page."
)
REGION_HINT = "Coze refuses the region of this address. Set `proxy` to one in another region."
TRAFFIC_HINT = "Coze saw unusual traffic from this account. Wait, and use it in a browser once to see what it asks for."
DAILY_HINT = "The bot's or the account's limit for today is used up; it starts anew tomorrow."
MONEY_HINT = "The account has no credits left. Coze's console shows what it has; a free account has 500 calls in all."

GONE_HINT = "It is not there, or not this token's. Begin a new conversation."
ABSENT_HINT = "There is no such thing at Coze, or it is not this token's; check the id."
WORKFLOW_HINT = (
    "There is no such workflow at Coze, it is not published, or it is not this token's; check the id. A workflow is "
    "called workflow/ID, a chatflow chatflow/ID."
)

NO_TOKEN, NO_PERMISSION = "upstream_auth", "upstream_forbidden"
"""What it is called when the token is not known, and when it may not do what was asked."""

MOST_RETRY_AFTER_S = 120
RETRY_AFTER_S = 1.0
"""Where a server that cannot answer now does not say how long to wait."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What one code means; without a name the error has that of its class."""

    kind: type[RealcozeError]
    name: str | None = None
    hint: str | None = None


_NUMBERED = "coze_"
"""A name that Coze's code is appended to."""

NO_CONVERSATION = frozenset({4001, 4002, 103000002})
"""The chat or the conversation is not there; one that we made may be made anew."""

NOT_CANCELLABLE = frozenset({4104, 103200005})
"""The answers to a cancel that came too late."""

ABSENT = 4200
"""Something that only Coze's text names."""

BUSY = 4016
CROWDED = 4009
MODEL_FAILED = 4013
"""A model error today, a rate limit in older tables: worth one more try where no chat was begun."""

_ROWS: tuple[tuple[tuple[int, ...], _Row], ...] = (
    (
        (
            *(3010, 4000, 4003, 4004, 4005, 4007, 4104, 4201, 4300, 4301, 4303, 4304, 6003, 6039, 400),
            *(100000000, 103000000, 103200005, 104000000, 104000002, 104000003, 104000005, 104000006, 104000007),
            *(720702001, 720702002, 720712014),
        ),
        _Row(BadRequest, _NUMBERED),
    ),
    ((4302, 104000004), _Row(TooLarge)),
    ((4010, 702232007), _Row(ContextTooLong, hint="Begin a new conversation, or send less of the history.")),
    ((4014, 4105, 700012050), _Row(ContentRefused)),
    ((4006, 4021, 100000002, 103100002), _Row(NotFound, "model_not_found", BOT_HINT)),
    ((4015, 6031, 720702011), _Row(NotFound, "model_not_found", PUBLISH_HINT)),
    ((4200, 4314, 4315, 103200004), _Row(NotFound, hint=ABSENT_HINT)),
    ((720702004,), _Row(NotFound, hint=WORKFLOW_HINT)),
    ((404,), _Row(NotFound)),
    ((*NO_CONVERSATION, 103200001, 103200003), _Row(NotFound, hint=GONE_HINT)),
    ((BUSY,), _Row(Busy)),
    ((4020, 429), _Row(RateLimited)),
    ((CROWDED,), _Row(Overloaded)),
    ((4008, 702082008, 702082010), _Row(QuotaExhausted, hint=DAILY_HINT)),
    ((4011, 4019, 4022, 4027, 4028, 702082020, 702095072), _Row(QuotaExhausted, hint=MONEY_HINT)),
    ((4100, 700012006, 401), _Row(UpstreamDenied, NO_TOKEN, LOGIN_HINT)),
    ((4101, 103000001, 403), _Row(UpstreamDenied, NO_PERMISSION, SCOPE_HINT)),
    ((4102, 700012014, 700012015, 702240010), _Row(UpstreamDenied, "upstream_blocked", TRAFFIC_HINT)),
    ((6023, 720702085), _Row(UpstreamTimeout)),
)
_ROW_OF_CODE: Mapping[int, _Row] = {code: row for codes, row in _ROWS for code in codes}
_ROW_OF_STATUS: Mapping[int, _Row] = {
    400: _Row(BadRequest, _NUMBERED),
    401: _ROW_OF_CODE[4100],
    403: _ROW_OF_CODE[4101],
    408: _Row(UpstreamTimeout),
    413: _Row(TooLarge),
    429: _Row(RateLimited),
    504: _Row(UpstreamTimeout),
}
_ABSENT: Mapping[str, _Row] = {
    "workflow": _ROW_OF_CODE[720702004],
    "bot": _ROW_OF_CODE[4006],
    "conversation": _ROW_OF_CODE[4002],
}
"""By the first of these words in Coze's text."""

_PERMISSIONS = 108
"""The first three digits of Studio's codes for permissions."""

_SCOPE = _ROW_OF_CODE[4101]
_REGION = _Row(UpstreamDenied, "upstream_blocked", REGION_HINT)
_OTHER = _Row(UpstreamFailed, _NUMBERED)


def refusal(
    code: int, text: str, *, status: int = 200, retry_after_s: float | None = None, logid: str | None = None
) -> RealcozeError:
    """The error that a non-zero code and Coze's text stand for."""
    row = _row(code, text, status)
    said = f"Coze answered code {code}: {text[:300]}" if text else f"Coze answered code {code}."
    name = f"{_NUMBERED}{code}" if row.name == _NUMBERED else row.name
    wait_s = (retry_after_s or RETRY_AFTER_S) if row.kind in (Busy, Overloaded, RateLimited) else None
    return row.kind(said, code=name, hint=row.hint, upstream_code=code, logid=logid or None, retry_after_s=wait_s)


def without_envelope(status: int, *, retry_after_s: float | None = None, logid: str | None = None) -> RealcozeError:
    """The error of an answer that is no envelope; its body is never shown.

    A 504 is one as any other of a gateway in between: no deadline of ours or of Coze's passed.
    """
    said = f"Coze answered HTTP {status} without its usual envelope."
    if status == 401:
        return UpstreamDenied(said, code=NO_TOKEN, hint=LOGIN_HINT, logid=logid)
    if status == 403:
        return UpstreamDenied(said, code=NO_PERMISSION, hint=SCOPE_HINT, logid=logid)
    if status == 413:
        return TooLarge(said, logid=logid)
    if status == 429:
        return RateLimited(said, retry_after_s=retry_after_s or RETRY_AFTER_S, upstream_code=status, logid=logid)
    if status == 408:
        return UpstreamTimeout(said, logid=logid)
    if status == 503:
        return Overloaded(said, retry_after_s=retry_after_s or RETRY_AFTER_S, upstream_code=status, logid=logid)
    hint = "Check COZE_API_BASE: it is the API's address, like https://api.coze.com, and not that of the page."
    return UpstreamFailed(said, code="upstream_protocol", hint=hint if status < 500 else None, logid=logid)


def cancelled(status: str) -> Truncated:
    """The error of a chat that ended as canceled, cancelled or expired, which nobody here asked for."""
    return Truncated(f"Coze ended the chat as {status[:20]!r} before it was complete.")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, within reason; None for a header that is missing or no number of seconds.

    `headers` in lower case.
    """
    text = headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return float(min(max(int(text[:9]), 1), MOST_RETRY_AFTER_S))


def _row(code: int, text: str, status: int) -> _Row:
    said = text.lower()
    if "regional restrictions" in said:
        return _REGION
    if code == ABSENT:
        return next((row for word, row in _ABSENT.items() if word in said), _ROW_OF_CODE[code])
    if code in _ROW_OF_CODE:
        return _ROW_OF_CODE[code]
    if code // 1_000_000 == _PERMISSIONS:
        return _SCOPE
    return _ROW_OF_STATUS.get(status, _OTHER)
