"""Where the token of a call comes from: given once, or renewed while the program runs."""

import logging
import random
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from realcoze.errors import Internal, RealcozeError, UpstreamFailed
from realcoze.tasks import SharedWork
from realcoze.upstreams.credentials import Secret

log = logging.getLogger(__name__)

RENEW_AT = 0.8
"""Of its life; ±10 % of that, so that many programs do not ask together."""

JITTER = 0.1
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""After a renewal that failed, until the next one; twice as long each time."""

FRESH_S = 60.0
"""Two refusals within it are no matter of age: a new token will not help."""


class Tokens(Protocol):
    """The token of one account."""

    async def current(self) -> Secret:
        """The token for a call that is made now.  Raises a `RealcozeError` when there is none to be had."""

    def refuse(self, token: Secret) -> bool:
        """Coze did not take this token; True when `current` will give another one, so that asking again makes sense."""


class StaticToken:
    """A token that was given, and stays."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def current(self) -> Secret:
        return self._token

    def refuse(self, token: Secret) -> bool:  # noqa: ARG002 - there is only the one
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A token and how long it lives from now on, in seconds."""

    token: Secret
    life_s: float


class Renewal(Protocol):
    """A way to get tokens, one after another."""

    async def renew(self) -> Lease:
        """A token that is not the one before.  Raises a `RealcozeError`."""


class RenewedToken:
    """A token that is renewed before it dies, by one task for all callers.

    While a renewal fails and the token still lives, it is used.  A caller that leaves does not stop the
    renewal that it waited for: that runs in `tasks`.
    """

    def __init__(
        self,
        renewal: Renewal,
        tasks: TaskGroup,
        *,
        now: Callable[[], float] = anyio.current_time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._renewal = renewal
        self._renewing = SharedWork(tasks, self._renew)
        self._now = now
        self._chance = chance
        self._token: Secret | None = None
        self._renew_at = self._dies_at = 0.0
        self._failure: RealcozeError | None = None
        self._pause_s = 0.0
        self._ask_at = self._refused_at = float("-inf")

    async def current(self) -> Secret:
        """See `Tokens`."""
        if self._now() >= self._renew_at:
            self._begin()
        token = self._living()
        if token is None:
            await self._renewing.wait()
            token = self._living()
        if token is not None:
            return token
        failure = self._failure or UpstreamFailed("Coze's token lived for no time at all.")
        # One failure is raised to many callers, each of which adds to what it raises.
        raise copy(failure) from failure

    def refuse(self, token: Secret) -> bool:
        """See `Tokens`; the token is dropped, unless it was the second one within `FRESH_S`."""
        if token is not self._token:
            return True
        is_fresh = self._now() - self._refused_at < FRESH_S
        self._refused_at = self._now()
        if is_fresh:
            return False
        self._token, self._renew_at = None, self._now()
        return True

    def _living(self) -> Secret | None:
        return self._token if self._now() < self._dies_at else None

    def _begin(self) -> None:
        """Have it renewed, unless that is being done, or was tried in vain a moment ago."""
        if self._now() >= self._ask_at:
            self._renewing.begin()

    async def _renew(self) -> None:
        try:
            self._keep(await self._renewal.renew())
        except RealcozeError as error:
            self._put_off(error)
        except Exception:
            log.exception("a defect stopped the renewal of a token")
            self._put_off(Internal("Something here is broken; the log has the details."))

    def _keep(self, lease: Lease) -> None:
        if lease.life_s <= 0:
            raise UpstreamFailed(
                "Coze gave a token that is dead already.",
                code="upstream_protocol",
                hint="Look at this machine's clock, and at status pages of Coze.",
            )
        now = self._now()
        self._token, self._dies_at = lease.token, now + lease.life_s
        self._renew_at = now + lease.life_s * RENEW_AT * (1 + JITTER * (2 * self._chance() - 1))
        self._failure, self._pause_s, self._ask_at = None, 0.0, now

    def _put_off(self, error: RealcozeError) -> None:
        self._failure = error
        self._pause_s = min(max(2 * self._pause_s, PAUSE_S), LONGEST_PAUSE_S)
        self._ask_at = self._now() + self._pause_s
        left_s = max(self._dies_at - self._now(), 0) if self._token else 0
        log.warning(
            "a token could not be renewed (%s); the one there is lives for %.0f s; next try in %.0f s",
            error.message,
            left_s,
            self._pause_s,
        )
