"""Settings: where they come from, what they are called, and what is said when one is wrong.

Command line, environment, `.env`, `realcoze.toml`, in this order; the first that names a setting
wins.  `.env` keeps the names of the Node program, in any letter case, and needs no file beside its
`config.json`.  In `realcoze.toml` a key that is not known is refused, with its path.

Described for its users in docs/settings.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realcoze.app.accounts import (
    DEFAULT_KIND,
    Bytes,
    OpenUpstream,
    PlaygroundUpstream,
    Seconds,
    Upstream,
    require_session,
    require_token,
)
from realcoze.app.sources import check_mode, converted, read_names, read_secret, read_toml, shortened
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.route import ONLY_BOT

log = logging.getLogger(__name__)

TOML_NAME = "realcoze.toml"
SEED_UPSTREAM = "playground"
"""The upstream that the names of the Node program speak of."""

_OPEN_NAMES = frozenset({"coze_api_token", "coze_api_token_file", "coze_bot_id"})
"""Who gives one of them has an account there; its address alone makes none."""

OPEN_UPSTREAM = "coze"
"""The upstream that the names of the official SDK's examples speak of."""

NOTHING_CONFIGURED = (
    "Try it without an account: `realcoze demo`, or `realcoze chat --demo`. With one: put COZE_API_TOKEN=…, "
    "COZE_API_BASE=… and COZE_BOT_ID=… into {env}, a line each; or, for the web playground, session_id=… "
    "and the bot's config.json beside it. The README tells where they come from."
)

Port = Annotated[int, Meta(ge=0, le=65535)]


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
    upload_bytes: Bytes = 20 << 20

    def __repr__(self) -> str:
        return f"Server(host={self.host!r}, port={self.port})"


class Bot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[bots.NAME]`: a name that callers use, the account it is on, and its config.json or its id there."""

    upstream: str = SEED_UPSTREAM
    config: str = "./config.json"
    bot_id: str = ""


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
    """What the program runs with.  Paths are resolved; with `catches_all` every name means the one bot.

    `folder` is where `.env` was looked for.
    """

    server: Server
    upstreams: Mapping[str, Upstream]
    bots: Mapping[BotName, Bot]
    catches_all: bool
    state_dir: Path
    folder: Path = Path()


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
    _apply(file, names, folder)
    _read_tokens(file, path.parent if path else folder)
    catches_all = not file.bots
    chosen = names.get("realcoze_upstream", "")
    if chosen and chosen not in file.upstreams:
        raise _unknown_upstream("The chosen upstream", chosen, file)
    if catches_all:
        file.bots = _only_bot(file, names, chosen)
    base = path.parent if path else folder
    bots = {
        BotName(name): _resolved(name, bot, file, folder if catches_all else base) for name, bot in file.bots.items()
    }
    return Settings(
        server=file.server,
        upstreams=file.upstreams,
        bots={name: bot for name, bot in bots.items() if chosen in ("", bot.upstream)},
        catches_all=catches_all,
        state_dir=_state_dir(file.temp_path, folder, environment),
        folder=folder,
    )


def require_bots(settings: Settings) -> None:
    """Raise `Misconfigured` unless there is a bot and each has a session to be reached with."""
    if not settings.bots:
        raise Misconfigured("No bot is configured.", hint=NOTHING_CONFIGURED.format(env=settings.folder / ".env"))
    for name, bot in settings.bots.items():
        upstream = settings.upstreams[bot.upstream]
        table = f"into the table [upstreams.{bot.upstream}] of {TOML_NAME}: "
        if isinstance(upstream, OpenUpstream):
            is_named = bot.upstream == OPEN_UPSTREAM
            where = "into the file .env: COZE_API_TOKEN=VALUE" if is_named else f'{table}token = "VALUE"'
            require_token(upstream, bot=name, bot_id=bot.bot_id, where=where)
        else:
            is_named = bot.upstream == SEED_UPSTREAM
            where = "into the file .env: session_id=VALUE" if is_named else f'{table}session_id = "VALUE"'
            require_session(upstream, bot=name, where=where)


def _toml(folder: Path, names: Mapping[str, str]) -> Path | None:
    if named := names.get("realcoze_config"):
        return folder / named
    found = folder / TOML_NAME
    return found if found.is_file() else None


def _read(path: Path) -> _File:
    tables = converted(read_toml(path), _Tables, path=path, at="$")
    file = _File(
        server=converted(tables.server, Server, path=path, at="$.server"),
        upstreams={name: _upstream(table, path, f"$.upstreams.{name}") for name, table in tables.upstreams.items()},
        bots={name: converted(table, Bot, path=path, at=f"$.bots.{name}") for name, table in tables.bots.items()},
        temp_path=str(path.parent / tables.temp_path) if tables.temp_path else "",
    )
    check_mode(path, [file.server.key, *(upstream.secret for upstream in file.upstreams.values())])
    return file


def _apply(file: _File, names: Mapping[str, str], folder: Path) -> None:
    """Write the flat names over what the file says; paths among them count from `folder`."""
    server = file.server
    server.host = names.get("server_host", server.host)
    server.key = names.get("realcoze_key", server.key)
    if "realcoze_key" in names and not server.key:
        raise Misconfigured("REALCOZE_KEY is empty.", hint="Give it 16 characters at least, or leave it out.")
    if "server_port" in names:
        server.port = _port(names["server_port"])
    file.temp_path = names.get("temp_path", file.temp_path)
    if "session_id" in names or "coze_playground_base" in names or SEED_UPSTREAM in file.upstreams:
        seed = file.upstreams.setdefault(SEED_UPSTREAM, PlaygroundUpstream())
        if not isinstance(seed, PlaygroundUpstream):
            raise _taken(SEED_UPSTREAM, "coze_playground")
        seed.session_id = names.get("session_id", seed.session_id).strip()
        seed.base = names.get("coze_playground_base", seed.base)
        seed.proxy = names.get("proxy", seed.proxy)
        seed.ws_proxy = names.get("ws_proxy", seed.ws_proxy)
    if OPEN_UPSTREAM in file.upstreams or not _OPEN_NAMES.isdisjoint(names):
        coze = file.upstreams.setdefault(OPEN_UPSTREAM, OpenUpstream())
        if not isinstance(coze, OpenUpstream):
            raise _taken(OPEN_UPSTREAM, "coze_open")
        if "coze_api_token_file" in names:
            coze.token, coze.token_file = "", str(folder / names["coze_api_token_file"])
        coze.token = names.get("coze_api_token", coze.token).strip()
        coze.base = names.get("coze_api_base", "").strip() or coze.base
        coze.proxy = names.get("proxy", coze.proxy)


def _read_tokens(file: _File, base: Path) -> None:
    """Fill in the tokens that stand in files of their own."""
    for upstream in file.upstreams.values():
        if isinstance(upstream, OpenUpstream) and upstream.token_file and not upstream.token:
            upstream.token = read_secret(base / Path(upstream.token_file).expanduser())


def _taken(name: str, kind: str) -> Misconfigured:
    return Misconfigured(
        f"[upstreams.{name}] of {TOML_NAME} is not of the kind {kind}, which other settings speak of.",
        hint="Give the table another name.",
    )


def _upstream(table: Any, path: Path, at: str) -> Upstream:
    if isinstance(table, dict):
        table = {"kind": DEFAULT_KIND, **table}
    return converted(table, Upstream, path=path, at=at)  # type: ignore[arg-type]


def _only_bot(file: _File, names: Mapping[str, str], chosen: str) -> dict[str, Bot]:
    """The bot of settings without a table of bots.  With two accounts the open API's is taken, or the chosen one."""
    both = [name for name in (OPEN_UPSTREAM, SEED_UPSTREAM) if name in file.upstreams]
    if not chosen and not both:
        return {}
    if not chosen and len(both) > 1:
        log.warning(
            "there are settings for the open API and for the playground; the open API is taken; "
            "--upstream %s takes the other",
            SEED_UPSTREAM,
        )
    name = chosen or both[0]
    if isinstance(file.upstreams[name], OpenUpstream):
        return {ONLY_BOT: Bot(upstream=name, bot_id=names.get("coze_bot_id", ""))}
    return {ONLY_BOT: Bot(upstream=name, config=names.get("bot_config_path", "./config.json"))}


def _resolved(name: str, bot: Bot, file: _File, base: Path) -> Bot:
    # Who gives the bot's id need not say that it is on the open API.
    upstream = OPEN_UPSTREAM if bot.bot_id and bot.upstream == SEED_UPSTREAM else bot.upstream
    if upstream not in file.upstreams:
        raise _unknown_upstream(f"bots.{name}.upstream", upstream, file)
    return Bot(upstream=upstream, config=str(base / bot.config), bot_id=bot.bot_id.strip())


def _unknown_upstream(what: str, name: str, file: _File) -> Misconfigured:
    known = ", ".join(file.upstreams) or "none"
    return Misconfigured(
        f"{what} names {name!r}, and the upstreams are: {known}.",
        hint=f"Add a table [upstreams.{name}], or name one that there is.",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16):
        raise Misconfigured(f"server_port is {shortened(text)}; it must be a number from 0 to 65535.")
    return int(text)


def _state_dir(temp_path: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """Where the small files go: `temp_path`, else the user's own folder for state (XDG)."""
    if temp_path:
        return folder / temp_path
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(home) / "realcoze"
