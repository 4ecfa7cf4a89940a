"""What the account was refused, and for how long it is not worth asking again.

An ended session stays ended: nothing is sent until the program is started with a new one.  A block
(risk control, region, a demand for signatures) keeps the account quiet for a minute, because asking
on is what gets accounts banned.
"""

from realcoze.errors import RealcozeError, UpstreamDenied

BLOCK_S = 60.0


class Standing:
    """One account's.  `now` is in seconds of a clock that does not go back."""

    def __init__(self) -> None:
        self._denial: UpstreamDenied | None = None
        self._until: float | None = None

    @property
    def reason(self) -> str | None:
        """Why the account is refused, for whoever looks after it; None when it is not."""
        return self._denial.message if self._denial else None

    def check(self, now: float) -> None:
        """Raise the standing refusal, if there is one."""
        if self._denial is None:
            return
        if self._until is None:
            raise _again(self._denial, None)
        if now < self._until:
            raise _again(self._denial, self._until - now)
        self._denial = self._until = None

    def note(self, error: RealcozeError, now: float) -> None:
        """Remember a refusal; other errors say nothing about the account."""
        if not isinstance(error, UpstreamDenied):
            return
        self._denial = error
        self._until = None if error.code == "upstream_auth" else now + BLOCK_S


def _again(denial: UpstreamDenied, retry_after_s: float | None) -> UpstreamDenied:
    return UpstreamDenied(
        denial.message,
        code=denial.code,
        hint=denial.hint,
        retry_after_s=retry_after_s,
        upstream_code=denial.upstream_code,
    )
