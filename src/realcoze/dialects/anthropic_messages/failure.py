"""Errors as the Messages API has them: `{"type": "error", "error": {"type", "message", "details"}, "request_id"}`.

`details.error_code` is our own code, which the official SDK shows as `error_code`.

Source: the table in docs/errors.md, column Anthropic.
"""

import msgspec

from realcoze import errors
from realcoze.dialects.statuses import told
from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError

_OUTCOMES: dict[type[RealcozeError], tuple[int, str]] = {
    errors.BadRequest: (400, "invalid_request_error"),
    errors.TooLarge: (413, "request_too_large"),
    errors.ContextTooLong: (400, "invalid_request_error"),
    errors.ContentRefused: (400, "invalid_request_error"),
    errors.Unauthorized: (401, "authentication_error"),
    errors.NotFound: (404, "not_found_error"),
    errors.Busy: (429, "rate_limit_error"),
    errors.RateLimited: (429, "rate_limit_error"),
    errors.Overloaded: (529, "overloaded_error"),
    errors.QuotaExhausted: (429, "rate_limit_error"),
    errors.UpstreamTimeout: (504, "timeout_error"),
}
"""The status and the type of an error; all others are 500 and `api_error`."""

_MONEY = frozenset({4011, 4019, 4022, 4027, 4028, 702082020, 702095072})
"""Coze's codes of an account that must pay; the other quotas come back by themselves."""

_REFUSALS = {403: "permission_error", 404: "not_found_error", 413: "request_too_large"}


class _Details(msgspec.Struct):
    error_code: str


class _Error(msgspec.Struct):
    type: str
    message: str
    details: _Details


class _Body(msgspec.Struct, tag_field="type", tag="error"):
    error: _Error
    request_id: str


FAILURE = _Body
"""What the body of an error is, for who describes this API."""


def status_of(error: RealcozeError) -> int:
    """The HTTP status of an error that comes before the answer has begun."""
    return _outcome(error)[0]


def encode_error(error: RealcozeError, request_id: RequestId) -> bytes:
    """The whole body, and the data of an `error` event; its message has all that helps."""
    return _body(_outcome(error)[1], told(error), error.code, request_id)


def encode_refusal(status: int, code: str, message: str, request_id: RequestId) -> bytes:
    """The same body for a refusal of HTTP itself, which is no error of a turn: path, method, host."""
    return _body(_REFUSALS.get(status, "invalid_request_error"), message, code, request_id)


def _outcome(error: RealcozeError) -> tuple[int, str]:
    if isinstance(error, errors.QuotaExhausted) and error.upstream_code in _MONEY:
        return 402, "billing_error"
    return _OUTCOMES.get(type(error), (500, "api_error"))


def _body(kind: str, message: str, code: str, request_id: RequestId) -> bytes:
    return msgspec.json.encode(_Body(_Error(kind, message, _Details(code)), request_id))
