"""Settings: where they come from, what they are called, and what is said when one is wrong.

Command line, environment, `.env`, `realcoze.toml`, in this order; the first that names a setting
wins.  `.env` keeps the names of the Node program, in any letter case, and needs no file beside its
`config.json`.  In `realcoze.toml` a key that is not known is refused, with its path.

Described for its users in docs/settings.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from realcoze.app.sources import check_mode, converted, read_names, read_toml
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.route import ONLY_BOT

TOML_NAME = "realcoze.toml"
SEED_UPSTREAM = "playground"
"""The upstream that the names of the Node program speak of."""

NOTHING_CONFIGURED = (
    "Try it without an account: `realcoze demo`, or `realcoze chat --demo`. With one: put session_id=… into a file "
    "named .env and the bot's config.json beside it; the README tells where both come from."
)

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


MOST_UPLOAD = 512 << 20
"""What Coze takes at the most."""


class Server(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: who may reach it, and how patient it is (seconds)."""

    host: str = "127.0.0.1"
    port: Port = 8080
    key: str = ""
    allowed_hosts: list[str] = []
    allowed_origins: list[str] = []
    gate_s: Seconds = 5.0
    keepalive_s: Seconds = 10.0
    stall_s: Seconds = 30.0
    grace_s: Seconds = 30.0
    upload_bytes: Annotated[int, Meta(ge=1, le=MOST_UPLOAD)] = 20 << 20

    def __repr__(self) -> str:
        return f"Server(host={self.host!r}, port={self.port})"


class Upstream(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[upstreams.NAME]`: one account on one Coze."""

    kind: Literal["coze_playground"] = "coze_playground"
    session_id: str = ""
    base: str = "https://www.coze.com"
    proxy: str = ""
    ws_proxy: str | None = None
    upload_bytes: Annotated[int, Meta(ge=1, le=MOST_UPLOAD)] = 20 << 20
    max_turns: Annotated[int, Meta(ge=1)] = 100
    max_queue: Count = 100
    cache_launch_s: Seconds = 24 * 3600.0
    first_event_s: Seconds = 60.0
    idle_s: Seconds = 90.0
    queue_s: Seconds = 30.0

    def __repr__(self) -> str:
        return f"Upstream(kind={self.kind!r}, base={self.base!r})"


class Bot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[bots.NAME]`: a name that callers use, the account it is on, and its config.json."""

    upstream: str = SEED_UPSTREAM
    config: str = "./config.json"


class _File(msgspec.Struct, kw_only=True):
    """All of realcoze.toml."""

    server: Server = msgspec.field(default_factory=Server)
    upstreams: dict[str, Upstream] = {}
    bots: dict[str, Bot] = {}
    temp_path: str = ""


class _Tables(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Its outermost level, the tables yet to be read."""

    server: dict[str, Any] = {}
    upstreams: dict[str, Any] = {}
    bots: dict[str, Any] = {}
    temp_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the program runs with.  Paths are resolved; with `catches_all` every name means the one bot."""

    server: Server
    upstreams: Mapping[str, Upstream]
    bots: Mapping[BotName, Bot]
    catches_all: bool
    state_dir: Path


def load_settings(
    *,
    folder: Path,
    environment: Mapping[str, str],
    toml: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Read them all.  `overrides` are the command line's, by the names of `.env`.

    Raises `Misconfigured` with a sentence that says what to do.
    """
    names = read_names(folder, environment, overrides or {})
    path = toml or _toml(folder, names)
    file = _read(path) if path else _File()
    _apply(file, names)
    catches_all = not file.bots
    if catches_all and SEED_UPSTREAM in file.upstreams:
        file.bots = {ONLY_BOT: Bot(config=names.get("bot_config_path", "./config.json"))}
    base = path.parent if path else folder
    bots = {
        BotName(name): _resolved(name, bot, file, folder if catches_all else base) for name, bot in file.bots.items()
    }
    return Settings(
        server=file.server,
        upstreams=file.upstreams,
        bots=bots,
        catches_all=catches_all,
        state_dir=_state_dir(file.temp_path, folder, environment),
    )


def require_bots(settings: Settings) -> None:
    """Raise `Misconfigured` unless there is a bot and each has a session to be reached with."""
    if not settings.bots:
        raise Misconfigured("No bot is configured.", hint=NOTHING_CONFIGURED)
    for name, bot in settings.bots.items():
        session_id = settings.upstreams[bot.upstream].session_id
        if not session_id:
            what = f"There is no session for the bot {name!r}: session_id is missing or empty."
        elif not session_id.isascii() or not session_id.isprintable() or set(session_id) & set(' ",;\\'):
            what = f"The session_id for the bot {name!r} holds characters that no cookie can have."
        else:
            continue
        where = f"the table [upstreams.{bot.upstream}] of {TOML_NAME}"
        hint = "Log in to Coze in a browser, copy the value of the cookie `sessionid` and nothing else, and write it "
        if bot.upstream == SEED_UPSTREAM:
            raise Misconfigured(what, hint=f"{hint}into the file .env: session_id=VALUE")
        raise Misconfigured(what, hint=f'{hint}into {where}: session_id = "VALUE"')


def _toml(folder: Path, names: Mapping[str, str]) -> Path | None:
    if named := names.get("realcoze_config"):
        return folder / named
    found = folder / TOML_NAME
    return found if found.is_file() else None


def _read(path: Path) -> _File:
    tables = converted(read_toml(path), _Tables, path=path, at="$")
    file = _File(
        server=converted(tables.server, Server, path=path, at="$.server"),
        upstreams={
            name: converted(table, Upstream, path=path, at=f"$.upstreams.{name}")
            for name, table in tables.upstreams.items()
        },
        bots={name: converted(table, Bot, path=path, at=f"$.bots.{name}") for name, table in tables.bots.items()},
        temp_path=str(path.parent / tables.temp_path) if tables.temp_path else "",
    )
    check_mode(path, [file.server.key, *(upstream.session_id for upstream in file.upstreams.values())])
    return file


def _apply(file: _File, names: Mapping[str, str]) -> None:
    """Write the flat names over what the file says."""
    server = file.server
    server.host = names.get("server_host", server.host)
    server.key = names.get("realcoze_key", server.key)
    if "realcoze_key" in names and not server.key:
        raise Misconfigured("REALCOZE_KEY is empty.", hint="Give it 16 characters at least, or leave it out.")
    if "server_port" in names:
        server.port = _port(names["server_port"])
    file.temp_path = names.get("temp_path", file.temp_path)
    if "session_id" in names or "coze_playground_base" in names or SEED_UPSTREAM in file.upstreams:
        seed = file.upstreams.setdefault(SEED_UPSTREAM, Upstream())
        seed.session_id = names.get("session_id", seed.session_id).strip()
        seed.base = names.get("coze_playground_base", seed.base)
        seed.proxy = names.get("proxy", seed.proxy)
        seed.ws_proxy = names.get("ws_proxy", seed.ws_proxy)


def _resolved(name: str, bot: Bot, file: _File, base: Path) -> Bot:
    if bot.upstream not in file.upstreams:
        known = ", ".join(file.upstreams) or "none"
        raise Misconfigured(
            f"bots.{name}.upstream names {bot.upstream!r}, and the upstreams are: {known}.",
            hint=f"Add a table [upstreams.{bot.upstream}], or name one that there is.",
        )
    return Bot(upstream=bot.upstream, config=str(base / bot.config))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16):
        raise Misconfigured(f"server_port is {text[:20]!r}; it must be a number from 0 to 65535.")
    return int(text)


def _state_dir(temp_path: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """Where the small files go: `temp_path`, else the user's own folder for state (XDG)."""
    if temp_path:
        return folder / temp_path
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(home) / "realcoze"
