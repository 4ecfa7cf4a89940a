"""Bots that stand in no settings: an account is asked for them when somebody wants one, and the list is kept a while.

The names of the settings need none of this and never wait for it; nor does a bot that was found before, or
who lists them when a list is there: a newer one is read in the background.
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
from realcoze.tasks import SharedWork

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""How long a list is good."""

PAUSE_S = 60.0
"""After a lookup that failed, until the next one; twice as long after each more in a row, `KEPT_S` at most."""

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
        self._lookup = SharedWork(tasks, self._look)
        self._lookup_s = lookup_s
        self._now = now
        self.known: tuple[Published, ...] = ()
        """As of the last lookup that went well."""
        self._look_at = float("-inf")
        self._has_looked = False
        self._pause_s = PAUSE_S

    def begin(self) -> None:
        """Have them looked up, unless that is being done, is not due yet, or `tasks` is being closed."""
        if self._now() >= self._look_at:
            self._lookup.begin()

    async def wait(self) -> None:
        """Return when no lookup runs."""
        await self._lookup.wait()

    async def wait_for_first(self) -> None:
        """Return when no lookup runs or one has ended before, well or not."""
        if not self._has_looked:
            await self.wait()

    async def _look(self) -> None:
        try:
            self.known = await self._published()
            self._look_at, self._pause_s = self._now() + KEPT_S, PAUSE_S
        except RealcozeError as error:
            self._put_off(error.message)
        except Exception:
            log.exception("a defect stopped the lookup of the bots of %s", self._account)
            self._put_off("something here is broken")
        finally:
            self._has_looked = True

    async def _published(self) -> tuple[Published, ...]:
        with anyio.move_on_after(self._lookup_s):
            return tuple(await self.catalog.published())
        raise UpstreamTimeout(f"the list was not there within {self._lookup_s:.0f} s")

    def _put_off(self, why: str) -> None:
        level = logging.INFO if self._pause_s > PAUSE_S else logging.WARNING
        log.log(level, "the bots of %s could not be looked up, %d stay known: %s", self._account, len(self.known), why)
        self._look_at, self._pause_s = self._now() + self._pause_s, min(2 * self._pause_s, KEPT_S)


class Discovery:
    """All that was found, under names of their own.

    A bot is listed by its name at Coze, or where that is taken or means something else as `bot-<id>`; either
    way it answers to `bot-<id>` too.  `names` and `ids` are those of the settings: a bot whose id is among them
    answers to nothing but `bot-<id>`.  Of two bots of one name that of the first account has it, and within
    one the older: ids grow.
    """

    def __init__(self, shelves: Sequence[Shelf], *, names: Collection[str], ids: Collection[str]) -> None:
        self._shelves = shelves
        self._names = names
        self._ids = ids
        self._made_of: tuple[tuple[Published, ...], ...] = ()
        self._table: dict[BotName, tuple[BotName, Chats]] = {}
        self._listed: tuple[BotName, ...] = ()

    @property
    def listed(self) -> tuple[BotName, ...]:
        """How those that are known are listed, from the oldest on of each account."""
        self._arrange()
        return self._listed

    async def names(self) -> tuple[BotName, ...]:
        """As `listed`, of a lookup if there are none.  Never raises for a lookup that fails."""
        await self._begin()
        if not self.listed:
            await self._wait()
        return self.listed

    async def find(self, name: BotName) -> tuple[BotName, Chats] | None:
        """`bot-<id>` and who speaks for it; the first bot for no name, None for a name that was not found.

        Only who asks for a name that is not known waits for a lookup.
        """
        await self._begin()
        if (found := self._known(name)) is None:
            await self._wait()
            found = self._known(name)
        return found

    async def _begin(self) -> None:
        """Before each account has told once, nobody knows which of two bots of one name is meant."""
        for shelf in self._shelves:
            shelf.begin()
        for shelf in self._shelves:
            await shelf.wait_for_first()

    async def _wait(self) -> None:
        for shelf in self._shelves:
            await shelf.wait()

    def _known(self, name: BotName) -> tuple[BotName, Chats] | None:
        listed = self.listed
        return self._table.get(name or (listed[0] if listed else name))

    def _arrange(self) -> None:
        known = tuple(shelf.known for shelf in self._shelves)
        if known == self._made_of:
            return
        table: dict[BotName, tuple[BotName, Chats]] = {}
        listed: list[BotName] = []
        for shelf in self._shelves:
            for bot in sorted(shelf.known, key=lambda bot: (len(bot.id), bot.id)):
                by_id = BotName(ANY_BOT + bot.id)
                if not _ID.fullmatch(bot.id) or by_id in self._names or by_id in table:
                    continue
                if bot.id in self._ids:
                    table[by_id] = (by_id, shelf.catalog)
                    continue
                own = BotName(bot.name)
                name = own if can_be_name(own) and own not in self._names and own not in table else by_id
                table[name] = table[by_id] = (by_id, shelf.catalog)
                listed.append(name)
        self._made_of, self._table, self._listed = known, table, tuple(listed)
