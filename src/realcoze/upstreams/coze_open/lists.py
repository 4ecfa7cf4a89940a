"""The workspaces and published bots of an account, all pages of them.

Source: docs/protocol/openapi-v3.md §9; Coze Studio has no such calls (docs/protocol/studio-web.md §5.1).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from realcoze.dialects.coze_open.catalog import PAGE_SIZE, ListedBot, Workspace
from realcoze.dialects.coze_open.failure import NO_PERMISSION
from realcoze.errors import NotFound, QuotaExhausted, RateLimited, RealcozeError, UpstreamDenied
from realcoze.upstreams.coze_open.calls import Calls

log = logging.getLogger(__name__)

NO_SUCH_CALL = 404
"""Coze Studio's code for a path that it does not know."""

MOST = 10_000
"""What is read of one list, however long it says that it is."""

_OF_THE_ACCOUNT = (UpstreamDenied, QuotaExhausted, RateLimited)
"""What the next workspace would meet as well; but a missing permission may be that of one."""


class Lists:
    """Each page of up to 50 is one call.  Raises `RealcozeError`s, `NotFound` where there are no lists."""

    def __init__(self, calls: Calls, *, base: str) -> None:
        self._calls = calls
        self._base = base

    async def workspaces(self) -> list[Workspace]:
        found: list[Workspace] = []
        total, page = 1, 1
        while len(found) < min(total, MOST):
            with self._telling():
                more, total = await self._calls.workspaces(page)
            if not more:
                break
            found += more
            page += 1
        return found

    async def bots(self, workspace_id: str) -> list[ListedBot]:
        """Those of one workspace."""
        found: list[ListedBot] = []
        total, page = 1, 1
        while len(found) < min(total, MOST):
            with self._telling():
                more, total = await self._calls.bots(workspace_id, page)
            found += more
            if len(more) < PAGE_SIZE:
                break
            page += 1
        return found

    async def all_bots(self) -> list[ListedBot]:
        """Those of all workspaces but the ones that fail, which the log counts; one at least does not.

        What concerns the token or the whole account ends it.
        """
        found: list[ListedBot] = []
        failures: list[RealcozeError] = []
        workspaces = await self.workspaces()
        for workspace in workspaces:
            try:
                found += await self.bots(str(workspace.id))
            except RealcozeError as error:
                if isinstance(error, _OF_THE_ACCOUNT) and error.code != NO_PERMISSION:
                    raise
                failures.append(error)
        if failures and len(failures) == len(workspaces):
            raise next((error for error in failures if error.code != NO_PERMISSION), failures[0])
        if failures:
            is_usual = all(error.code == NO_PERMISSION for error in failures)
            level = logging.INFO if is_usual else logging.WARNING
            told = (len(failures), len(workspaces), failures[-1].message)
            log.log(level, "the bots of %d of %d workspaces could not be listed: %s", *told)
        return found

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except RealcozeError as error:
            if error.upstream_code != NO_SUCH_CALL:
                raise
            raise NotFound(
                f"{self._base} has no list of bots; Coze Studio has none.",
                hint="Take the bot's id from the address of its page: COZE_BOT_ID, or bot_id in realcoze.toml.",
            ) from error
