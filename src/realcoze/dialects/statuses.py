"""What an error is in HTTP, for every dialect: its status, its words, how long to wait, whether to call again.

Source: the table in docs/errors.md; the column for OpenAI is everybody's status but Anthropic's.
"""

from realcoze import errors
from realcoze.errors import RealcozeError

STATUS: dict[type[RealcozeError], int] = {
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

_ENDS = (".", "!", "?", "…", "。", "\N{FULLWIDTH EXCLAMATION MARK}", "\N{FULLWIDTH QUESTION MARK}")

RETRY_AFTER_S = range(1, 121)
"""What we ever tell a client to wait, in whole seconds."""


def status_of(error: RealcozeError) -> int:
    """The HTTP status of an error that comes before the answer has begun."""
    return _STATUS_OF_CODE.get(error.code) or STATUS.get(type(error), 500)


def told(error: RealcozeError) -> str:
    """Message, hint and log id in one text, for clients that show nothing else."""
    text = error.message
    if error.hint:
        text = f"{text} {error.hint}" if text.endswith(_ENDS) else f"{text}. {error.hint}"
    return f"{text} (logid {error.logid})" if error.logid else text


def retry_after_of(error: RealcozeError) -> int | None:
    """Whole seconds, within what we ever tell a client; None where waiting is no remedy."""
    if error.retry_after_s is None:
        return None
    return max(RETRY_AFTER_S.start, min(round(error.retry_after_s), RETRY_AFTER_S.stop - 1))


def should_retry(error: RealcozeError) -> bool | None:
    """What the header `x-should-retry` says; None where it is left out, and the client decides by the status.

    False wherever a second call cannot help, or the first may have cost an answer already.
    """
    if isinstance(error, errors.Unauthorized):
        return None
    if not error.retryable:
        return False
    return True if isinstance(error, errors.Busy | errors.RateLimited | errors.Overloaded) else None


def retry_headers(error: RealcozeError) -> dict[str, str]:
    """Both as headers of the answer."""
    headers: dict[str, str] = {}
    if (retry_after := retry_after_of(error)) is not None:
        headers["retry-after"] = str(retry_after)
    if (again := should_retry(error)) is not None:
        headers["x-should-retry"] = "true" if again else "false"
    return headers
