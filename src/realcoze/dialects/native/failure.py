"""Errors on the native API: `{"error": {"code", "message", "hint"?, "request_id", "retry_after"?}}`.

Source: the table in docs/errors.md, whose column for OpenAI is ours too.
"""

import msgspec

from realcoze import errors
from realcoze.dialects.statuses import STATUS, retry_after_of
from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError

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
_CLASS_OF_CODE: dict[str, type[RealcozeError]] = {kind.default_code: kind for kind in STATUS} | {
    "model_not_found": errors.NotFound,
    "not_supported_by_upstream": errors.BadRequest,
    "socket_unavailable": errors.Overloaded,
    "too_many_connections": errors.RateLimited,
    "upstream_blocked": errors.UpstreamDenied,
    "upstream_forbidden": errors.UpstreamDenied,
    "push_lost": errors.Truncated,
}


class ErrorBody(msgspec.Struct, omit_defaults=True):
    code: str
    message: str
    hint: str | None = None
    request_id: str = ""
    retry_after: int | None = None


class _Wrapped(msgspec.Struct):
    error: ErrorBody


FAILURE = _Wrapped
"""What the body of an error is, for who describes this API."""

_DECODER = msgspec.json.Decoder(_Wrapped)


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
