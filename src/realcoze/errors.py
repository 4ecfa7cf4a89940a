"""The one tree of errors: whose fault it is, and what to do about it.

    RealcozeError
    ├── CallerFault       the request cannot be answered as it stands
    │   ├── BadRequest        not understood, or asks what the upstream cannot do
    │   ├── TooLarge          over one of our limits, or one of Coze's
    │   ├── ContextTooLong    the conversation does not fit the model
    │   ├── ContentRefused    stopped by Coze's content rules
    │   ├── Unauthorized      our own key is missing or wrong
    │   ├── NotFound          no such bot, conversation or file
    │   └── Busy              the conversation already runs a turn
    ├── OurFault          this program cannot do its part
    │   ├── Overloaded        shed: too many turns, or draining
    │   ├── Misconfigured     a setting is missing or wrong; the program does not start
    │   └── Internal          a defect of ours
    └── UpstreamFault     Coze did not do its part
        ├── RateLimited       too fast for the account
        ├── QuotaExhausted    nothing left on the account
        ├── UpstreamDenied    session, token, scope, region or signature refused
        ├── UpstreamFailed    unreachable, or an answer nobody can use
        ├── UpstreamTimeout   a deadline passed
        └── Truncated         the answer ended before it was complete

A class exists because a face answers differently for it; everything finer is a fact on the
object.  Messages name the value, what was expected and what to do; never a secret, never what a
user said.  Which HTTP status a class has is the business of each face's dialect.

Source of the classes: the error table in docs/errors.md.
"""

from typing import ClassVar


class RealcozeError(Exception):
    """Anything that went wrong, with its facts.

    `code` is for programs and stable; `hint` tells a person what to do; `retry_after_s` is in
    seconds; `retryable` says that the same call may succeed later, and that this one cost nothing;
    `upstream_code` and `logid` are Coze's own, where it gave any.
    """

    default_code: ClassVar[str] = "error"
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        upstream_code: int | None = None,
        logid: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.retryable = self.default_retryable if retryable is None else retryable
        self.retry_after_s = retry_after_s
        self.upstream_code = upstream_code
        self.logid = logid


class CallerFault(RealcozeError):
    """The request cannot be answered as it stands."""


class BadRequest(CallerFault):
    """The request was not understood, or asks what the upstream cannot do."""

    default_code = "bad_request"


class TooLarge(CallerFault):
    """A body or a file is over one of the limits."""

    default_code = "request_too_large"


class ContextTooLong(CallerFault):
    """The conversation does not fit the bot's model."""

    default_code = "context_length_exceeded"


class ContentRefused(CallerFault):
    """Coze's content rules stopped the question or the answer."""

    default_code = "content_filter"


class Unauthorized(CallerFault):
    """Our own key is missing or wrong."""

    default_code = "invalid_api_key"


class NotFound(CallerFault):
    """There is no such bot, conversation or file, or it is not this caller's."""

    default_code = "not_found"


class Busy(CallerFault):
    """The conversation already runs a turn."""

    default_code = "conversation_busy"
    default_retryable = True


class OurFault(RealcozeError):
    """This program cannot do its part."""


class Overloaded(OurFault):
    """Shed: every place is taken and the queue is full, or the server is draining."""

    default_code = "overloaded"
    default_retryable = True


class Misconfigured(OurFault):
    """A setting is missing or wrong; the program does not start."""

    default_code = "misconfigured"


class Internal(OurFault):
    """A defect of ours; the log has the traceback."""

    default_code = "internal_error"


class UpstreamFault(RealcozeError):
    """Coze did not do its part."""


class RateLimited(UpstreamFault):
    """The account is being called too fast."""

    default_code = "rate_limited"
    default_retryable = True


class QuotaExhausted(UpstreamFault):
    """The account has nothing left to spend."""

    default_code = "insufficient_quota"


class UpstreamDenied(UpstreamFault):
    """Session, token, scope, region or signature was refused."""

    default_code = "upstream_auth"


class UpstreamFailed(UpstreamFault):
    """Coze is unreachable, or gave an answer nobody can use."""

    default_code = "upstream_error"


class UpstreamTimeout(UpstreamFault):
    """A deadline passed while waiting for Coze."""

    default_code = "upstream_timeout"


class Truncated(UpstreamFault):
    """The answer ended before it was complete: what came so far is not the whole."""

    default_code = "upstream_truncated"
