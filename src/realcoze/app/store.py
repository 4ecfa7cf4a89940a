"""`[store]` and `history`: which bots go on with Coze's conversations, and where it is remembered how.

Described for its users in docs/conversations.md and docs/settings.md.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from realcoze.app.accounts import Seconds
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.continued import Continuity
from realcoze.gateway.continuity import History
from realcoze.gateway.places import KEEP_S
from realcoze.stores.memory import MemoryStore
from realcoze.stores.sqlite import open_sqlite

FILE_NAME = "conversations.sqlite"
"""In the folder for state, where the settings name no other file."""

HISTORIES: tuple[History, ...] = ("replay", "continue")


class Store(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[store]`: where it is remembered which conversation a client is in, and for how long (seconds)."""

    kind: Literal["sqlite", "memory"] = "sqlite"
    path: str = ""
    keep_s: Seconds = KEEP_S


def history_of(text: str) -> History:
    """What REALCOZE_HISTORY says.  Raises `Misconfigured`."""
    for history in HISTORIES:
        if text.strip().lower() == history:
            return history
    raise Misconfigured(f"REALCOZE_HISTORY is {text[:40]!r}.", hint=f"It is one of: {', '.join(HISTORIES)}.")


def no_conversations(bot: str, why: str) -> Misconfigured:
    """The error of a bot that is to go on with conversations where there are none."""
    return Misconfigured(
        f'The bot {bot!r} has history = "continue", and {why}.',
        hint='Leave it at history = "replay": everything is sent each time, and nothing is forgotten.',
    )


@asynccontextmanager
async def open_continuity(
    store: Store, histories: Mapping[BotName, History], state_dir: Path
) -> AsyncIterator[Continuity]:
    """What the gateway needs to go on with conversations, for as long as the block lasts.

    Without a bot that does there is no file: what a question waits for outlasts no restart then.  Raises
    `Misconfigured`.
    """
    if store.kind == "memory" or "continue" not in histories.values():
        yield Continuity(MemoryStore(), histories, keep_s=store.keep_s)
        return
    path = Path(store.path) if store.path else state_dir / FILE_NAME
    async with open_sqlite(path) as opened:
        yield Continuity(opened, histories, keep_s=store.keep_s)
