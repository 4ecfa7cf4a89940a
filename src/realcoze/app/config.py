"""Settings: where they come from, what they are called, and what is said when one is wrong.

Command line, environment, `.env`, `realcoze.toml`, in this order; the first that names a setting
wins.  `.env` keeps the names of the Node program, in any letter case, and needs no file beside its
`config.json`.  In `realcoze.toml` a key that is not known is refused, with its path.

Described for its users in docs/settings.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realcoze.app.accounts import (
    DEFAULT_KIND,
    Bytes,
    OpenUpstream,
    Patience,
    PlaygroundUpstream,
    Seconds,
    Upstream,
    check_base,
    find_logins,
    no_ids,
    read_tokens,
    require_id,
    require_session,
    require_token,
    unknown_upstream,
)
from realcoze.app.address import check_names, port_of
from realcoze.app.sources import check_mode, converted, path_in, read_names, read_toml
from realcoze.app.store import Store, history_of, no_conversations
from realcoze.app.treatment import Tools, check_name, tools_of
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.background import LOCAL
from realcoze.gateway.continuity import History
from realcoze.gateway.route import ONLY_BOT
from realcoze.upstreams.coze_open.settings import Kind

log = logging.getLogger(__name__)

TOML_NAME = "realcoze.toml"
SEED_UPSTREAM = "playground"
"""The upstream that the names of the Node program speak of."""

_KEY_NAMES = {
    "coze_jwt_oauth_client_id": "client_id",
    "coze_jwt_oauth_public_key_id": "key_id",
    "coze_jwt_oauth_private_key": "private_key",
    "coze_jwt_oauth_private_key_file_path": "private_key_file",
}
"""What the official SDK's examples call the settings of an OAuth app."""

_OPEN_NAMES = frozenset({"coze_api_token", "coze_api_token_file", "coze_bot_id", "coze_workflow_id", *_KEY_NAMES})
"""Who gives one of them has an account there; its address alone makes none."""

_OPEN_FIELDS = frozenset(OpenUpstream.__struct_fields__) - frozenset(PlaygroundUpstream.__struct_fields__)
"""Settings of an account there, and of no other kind."""

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
    keepalive_s: Patience = 10.0
    stall_s: Patience = 30.0
    grace_s: Seconds = 30.0
    upload_bytes: Bytes = 20 << 20
    fetch_urls: bool = False

    def __post_init__(self) -> None:
        check_names(self.allowed_hosts, self.allowed_origins)

    def __repr__(self) -> str:
        return f"Server(host={self.host!r}, port={self.port})"


class Bot(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`[bots.NAME]`: a name that callers use, the account it is on, and its config.json or its id there.

    With `workflow_id` or `chatflow_id` it is one of these, run in the name of `bot_id` or `app_id`.
    """

    aliases: list[str] = []
    upstream: str = ""
    config: str = "./config.json"
    bot_id: str = ""
    workflow_id: str = ""
    chatflow_id: str = ""
    app_id: str = ""
    input: str = "input"
    private: bool | None = None
    history: History = "replay"
    instructions: str = ""
    tools: Tools = "own"
    background: str = LOCAL

    @property
    def kind(self) -> Kind:
        """What answers, on the open API."""
        return "workflow" if self.workflow_id else "chatflow" if self.chatflow_id else "bot"

    @property
    def known_as(self) -> str:
        """The id of what answers."""
        return self.workflow_id or self.chatflow_id or self.bot_id


class _File(msgspec.Struct, kw_only=True):
    """All of realcoze.toml."""

    server: Server = msgspec.field(default_factory=Server)
    store: Store = msgspec.field(default_factory=Store)
    upstreams: dict[str, Upstream] = {}
    bots: dict[str, Bot] = {}
    temp_path: str = ""


class _Tables(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Its outermost level, the tables yet to be read."""

    server: dict[str, Any] = {}
    store: dict[str, Any] = {}
    upstreams: dict[str, Any] = {}
    bots: dict[str, Any] = {}
    temp_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the program runs with.  Paths are resolved; with `catches_all` every name means the one bot.

    `folder` is where `.env` was looked for; `discovering` has the accounts whose bots need not stand here.
    """

    server: Server
    upstreams: Mapping[str, Upstream]
    bots: Mapping[BotName, Bot]
    catches_all: bool
    state_dir: Path
    folder: Path = Path()
    store: Store = field(default_factory=Store)
    discovering: Mapping[str, OpenUpstream] = field(default_factory=dict)


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
    state_dir = _state_dir(file.temp_path, folder, environment)
    accounts = [each for each in file.upstreams.values() if isinstance(each, OpenUpstream)]
    read_tokens(accounts, path.parent if path else folder)
    find_logins(accounts, path.parent if path else folder, state_dir)
    catches_all = not file.bots
    chosen = names.get("realcoze_upstream", "")
    if chosen and chosen not in file.upstreams:
        raise unknown_upstream("The chosen upstream", chosen, file.upstreams)
    if catches_all:
        file.bots = _only_bot(file, names, chosen)
        for bot in file.bots.values():
            bot.history = history_of(names.get("realcoze_history") or "replay")
            bot.tools = tools_of(names.get("realcoze_tools") or "own")
    for name, account in file.upstreams.items():
        check_base(name, account.base)
    for bot_name in file.bots:
        check_name(bot_name)
    base = path.parent if path else folder
    bots = {
        BotName(name): _resolved(name, bot, file, folder if catches_all else base) for name, bot in file.bots.items()
    }
    return Settings(
        server=file.server,
        upstreams=file.upstreams,
        bots={name: bot for name, bot in bots.items() if chosen in ("", bot.upstream)},
        catches_all=catches_all,
        state_dir=state_dir,
        folder=folder,
        store=file.store,
        discovering={
            name: each
            for name, each in file.upstreams.items()
            if isinstance(each, OpenUpstream) and each.discover and chosen in ("", name)
        },
    )


def require_bots(settings: Settings) -> None:
    """Raise `Misconfigured` unless there is a bot, or can be, and each has a session to be reached with."""
    for name, account in settings.discovering.items():
        require_token(account, whose=f"the account {name!r}", where=_where_token(name))
    if not settings.bots and not settings.discovering:
        raise Misconfigured("No bot is configured.", hint=NOTHING_CONFIGURED.format(env=settings.folder / ".env"))
    for name, bot in settings.bots.items():
        upstream = settings.upstreams[bot.upstream]
        if isinstance(upstream, OpenUpstream):
            require_token(upstream, whose=f"the bot {name!r}", where=_where_token(bot.upstream))
            require_id(bot.known_as, bot=name)
            _check_ids(name, bot, is_private=upstream.private if bot.private is None else bot.private)
            _check_history(name, bot, upstream)
        else:
            table = f'{_table_of(bot.upstream)}session_id = "VALUE"'
            where = "into the file .env: session_id=VALUE" if bot.upstream == SEED_UPSTREAM else table
            require_session(upstream, bot=name, where=where)
            if bot.known_as:
                raise no_ids(name, bot.upstream)
            if bot.history == "continue":
                raise no_conversations(name, "the playground keeps no conversations")


def _where_token(upstream: str) -> str:
    """How to write the token of an account down."""
    if upstream == OPEN_UPSTREAM:
        return "into the file .env: COZE_API_TOKEN=VALUE"
    return f'{_table_of(upstream)}token = "VALUE"'


def _table_of(upstream: str) -> str:
    return f"into the table [upstreams.{upstream}] of {TOML_NAME}: "


def _check_ids(name: str, bot: Bot, *, is_private: bool) -> None:
    """Raise `Misconfigured` for ids that exclude each other, and for what cannot be private."""
    if bot.workflow_id and bot.chatflow_id:
        raise Misconfigured(f"The bot {name!r} is a workflow and a chatflow at once.", hint="Leave one of the two out.")
    if bot.bot_id and bot.app_id:
        raise Misconfigured(f"The bot {name!r} has a bot_id and an app_id.", hint="Coze takes one of the two.")
    if is_private and (bot.workflow_id or bot.chatflow_id):
        raise Misconfigured(
            f"The bot {name!r} cannot be private: Coze keeps what a workflow or a chatflow does.",
            hint=f"Set private = false in [bots.{name}].",
        )


def _check_history(name: str, bot: Bot, upstream: OpenUpstream) -> None:
    """Raise `Misconfigured` for a bot that goes on where there is nothing to go on with."""
    if bot.history == "replay":
        return
    if bot.workflow_id:
        raise no_conversations(name, "a workflow has no conversations; a chatflow has")
    if upstream.private if bot.private is None else bot.private:
        raise no_conversations(name, "private = true asks Coze to keep nothing to go on with")


def _toml(folder: Path, names: Mapping[str, str]) -> Path | None:
    if named := names.get("realcoze_config"):
        return path_in(folder, named)
    found = folder / TOML_NAME
    return found if found.is_file() else None


def _read(path: Path) -> _File:
    tables = converted(read_toml(path), _Tables, path=path, at="$")
    file = _File(
        server=converted(tables.server, Server, path=path, at="$.server"),
        store=converted(tables.store, Store, path=path, at="$.store"),
        upstreams={name: _upstream(table, path, f"$.upstreams.{name}") for name, table in tables.upstreams.items()},
        bots={name: converted(table, Bot, path=path, at=f"$.bots.{name}") for name, table in tables.bots.items()},
        temp_path=str(path_in(path.parent, tables.temp_path)) if tables.temp_path else "",
    )
    file.store.path = str(path_in(path.parent, file.store.path)) if file.store.path else ""
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
        server.port = port_of(names["server_port"])
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
            coze.token, coze.token_file = "", str(path_in(folder, names["coze_api_token_file"]))
        coze.token = names.get("coze_api_token", coze.token).strip()
        for name, field in _KEY_NAMES.items():
            setattr(coze, field, names.get(name, getattr(coze, field)).strip())
        if names.get("coze_jwt_oauth_private_key_file_path"):
            coze.private_key_file = str(path_in(folder, coze.private_key_file))
        coze.base = names.get("coze_api_base", "").strip() or coze.base
        coze.proxy = names.get("proxy", coze.proxy)


def _taken(name: str, kind: str) -> Misconfigured:
    return Misconfigured(
        f"[upstreams.{name}] of {TOML_NAME} is not of the kind {kind}, which other settings speak of.",
        hint="Give the table another name.",
    )


def _upstream(table: Any, path: Path, at: str) -> Upstream:
    if not isinstance(table, dict) or "kind" in table:
        return converted(table, Upstream, path=path, at=at)  # type: ignore[arg-type]
    try:
        return converted({"kind": DEFAULT_KIND, **table}, Upstream, path=path, at=at)  # type: ignore[arg-type]
    except Misconfigured as error:
        meant = sorted(table.keys() & _OPEN_FIELDS)
        if not meant:
            raise
        hint = f'Without `kind` the table is a {DEFAULT_KIND}; for `{meant[0]}` it wants the line: kind = "coze_open"'
        raise Misconfigured(error.message, hint=hint) from error


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
    upstream = file.upstreams[name]
    if isinstance(upstream, OpenUpstream):
        bot_id = names.get("coze_bot_id", "")
        workflow_id = "" if bot_id else names.get("coze_workflow_id", "")
        if upstream.discover and not (bot_id or workflow_id):
            return {}
        return {ONLY_BOT: Bot(upstream=name, bot_id=bot_id, workflow_id=workflow_id)}
    return {ONLY_BOT: Bot(upstream=name, config=names.get("bot_config_path", "./config.json"))}


def _resolved(name: str, bot: Bot, file: _File, base: Path) -> Bot:
    upstream = bot.upstream or _upstream_for(bot, file)
    if upstream not in file.upstreams:
        raise unknown_upstream(f"bots.{name}.upstream", upstream, file.upstreams)
    return msgspec.structs.replace(
        bot,
        upstream=upstream,
        config=str(path_in(base, bot.config)),
        bot_id=bot.bot_id.strip(),
        workflow_id=bot.workflow_id.strip(),
        chatflow_id=bot.chatflow_id.strip(),
    )


def _upstream_for(bot: Bot, file: _File) -> str:
    """The account of a bot that names none: the only one it can be on, or the one of the usual name."""
    has_id = bool(bot.known_as)
    possible = [name for name, each in file.upstreams.items() if isinstance(each, OpenUpstream) or not has_id]
    return possible[0] if len(possible) == 1 else OPEN_UPSTREAM if has_id else SEED_UPSTREAM


def _state_dir(temp_path: str, folder: Path, environment: Mapping[str, str]) -> Path:
    """Where the small files go: `temp_path`, else the user's own folder for state (XDG)."""
    if temp_path:
        return path_in(folder, temp_path)
    home = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(home) / "realcoze"
