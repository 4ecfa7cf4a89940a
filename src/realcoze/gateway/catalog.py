"""Bots that stand in no settings: an account is asked for them when somebody wants one, and the list is kept a while.

The names of the settings need none of this and never wait for it.
"""

import logging
import re
from collections.abc import Callable, Collection, Sequence

import anyio
from anyio.abc import TaskGroup

from realcoze.domain.ids import ANY_BOT, BotName
from realcoze.domain.ports import Catalog, Chats, Published
from realcoze.errors import RealcozeError, UpstreamTimeout
from realcoze.gateway.route import can_be_name

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""How long a list is good."""

PAUSE_S = 60.0
"""After a lookup that failed, until the next one."""

LOOKUP_S = 30.0
"""The longest that one may take, with all its pages."""

_ID = re.compile(r"[0-9]{1,20}")


class Shelf:
    """The bots of one account, looked up by one task for all who wait.

    A lookup that fails leaves what was known; the first failure of several in a row is a warning.  A caller
    that leaves does not stop the lookup that it waited for: that runs in `tasks`.
    """

    def __init__(
        self,
        account: str,
        catalog: Catalog,
        tasks: TaskGroup,
        *,
        lookup_s: float = LOOKUP_S,
        now: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._account = account
        self.catalog = catalog
        self._tasks = tasks
        self._lookup_s = lookup_s
        self._now = now
        self.known: tuple[Published, ...] = ()
        """As of the last lookup that went well."""
        self._look_at = float("-inf")
        self._running: anyio.Event | None = None
        self._has_failed = False

    def begin(self) -> None:
        """Have them looked up, unless that is being done, was done within `KEPT_S` or failed within `PAUSE_S`."""
        if self._running is None and self._now() >= self._look_at:
            self._running = anyio.Event()
            self._tasks.start_soon(self._look, self._running)

    async def wait(self) -> None:
        """Return when no lookup runs."""
        if self._running is not None:
            await self._running.wait()

    async def _look(self, done: anyio.Event) -> None:
        try:
            self.known = await self._published()
            self._look_at, self._has_failed = self._now() + KEPT_S, False
        except RealcozeError as error:
            self._put_off(error.message)
        except Exception:
            log.exception("a defect stopped the lookup of the bots of %s", self._account)
            self._put_off("something here is broken")
        finally:
            self._running = None
            done.set()

    async def _published(self) -> tuple[Published, ...]:
        with anyio.move_on_after(self._lookup_s):
            return tuple(await self.catalog.published())
        raise UpstreamTimeout(f"the list was not there within {self._lookup_s:.0f} s")

    def _put_off(self, why: str) -> None:
        level = logging.INFO if self._has_failed else logging.WARNING
        log.log(level, "the bots of %s could not be looked up, %d stay known: %s", self._account, len(self.known), why)
        self._look_at, self._has_failed = self._now() + PAUSE_S, True


class Discovery:
    """All that was found, under names of their own.

    A bot is listed by its name at Coze, or where that is taken or means something else as `bot-<id>`; either
    way it answers to `bot-<id>` too.  `names` and `ids` are those of the settings: what has one of them is left
    out.  Of two bots of one name the older has it: ids grow.
    """

    def __init__(self, shelves: Sequence[Shelf], *, names: Collection[str], ids: Collection[str]) -> None:
        self._shelves = shelves
        self._names = names
        self._ids = ids
        self._made_of: tuple[tuple[Published, ...], ...] = ()
        self._table: dict[BotName, tuple[BotName, Chats]] = {}
        self._listed: tuple[BotName, ...] = ()

    async def names(self) -> tuple[BotName, ...]:
        """How they are listed, from the oldest on of each account.  Never raises for a lookup that fails."""
        for shelf in self._shelves:
            shelf.begin()
        for shelf in self._shelves:
            await shelf.wait()
        known = tuple(shelf.known for shelf in self._shelves)
        if known != self._made_of:
            self._arrange()
            self._made_of = known
        return self._listed

    async def find(self, name: BotName) -> tuple[BotName, Chats] | None:
        """`bot-<id>` and who speaks for it; the first bot for no name, None for a name that was not found."""
        listed = await self.names()
        return self._table.get(name or (listed[0] if listed else name))

    def _arrange(self) -> None:
        table: dict[BotName, tuple[BotName, Chats]] = {}
        listed: list[BotName] = []
        for shelf in self._shelves:
            for bot in sorted(shelf.known, key=lambda bot: (len(bot.id), bot.id)):
                by_id = BotName(ANY_BOT + bot.id)
                if not _ID.fullmatch(bot.id) or bot.id in self._ids or by_id in self._names or by_id in table:
                    continue
                own = BotName(bot.name)
                name = own if can_be_name(own) and own not in self._names and own not in table else by_id
                table[name] = table[by_id] = (by_id, shelf.catalog)
                listed.append(name)
        self._table, self._listed = table, tuple(listed)
