"""Settings: where they come from, what they are called, and what is said when one is wrong.

Command line, environment, `.env`, `realcoze.toml`, in this order; the first that names a setting
wins.  `.env` keeps the names of the Node program, in any letter case, and needs no file beside its
`config.json`.  In `realcoze.toml` a key that is not known is refused, with its path.

Described for its users in docs/settings.md.
"""

import logging
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from dotenv import dotenv_values

from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.route import ONLY_BOT

log = logging.getLogger(__name__)

TOML_NAME = "realcoze.toml"
CONFIG_VARIABLE = "REALCOZE_CONFIG"
SEED_UPSTREAM = "playground"
"""The upstream that the names of the Node program speak of."""

NOTHING_CONFIGURED = (
    "Try it without an account: `realcoze demo`, or `realcoze chat --demo`. With one: put session_id=… into a file "
    "named .env and the bot's config.json beside it; docs/settings.md tells where both come from."
)

_SECRETS = ("session_id", "realcoze_key")


class Server(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: who may reach it, and how patient it is (seconds)."""

    host: str = "127.0.0.1"
    port: int = 8080
    key: str = ""
    allowed_hosts: list[str] = []
    allowed_origins: list[str] = []
    gate_s: float = 5.0
    keepalive_s: float = 10.0
    stall_s: float = 30.0
    grace_s: float = 30.0


class Upstream(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[upstreams.NAME]`: one account on one Coze."""

    kind: Literal["coze_playground"] = "coze_playground"
    session_id: str = ""
    base: str = "https://www.coze.com"
    proxy: str = ""
    ws_proxy: str | None = None
    max_turns: int = 100
    max_queue: int = 100
    cache_launch_s: float = 24 * 3600.0
    first_event_s: float = 60.0
    idle_s: float = 90.0
    queue_s: float = 30.0


class Bot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[bots.NAME]`: a name that callers use, the account it is on, and its config.json."""

    upstream: str = SEED_UPSTREAM
    config: str = "./config.json"


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    server: Server = msgspec.field(default_factory=Server)
    upstreams: dict[str, Upstream] = {}
    bots: dict[str, Bot] = {}
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
    path = toml or _named_toml(folder, environment)
    file = _read_toml(path) if path else _File()
    names = _flat(folder, environment, overrides or {})
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
        if not settings.upstreams[bot.upstream].session_id:
            raise Misconfigured(
                f"There is no session for the bot {name!r}: session_id is missing or empty.",
                hint="Log in to Coze in a browser, copy the value of the cookie `sessionid`, and write "
                "session_id=VALUE into the file .env.",
            )


def _named_toml(folder: Path, environment: Mapping[str, str]) -> Path | None:
    named = environment.get(CONFIG_VARIABLE)
    if named:
        return folder / named
    found = folder / TOML_NAME
    return found if found.is_file() else None


def _read_toml(path: Path) -> _File:
    _check_mode(path)
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(f"{path}: {error}.", hint="docs/settings.md lists every setting.") from error


def _flat(folder: Path, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, str]:
    """The flat names in lower case, from the weakest source to the strongest."""
    names: dict[str, str] = {}
    env_file = folder / ".env"
    if env_file.is_file():
        found = {name.lower(): value for name, value in _read_env(env_file).items() if value is not None}
        if any(found.get(secret) for secret in _SECRETS):
            _check_mode(env_file)
        names |= found
    names |= {name.lower(): value for name, value in environment.items()}
    names |= {name: str(value) for name, value in overrides.items() if value is not None}
    if "temp_path" not in names and "tmp_path" in names:
        names["temp_path"] = names["tmp_path"]
    return names


def _read_env(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.") from error


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
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise Misconfigured(f"server_port is {text[:20]!r}; it must be a number from 0 to 65535.")
    return int(text)


def _state_dir(temp_path: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """Where the small files go: `temp_path`, else the user's own folder for state (XDG)."""
    if temp_path:
        return folder / temp_path
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(home) / "realcoze"


def _check_mode(path: Path) -> None:
    """A file with secrets that others can read: a warning if it is ours, a refusal if it is not."""
    try:
        found = path.stat()
    except OSError:
        return
    if not stat.S_IMODE(found.st_mode) & (stat.S_IRGRP | stat.S_IROTH):
        return
    if found.st_uid != os.getuid():
        raise Misconfigured(
            f"{path} holds secrets, can be read by others and belongs to somebody else.",
            hint=f"Make it yours and private: chown $USER {path.name} && chmod 600 {path.name}",
        )
    log.warning("%s holds secrets and can be read by others; chmod 600 makes it private", path)
