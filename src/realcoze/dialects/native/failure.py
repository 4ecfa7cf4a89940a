"""Errors on the native API: `{"error": {"code", "message", "hint"?, "request_id", "retry_after"?}}`.

Source: the table in docs/errors.md, whose column for OpenAI is ours too.
"""

import msgspec

from realcoze import errors
from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError

_STATUS: dict[type[RealcozeError], int] = {
    errors.BadRequest: 400,
    errors.TooLarge: 413,
    errors.ContextTooLong: 400,
    errors.ContentRefused: 400,
    errors.Unauthorized: 401,
    errors.NotFound: 404,
    errors.Busy: 409,
    errors.RateLimited: 429,
    errors.Overloaded: 503,
    errors.QuotaExhausted: 429,
    errors.UpstreamDenied: 502,
    errors.UpstreamFailed: 502,
    errors.UpstreamTimeout: 504,
    errors.Truncated: 502,
    errors.Misconfigured: 500,
    errors.Internal: 500,
}
_STATUS_OF_CODE = {"upstream_blocked": 503}
_CLASS_OF_STATUS = {
    400: errors.BadRequest,
    401: errors.Unauthorized,
    404: errors.NotFound,
    409: errors.Busy,
    413: errors.TooLarge,
    429: errors.RateLimited,
    503: errors.Overloaded,
    504: errors.UpstreamTimeout,
}
_CLASS_OF_CODE: dict[str, type[RealcozeError]] = {kind.default_code: kind for kind in _STATUS} | {
    "model_not_found": errors.NotFound,
    "not_supported_by_upstream": errors.BadRequest,
    "socket_unavailable": errors.Overloaded,
    "too_many_connections": errors.RateLimited,
    "upstream_blocked": errors.UpstreamDenied,
    "upstream_forbidden": errors.UpstreamDenied,
    "push_lost": errors.Truncated,
}

RETRY_AFTER_S = range(1, 121)
"""What we ever tell a client to wait, in whole seconds."""


class ErrorBody(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    hint: str | None = None
    request_id: str = ""
    retry_after: int | None = None


class _Wrapped(msgspec.Struct):
    error: ErrorBody


_DECODER = msgspec.json.Decoder(_Wrapped)


def status_of(error: RealcozeError) -> int:
    """The HTTP status of an error that comes before the answer has begun."""
    return _STATUS_OF_CODE.get(error.code) or _STATUS.get(type(error), 500)


def retry_after_of(error: RealcozeError) -> int | None:
    """Whole seconds, within what we ever tell a client; None where waiting is no remedy."""
    if error.retry_after_s is None:
        return None
    return max(RETRY_AFTER_S.start, min(round(error.retry_after_s), RETRY_AFTER_S.stop - 1))


def error_body(error: RealcozeError, request_id: RequestId) -> ErrorBody:
    """The inner object, which stands in records and on the websocket too."""
    return ErrorBody(
        code=error.code,
        message=error.message,
        hint=error.hint,
        request_id=request_id,
        retry_after=retry_after_of(error),
    )


def encode_error(error: RealcozeError, request_id: RequestId) -> bytes:
    """The whole body."""
    return msgspec.json.encode(_Wrapped(error_body(error, request_id)))


def encode_refusal(code: str, message: str, request_id: RequestId) -> bytes:
    """The same body for a refusal of HTTP itself, which is no error of a turn: path, method, host."""
    return msgspec.json.encode(_Wrapped(ErrorBody(code, message, request_id=request_id)))


def decode_error(status: int, body: bytes) -> RealcozeError:
    """The error that an answer with this status and body stands for; never raises."""
    try:
        read = _DECODER.decode(body).error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return errors.UpstreamFailed(f"The server answered HTTP {status}.", code="upstream_protocol")
    return error_of(read, status)


def error_of(body: ErrorBody, status: int = 500) -> RealcozeError:
    """The error of an inner object; its class by its code, else by the status."""
    kind = _CLASS_OF_CODE.get(body.code) or _CLASS_OF_STATUS.get(status, errors.UpstreamFailed)
    return kind(body.message, code=body.code, hint=body.hint, retry_after_s=body.retry_after)
