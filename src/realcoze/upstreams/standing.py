"""What the account was refused, and for how long it is not worth asking again.

An ended session stays ended, and so does a token that Coze does not know: nothing is sent until the
program is started with a new one.  A block (risk control, region, a demand for signatures) keeps the
account quiet for a minute, because asking on is what gets accounts banned; and so does a 401 that does
not come from Coze itself, or one of an account whose tokens are renewed.
"""

from copy import copy

from realcoze.errors import RealcozeError, UpstreamDenied

BLOCK_S = 60.0


class Standing:
    """One account's.  `now` is in seconds of a clock that does not go back.

    `can_end` unless the account gets new tokens by itself.
    """

    def __init__(self, *, can_end: bool = True) -> None:
        self._can_end = can_end
        self._denial: UpstreamDenied | None = None
        self._until: float | None = None

    def reason(self, now: float) -> str | None:
        """Why the account is refused, for whoever looks after it; None when it is not."""
        denial = self._standing(now)
        return denial.message if denial else None

    def check(self, now: float) -> None:
        """Raise the standing refusal, if there is one."""
        if self._denial is None:
            return
        denial = self._standing(now)
        if denial is not None:
            again = copy(denial)
            again.retry_after_s = None if self._until is None else self._until - now
            raise again

    def note(self, error: RealcozeError, now: float) -> None:
        """Remember a refusal, which then says how long it stands; other errors say nothing about the account.

        While one stands, another does not prolong it, and only an ended session takes its place.
        """
        if not isinstance(error, UpstreamDenied):
            return
        is_final = self._can_end and error.code == "upstream_auth" and error.upstream_code is not None
        if self._standing(now) is None or is_final:
            self._denial = copy(error)
            self._until = None if is_final else now + BLOCK_S
        error.retry_after_s = None if self._until is None else self._until - now

    def _standing(self, now: float) -> UpstreamDenied | None:
        return self._denial if self._until is None or now < self._until else None
