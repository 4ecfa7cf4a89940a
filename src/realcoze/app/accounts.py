"""`[upstreams.NAME]`: one account on one Coze, of either kind.

Described for its users in docs/settings.md.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from realcoze.app.sources import path_in, read_secret, shortened
from realcoze.domain.urls import is_server
from realcoze.errors import Misconfigured
from realcoze.upstreams.coze_open.login import FILE_NAME, LoginFile
from realcoze.upstreams.coze_open.settings import Credentials, JwtCredentials, LoginCredentials
from realcoze.upstreams.credentials import Secret, can_be_cookie, can_be_token

Seconds = Annotated[float, Meta(ge=0)]
Patience = Annotated[float, Meta(gt=0)]
"""Seconds after which something is given up, or done again."""

Count = Annotated[int, Meta(ge=0)]

MOST_UPLOAD = 512 << 20
"""What Coze takes at the most."""

Bytes = Annotated[int, Meta(ge=1, le=MOST_UPLOAD)]
TokenLife = Annotated[int, Meta(ge=60, le=86_399)]

Way = Literal["token", "jwt", "login", "none"]
"""How an account of the open API shows who it is: what it was given, a key of its own, or somebody's login."""

DEFAULT_KIND = "coze_playground"
"""What a table is that does not say."""


class PlaygroundUpstream(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag=DEFAULT_KIND):
    """Coze's web playground, with a session cookie."""

    session_id: str = ""
    base: str = "https://www.coze.com"
    proxy: str = ""
    ws_proxy: str | None = None
    upload_bytes: Bytes = 20 << 20
    max_turns: Annotated[int, Meta(ge=1)] = 100
    max_queue: Count = 100
    cache_launch_s: Seconds = 24 * 3600.0
    first_event_s: Patience = 60.0
    idle_s: Patience = 90.0
    queue_s: Seconds = 30.0

    def __repr__(self) -> str:
        return f"PlaygroundUpstream(base={self.base!r})"

    @property
    def secret(self) -> str:
        """What must not be seen by others."""
        return self.session_id


class OpenUpstream(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="coze_open"):
    """Coze's open API: coze.com, coze.cn or a Coze Studio; with a token, the key of an OAuth app, or a login."""

    token: str = ""
    token_file: str = ""
    client_id: str = ""
    key_id: str = ""
    private_key: str = ""
    private_key_file: str = ""
    token_life_s: TokenLife = 900
    account_id: str = ""
    session_name: str = ""
    login_file: str = ""
    base: str = "https://api.coze.com"
    proxy: str = ""
    any_bot: bool = True
    discover: bool = False
    voice_id: str = ""
    voices: dict[str, str] = {}
    private: bool = False
    recovery_calls: Count = 8
    upload_bytes: Bytes = 20 << 20
    max_turns: Annotated[int, Meta(ge=1)] = 4000
    max_queue: Count = 100
    first_event_s: Patience = 60.0
    idle_s: Patience = 90.0
    queue_s: Seconds = 30.0

    def __repr__(self) -> str:
        return f"OpenUpstream(base={self.base!r})"

    @property
    def secret(self) -> str:
        """What must not be seen by others."""
        return self.token or self.private_key

    @property
    def way(self) -> Way:
        """The first of them that is set."""
        if self.token:
            return "token"
        if self.key_id or self.private_key or self.private_key_file:
            return "jwt"
        return "login" if self.login_file else "none"


HOW_HINT = (
    "Make a personal access token at /open/oauth/pats of www.coze.com or www.coze.cn, or behind your avatar in "
    "Coze Studio (API Authorization), and write it "
)
OTHER_WAYS_HINT = " (or log in: `realcoze login`; or give the key of an OAuth app: docs/oauth.md)"

Upstream = PlaygroundUpstream | OpenUpstream


def require_session(upstream: PlaygroundUpstream, *, bot: str, where: str) -> None:
    """Raise `Misconfigured` unless there is a session that a cookie can carry; `where` is how to write it down."""
    session_id = upstream.session_id
    if not session_id:
        what = f"There is no session for the bot {bot!r}: session_id is missing or empty."
    elif not can_be_cookie(session_id):
        what = f"The session_id for the bot {bot!r} holds characters that no cookie can have."
    else:
        return
    hint = "Log in to Coze in a browser, copy the value of the cookie `sessionid` and nothing else, and write it "
    raise Misconfigured(what, hint=hint + where)


def unknown_upstream(what: str, name: str, upstreams: Iterable[str]) -> Misconfigured:
    """The error for a setting, `what`, that names an account that is none."""
    known = ", ".join(upstreams) or "none"
    return Misconfigured(
        f"{what} names {name!r}, and the upstreams are: {known}.",
        hint=f"Add a table [upstreams.{name}], or name one that there is.",
    )


def no_ids(bot: str, upstream: str) -> Misconfigured:
    """The error for a bot with an id on a playground."""
    return Misconfigured(
        f"The bot {bot!r} has an id, and {upstream!r} is a playground, which knows none.",
        hint="Leave `upstream` out, or name an account of the open API.",
    )


def require_id(bot_id: str, *, bot: str) -> None:
    """Raise `Misconfigured` unless it is the id of something at Coze."""
    if not (bot_id.isascii() and bot_id.isdigit()):
        raise Misconfigured(
            f"The bot {bot!r} has no id: COZE_BOT_ID, or bot_id of its table, is {shortened(bot_id)}.",
            hint=f"It is the number behind /bot/ in the address of the bot's page{_number_in(bot_id)}.",
        )


def check_base(name: str, base: str) -> None:
    """Raise `Misconfigured` for what is no address of a server, without a word of it, as it may tell a secret."""
    if not is_server(base):
        raise Misconfigured(
            f"The address of the account {name!r} (base) cannot be called.",
            hint="It begins with https:// or http://, and holds no user name and no blank. COZE_API_BASE is "
            "https://api.coze.com, https://api.coze.cn, or http://HOST:8888 for Coze Studio.",
        )


def require_token(upstream: OpenUpstream, *, whose: str, where: str) -> None:
    """Raise `Misconfigured` unless there is a token or another way to one; `whose` is for people."""
    token = upstream.token
    if upstream.way == "jwt":
        require_key(upstream)
    if upstream.way == "none":
        what = f"There is no token for {whose}."
    elif token.lower().startswith("bearer "):
        what = f"The token for {whose} is to be given without the word Bearer."
    elif token and not can_be_token(token):
        what = f"The token for {whose} holds characters that no token has."
    else:
        return
    raise Misconfigured(what, hint=HOW_HINT + where + (OTHER_WAYS_HINT if upstream.way == "none" else ""))


def require_key(upstream: OpenUpstream) -> None:
    """Raise `Misconfigured` unless there is all that signing needs."""
    wanted = {
        "client_id (COZE_JWT_OAUTH_CLIENT_ID), the id of the OAuth app": upstream.client_id,
        "key_id (COZE_JWT_OAUTH_PUBLIC_KEY_ID), the fingerprint of its public key": upstream.key_id,
        "private_key_file (COZE_JWT_OAUTH_PRIVATE_KEY_FILE_PATH), its private key": upstream.private_key,
    }
    missing = [name for name, value in wanted.items() if not value]
    if missing:
        raise Misconfigured(
            f"To ask for tokens with a key, these are missing: {'; '.join(missing)}.",
            hint="All three are on the page of the OAuth app, or came with it: docs/oauth.md has each step.",
        )


def read_tokens(accounts: Iterable[OpenUpstream], base: Path) -> None:
    """Fill in the tokens and keys that stand in files of their own, whose paths count from `base`."""
    for account in accounts:
        if account.token_file and not account.token:
            account.token = read_secret(path_in(base, account.token_file), what="a token")
        if account.private_key_file and not account.private_key:
            key = path_in(base, account.private_key_file)
            account.private_key = read_secret(key, what="a private key")
        # A line of .env holds no line breaks; the SDK's examples write them so.
        account.private_key = account.private_key.replace("\\n", "\n")


def find_logins(accounts: Iterable[OpenUpstream], base: Path, state_dir: Path) -> None:
    """Where nothing else says who an account is, somebody may have logged in there."""
    for account in accounts:
        if account.login_file:
            account.login_file = str(path_in(base, account.login_file))
        elif account.way == "none" and LoginFile(state_dir / FILE_NAME).find(account.base, account.client_id):
            account.login_file = str(state_dir / FILE_NAME)


def credentials_of(upstream: OpenUpstream) -> Credentials:
    """Where the tokens of an account come from.  Raises what `require_key` raises."""
    match upstream.way:
        case "jwt":
            require_key(upstream)
            return JwtCredentials(
                client_id=upstream.client_id,
                key_id=upstream.key_id,
                private_key=Secret(upstream.private_key),
                key_name=f"The file {upstream.private_key_file}" if upstream.private_key_file else "private_key",
                life_s=upstream.token_life_s,
                account_id=upstream.account_id,
                session_name=upstream.session_name,
            )
        case "login":
            return LoginCredentials(file=Path(upstream.login_file), client_id=upstream.client_id)
        case _:
            return Secret(upstream.token)


def _number_in(address: str) -> str:
    """What to say of an address that was given for the bot's id."""
    found = re.search(r"/bot/([0-9]+)", address)
    return f": {found[1]}" if found else ""
