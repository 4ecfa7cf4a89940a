"""What the upstream of the open API can be told.  All times are in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from realcoze.domain.ids import BotName
from realcoze.upstreams.credentials import Secret

Kind = Literal["bot", "workflow", "chatflow"]

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
    workflow_idle: float = 600.0
    """The same for a workflow, whose nodes may be silent for as long as it may run (openapi-v3 §10)."""
    recovery: float = 1.0
    """After a stream broke off, until Coze is asked for the first time; then twice as long each time."""
    tail: float = 5.0
    """After the turn's end, for the stream to end."""
    cancel: float = 1.0
    queue: float = 30.0
    """For a place, and for the turn before on the same conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the name of a bot means: a bot, a workflow or a chatflow, by its id.

    A workflow or chatflow may run in the name of `bot_id` or of `app_id`, never of both.  `input_name` is
    the parameter of a workflow that a text in words is for.
    """

    id: str
    kind: Kind = "bot"
    bot_id: str = ""
    app_id: str = ""
    input_name: str = "input"
    saves_history: bool = True
    """False asks Coze to keep nothing of a turn, and takes away what needs that: recovery, cancel, tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtCredentials:
    """An OAuth app that signs for itself; `key_name` is what errors call its private key."""

    client_id: str
    key_id: str
    """The fingerprint of the public key that Coze has."""
    private_key: Secret
    key_name: str = "The private key"
    life_s: int = 900
    """What is asked for each token, at most 86399."""
    account_id: str = ""
    session_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginCredentials:
    """What `realcoze login` has kept in a file; without `client_id` the newest login at this base."""

    file: Path
    client_id: str = ""


Credentials = Secret | JwtCredentials | LoginCredentials
"""Where tokens come from: given once, asked for with a key, or asked for in the name of somebody who logged in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSettings:
    """One account.  `bots` says what each name means."""

    token: Credentials
    bots: Mapping[BotName, Target]
    base: str = LIVE_BASE
    proxy: str | None = None
    takes_any_bot: bool = True
    """`bot-<id>`, `workflow/<id>` and `chatflow/<id>` mean the one of that id, whether it has a name or not."""
    saves_history: bool = True
    """Of the bots that are named by their id alone."""
    recovery_calls: int = 8
    """How often Coze may be asked for the rest of an answer whose stream broke off; 0: never."""
    upload_bytes: int = MOST_UPLOAD_BYTES
    voice_id: str = ""
    """Who speaks, where a caller does not say."""
    voices: Mapping[str, str] = field(default_factory=dict)
    """Other names of voices → their ids; an empty one means `voice_id`."""
    max_turns: int = 4000
    max_queue: int = 100
    deadlines: Deadlines = field(default_factory=Deadlines)
