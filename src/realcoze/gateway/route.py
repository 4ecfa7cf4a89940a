"""Which bot a name means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from realcoze.domain.ids import ANY_BOT, CHATFLOW, WORKFLOW, BotName
from realcoze.domain.ports import Chats
from realcoze.errors import NotFound

_BEGINNINGS = (ANY_BOT, WORKFLOW, CHATFLOW)
_ANY_BOT = re.compile(rf"(?:{'|'.join(_BEGINNINGS)})[0-9]{{1,20}}")
_BY_ID = re.compile(rf"{ANY_BOT}[0-9]{{1,20}}")
_BARE_ID = re.compile(r"[0-9]{15,20}")

NAME_CHARACTERS = 200
"""The longest name that every face takes."""

MOST_TOLD = 100
"""Names that an error lists."""

ONLY_BOT = BotName("coze")
"""How the bot is listed when there is no table of bots; then every name reaches it."""


@dataclass(frozen=True, slots=True)
class Routes:
    """`bots` is the table, in the order of the settings; without a table `catches_all`.

    `any_bot` is who speaks for bots that are named by their id alone.  `aliases` are more names of bots
    of the table.
    """

    bots: Mapping[BotName, Chats]
    catches_all: bool = False
    any_bot: Chats | None = None
    aliases: Mapping[BotName, BotName] = field(default_factory=dict)

    @property
    def catch_all(self) -> BotName | None:
        """The first bot, where it answers to every name that is no bot's."""
        return next(iter(self.bots), None) if self.catches_all else None

    def has(self, name: BotName) -> bool:
        """The name stands in the settings, or is none and there is a first bot."""
        return name in self.bots or name in self.aliases or bool(self.bots and not name)

    def route(self, name: BotName, *, others: Sequence[BotName] = ()) -> tuple[BotName, Chats]:
        """The bot's own name and who speaks for it.

        No name means the first bot.  Raises `NotFound`, which lists the names there are and `others`, or says
        how to write an id: who names a bot by it must not be answered by another.
        """
        name = self.aliases.get(name, name)
        if self.any_bot is not None and name not in self.bots:
            is_by_id = name.startswith(_BEGINNINGS)
            if is_by_id and _ANY_BOT.fullmatch(name):
                return name, self.any_bot
            if is_by_id or _BARE_ID.fullmatch(name):
                raise NotFound(f"There is no bot {name[:80]!r}.", code="model_not_found", hint=_how_to_write(name))
        if self.bots and (self.catches_all or not name):
            first = next(iter(self.bots))
            return first, self.bots[first]
        if name not in self.bots:
            hint = _which_there_are([*self.bots, *others])
            raise NotFound(f"There is no bot {name[:80]!r}.", code="model_not_found", hint=hint)
        return name, self.bots[name]


def can_be_name(name: BotName) -> bool:
    """Callers can write it, and it looks like nobody's id."""
    is_text = name.isprintable() and name == name.strip() and 0 < len(name) <= NAME_CHARACTERS
    return is_text and not name.startswith(_BEGINNINGS) and not _BARE_ID.fullmatch(name)


def can_be_found(name: BotName) -> bool:
    """A bot that stands in no settings may answer to it: none, a name or `bot-<id>`."""
    return not name or can_be_name(name) or bool(_BY_ID.fullmatch(name))


def _which_there_are(names: Sequence[BotName]) -> str:
    if not names:
        return "None is known here: publish one to the API at Coze, or look into the log."
    return f"The bots here are: {', '.join(names[:MOST_TOLD])}{', …' if len(names) > MOST_TOLD else '.'}"


def _how_to_write(name: BotName) -> str:
    if name.startswith(ANY_BOT):
        return f"After {ANY_BOT} comes the bot's id, the number behind /bot/ in the address of its page."
    for beginning in (WORKFLOW, CHATFLOW):
        if name.startswith(beginning):
            return f"After {beginning} comes an id, the number behind workflow_id= in the address of its page."
    return f"To name a bot by its id, write {ANY_BOT}{name}."


@dataclass(frozen=True, slots=True)
class Onward:
    """Every name goes on as it is, to an upstream that knows its bots itself."""

    chats: Chats

    @property
    def bots(self) -> tuple[BotName, ...]:
        """None that are known here."""
        return ()

    @property
    def aliases(self) -> Mapping[BotName, BotName]:
        """Likewise."""
        return {}

    @property
    def catch_all(self) -> BotName | None:
        """None that is known here."""
        return None

    def has(self, name: BotName) -> bool:  # noqa: ARG002 - see `Routes`
        """Likewise, so that nothing needs to be looked up."""
        return True

    def route(self, name: BotName, *, others: Sequence[BotName] = ()) -> tuple[BotName, Chats]:  # noqa: ARG002
        """See `Routes.route`; never raises."""
        return name, self.chats
