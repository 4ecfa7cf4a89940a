"""What the upstream of the open API can be told.  All times are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from realcoze.domain.ids import BotName
from realcoze.upstreams.credentials import Secret

LIVE_BASE = "https://api.coze.com"
MOST_UPLOAD_BYTES = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each wait may last (docs/errors.md)."""

    connect: float = 5.0
    tls: float = 5.0
    reply: float = 30.0
    """A call that is no turn and no upload, from its start to the end of its answer."""
    upload: float = 300.0
    first_event: float = 60.0
    idle: float = 90.0
    """Between two events of a turn; bytes that make no event do not count."""
    tail: float = 5.0
    """After the turn's end, for the stream to end."""
    cancel: float = 1.0
    queue: float = 30.0
    """For a place, and for the turn before on the same conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSettings:
    """One account.  `bots` gives the id of each name."""

    token: Secret
    bots: Mapping[BotName, str]
    base: str = LIVE_BASE
    proxy: str | None = None
    takes_any_bot: bool = True
    """A name `bot-<id>` means the bot of that id, whether it has a name or not."""
    saves_history: bool = True
    """False asks Coze to keep nothing of a turn, and takes away what needs that."""
    upload_bytes: int = MOST_UPLOAD_BYTES
    max_turns: int = 100
    max_queue: int = 100
    deadlines: Deadlines = field(default_factory=Deadlines)
