"""`[store]` and `history`: which bots go on with Coze's conversations, and where it is remembered how.

Answers that can be asked for again are kept there too, and lists of files that were uploaded.

Described for its users in docs/conversations.md and docs/settings.md.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from realcoze.app.accounts import Seconds
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Store as Port
from realcoze.errors import Misconfigured
from realcoze.gateway.continued import Continuity
from realcoze.gateway.continuity import History
from realcoze.gateway.files import Files
from realcoze.gateway.kept import KEEP_S as RESPONSES_S
from realcoze.gateway.kept import Kept
from realcoze.gateway.places import KEEP_S
from realcoze.stores.memory import MemoryStore
from realcoze.stores.sqlite import open_sqlite

FILE_NAME = "conversations.sqlite"
"""In the folder for state, where the settings name no other file."""

HISTORIES: tuple[History, ...] = ("replay", "continue")


class Store(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[store]`: where it is remembered which conversation a client is in, and for how long (seconds).

    `responses_s` is how long a response of OpenAI's API can be asked for again; 0 keeps none.
    """

    kind: Literal["sqlite", "memory"] = "sqlite"
    path: str = ""
    keep_s: Seconds = KEEP_S
    responses_s: Seconds = RESPONSES_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What is remembered between two requests; `kept` is None where no response is."""

    continuity: Continuity
    kept: Kept | None
    files: Files


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
async def open_memory(store: Store, histories: Mapping[BotName, History], state_dir: Path) -> AsyncIterator[Memory]:
    """All that is remembered, for as long as the block lasts.

    Where no file is named, and no bot goes on with conversations, there is none: nothing outlasts a restart then.
    Raises `Misconfigured`.
    """
    if store.kind == "memory" or not (store.path or "continue" in histories.values()):
        yield _remembering(store, histories, MemoryStore())
        return
    path = Path(store.path) if store.path else state_dir / FILE_NAME
    async with open_sqlite(path) as opened:
        yield _remembering(store, histories, opened)


def _remembering(store: Store, histories: Mapping[BotName, History], where: Port) -> Memory:
    return Memory(
        continuity=Continuity(where, histories, keep_s=store.keep_s),
        kept=Kept(where, keep_s=store.responses_s) if store.responses_s else None,
        files=Files(where, keep_s=store.keep_s),
    )
