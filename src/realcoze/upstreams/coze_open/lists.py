"""The workspaces and published bots of an account, all pages of them.

Source: docs/protocol/openapi-v3.md §9; Coze Studio has no such calls (docs/protocol/studio-web.md §5.1).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from realcoze.dialects.coze_open.catalog import PAGE_SIZE, ListedBot, Workspace
from realcoze.dialects.coze_open.failure import NO_PERMISSION
from realcoze.errors import NotFound, RealcozeError, UpstreamDenied
from realcoze.upstreams.coze_open.calls import Calls

log = logging.getLogger(__name__)

NO_SUCH_CALL = 404
"""Coze Studio's code for a path that it does not know."""

MOST = 10_000
"""What is read of one list, however long it says that it is."""


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
        """Those of all workspaces but the ones that the token may not look into; it may look into one at least."""
        found: list[ListedBot] = []
        refusals: list[UpstreamDenied] = []
        workspaces = await self.workspaces()
        for workspace in workspaces:
            try:
                found += await self.bots(str(workspace.id))
            except UpstreamDenied as error:
                if error.code != NO_PERMISSION:
                    raise
                refusals.append(error)
        if refusals and len(refusals) == len(workspaces):
            raise refusals[0]
        if refusals:
            log.info("the token may not list the bots of %d of %d workspaces", len(refusals), len(workspaces))
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
