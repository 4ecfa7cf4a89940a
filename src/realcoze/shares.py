"""Places that callers wait for: so many in all, and of them a share for each."""

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import anyio

from realcoze.domain.ids import CallerId
from realcoze.errors import Overloaded

RETRY_AFTER_S = 5.0


class Shares:
    """`most` places, `share` of them for one caller; `what` is being done in them.

    Without keys all callers have the same name, which is empty, and no share.
    """

    def __init__(self, most: int, *, share: int, wait_s: float, what: str, hint: str) -> None:
        self._most = most
        self._share = share
        self._wait_s = wait_s
        self._what = what
        self._hint = hint
        self._all = anyio.Semaphore(most)
        # As many as there are keys, and so never cleared.
        self._of_one: defaultdict[CallerId, anyio.Semaphore] = defaultdict(partial(anyio.Semaphore, share))

    @asynccontextmanager
    async def place(self, caller: CallerId) -> AsyncIterator[None]:
        """A place for as long as the block lasts.  Raises `Overloaded` for who waits longer than `wait_s` seconds."""
        async with AsyncExitStack() as held:
            taken = f"{self._share} {self._what} for one caller"
            try:
                with anyio.fail_after(self._wait_s):
                    if caller:
                        await held.enter_async_context(self._of_one[caller])
                    taken = f"{self._most} {self._what}"
                    await held.enter_async_context(self._all)
            except TimeoutError as error:
                raise Overloaded(
                    f"{taken}, and no place was free for {self._wait_s:g} seconds.",
                    hint=self._hint,
                    retry_after_s=RETRY_AFTER_S,
                ) from error
            yield
