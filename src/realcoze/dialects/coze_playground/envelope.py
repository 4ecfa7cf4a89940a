"""The envelope `{"code": 0, "msg": "success", "data": …}` around every HTTP answer, and its refusals.

Success is code 0.  The text of a failure is in `msg`; some answers have it in `message`.

Source: docs/protocol/playground-2024.md §2, §6, §8; docs/errors.md for the classes.
"""

from typing import Generic, TypeVar

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.errors import (
    BadRequest,
    NotFound,
    QuotaExhausted,
    RateLimited,
    RealcozeError,
    UpstreamDenied,
    UpstreamFailed,
)

SESSION_EXPIRED = 700012006
UNUSUAL_TRAFFIC = frozenset({700012014, 700012015, 702240010})
DAILY_LIMIT = frozenset({4008, 702082008, 702082010})
BAD_PARAMETER = 4000
NO_SUCH_BOT = 4006
REGION = "regional restrictions"

RETRY_AFTER_S = 1.0
"""Coze does not say how long its page is to wait."""

LOGIN_HINT = (
    "The session has ended. Log in to Coze in a browser, copy the value of the cookie `sessionid` "
    "(it lasts about 60 days) and put it into `session_id`."
)
PROXY_HINT = (
    "Coze refuses the region of this address. Set `proxy` to a proxy in another region, for example "
    "proxy=socks5://127.0.0.1:1080; `ws_proxy` is the same for the websocket."
)
SIGNATURE_HINT = (
    "Coze has demanded URL signatures on this private protocol since 2024-02-27, and realcoze does "
    "not forge them. Use it with the emulator or with a server that still speaks it; the road to the "
    "live service is Coze's official API."
)
BOT_HINT = "The configuration names a bot that this account does not have. Download config.json again."
MOVED_HINT = f"It points elsewhere. Check COZE_PLAYGROUND_BASE; if it is right: {LOGIN_HINT}"
TRAFFIC_HINT = "Coze saw unusual traffic from this account. Wait, and use it in a browser once to see what it asks for."

T = TypeVar("T")


class _Verdict(msgspec.Struct):
    """The envelope without its data, which a refusal may fill as it likes."""

    code: int
    msg: str | None = ""
    message: str | None = ""


class Envelope(msgspec.Struct, Generic[T]):
    """The envelope of an answer that went well."""

    data: T | None = None


_VERDICT = msgspec.json.Decoder(_Verdict)


def encode_success(data: object) -> bytes:
    """The body of an answer that went well."""
    return msgspec.json.encode({"code": 0, "msg": "success", "data": data})


def encode_refusal(code: int, msg: str) -> bytes:
    """The body of an answer that did not."""
    return msgspec.json.encode({"code": code, "msg": msg})


def decode_answer(status: int, body: bytes, decoder: msgspec.json.Decoder[Envelope[T]]) -> T | None:
    """The `data` of a successful answer, None where there is none.

    Raises the error that a refusal stands for.  An answer that is no envelope is the mark of the
    demand for signatures, unless it is a plain failure of the server (5xx).
    """
    try:
        verdict = read_json(body, _VERDICT)
    except NotJson as error:
        raise _no_envelope(status) from error
    if verdict.code != 0:
        raise refusal(verdict.code, verdict.msg or verdict.message or "")
    try:
        return read_json(body, decoder).data
    except NotJson as error:
        raise UpstreamFailed(f"Coze's answer cannot be read: {error}.", code="upstream_protocol") from error


def refusal(code: int, text: str) -> RealcozeError:
    """The error that a non-zero code and its text stand for."""
    said = f"Coze answered code {code}: {text[:300]}"
    if code == SESSION_EXPIRED:
        return UpstreamDenied(said, code="upstream_auth", hint=LOGIN_HINT, upstream_code=code)
    if REGION in text.lower():
        return UpstreamDenied(said, code="upstream_blocked", hint=PROXY_HINT, upstream_code=code)
    if code in UNUSUAL_TRAFFIC:
        return UpstreamDenied(said, code="upstream_blocked", hint=TRAFFIC_HINT, upstream_code=code)
    if code == BAD_PARAMETER:
        return BadRequest(said, code=f"coze_{code}", upstream_code=code)
    if code == NO_SUCH_BOT:
        return NotFound(said, code="model_not_found", hint=BOT_HINT, upstream_code=code)
    if code in DAILY_LIMIT:
        return QuotaExhausted(said, hint="The account's limit for today is used up.", upstream_code=code)
    return UpstreamFailed(said, code=f"coze_{code}", upstream_code=code)


def _no_envelope(status: int) -> RealcozeError:
    said = f"Coze answered HTTP {status} without its usual envelope."
    if status == 401:
        return UpstreamDenied(said, code="upstream_auth", hint=LOGIN_HINT)
    if status in (200, 403):
        return UpstreamDenied(said, code="upstream_blocked", hint=SIGNATURE_HINT)
    if status == 429:
        return RateLimited(said, retry_after_s=RETRY_AFTER_S, upstream_code=status)
    if 300 <= status < 400:
        return UpstreamFailed(said, code="upstream_protocol", hint=MOVED_HINT)
    return UpstreamFailed(said, code="upstream_protocol", hint=SIGNATURE_HINT)
