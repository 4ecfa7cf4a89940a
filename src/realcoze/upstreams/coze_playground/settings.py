"""What the playground upstream can be told.  All times are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from realcoze.dialects.coze_playground.execute import BotConfig
from realcoze.domain.ids import BotName
from realcoze.upstreams.credentials import Secret

LIVE_BASE = "https://www.coze.com"
DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long each wait may last (docs/errors.md)."""

    connect: float = 5.0
    tls: float = 5.0
    reply: float = 30.0
    """One HTTP call, from its start to the end of its answer."""
    first_event: float = 60.0
    idle: float = 90.0
    """Between two pushes of a turn."""
    queue: float = 30.0
    socket: float = 5.0
    """A new turn, for a socket that was lost to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """How the websocket is kept alive."""

    beat: float = 15.0
    silence: float = 30.0
    """Nothing at all for this long means that the socket is dead."""
    backoff: float = 0.5
    backoff_max: float = 30.0
    retries: int = 10
    """Failed attempts in a row before waiting for the next turn to ask again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundSettings:
    session_id: Secret
    bots: Mapping[BotName, BotConfig]
    state_dir: Path
    base: str = LIVE_BASE
    proxy: str | None = None
    ws_proxy: str | None = None
    cache_launch_s: float = DAY_S
    """How long launch data is kept in a file; 0 keeps none."""
    upload_bytes: int = 20 << 20
    """The largest file that may be uploaded."""
    max_turns: int = 100
    max_queue: int = 100
    deadlines: Deadlines = field(default_factory=Deadlines)
    heart: Heart = field(default_factory=Heart)
