"""Whether a call is made again, and when: only where nothing can have been executed, and within a budget.

A retry is paid from a bucket that calls which go well fill slowly, so that an outage is not answered
with twice the load.

Source: docs/reliability.md, "Retries".
"""

from realcoze.errors import Busy, Overloaded, RateLimited, RealcozeError

ATTEMPTS = 2
CAPACITY = 20.0
DEPOSIT = 0.1
SHORTEST_S, LONGEST_S = 0.25, 4.0
"""Of a wait.  A stream's status waits 5 s for the first content: where Coze answers at once, a refusal is one still."""

MOST_ASKED_S = 2.0
"""The longest Retry-After that is waited for here; whoever was told of it all at once is told apart by chance."""

UNREACHABLE = "upstream_unreachable"
"""The call never left."""


class RetryBudget:
    """One account's."""

    def __init__(self) -> None:
        self._tokens = CAPACITY

    def succeeded(self) -> None:
        """A call went well."""
        self._tokens = min(CAPACITY, self._tokens + DEPOSIT)

    def take(self) -> bool:
        """Pay for one retry; False when there is nothing to pay with."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def wait_before_retry(error: RealcozeError, chance: float) -> float | None:
    """Seconds to wait before the same call may be made again, None when it must not be.

    Only for an error that came before any event of the turn; `chance` is from 0 to 1.
    """
    if error.code != UNREACHABLE and not isinstance(error, RateLimited | Overloaded | Busy):
        return None
    wait_s = error.retry_after_s or 0.0
    if wait_s > MOST_ASKED_S:
        return None
    soonest_s = max(wait_s, SHORTEST_S)
    return soonest_s + chance * (LONGEST_S - soonest_s)
