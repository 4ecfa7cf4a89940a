"""`[upstreams.NAME]`: one account on one Coze, of either kind.

Described for its users in docs/settings.md.
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from realcoze.app.sources import shortened
from realcoze.errors import Misconfigured
from realcoze.upstreams.credentials import can_be_cookie, can_be_token

Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]

MOST_UPLOAD = 512 << 20
"""What Coze takes at the most."""

Bytes = Annotated[int, Meta(ge=1, le=MOST_UPLOAD)]

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
    first_event_s: Seconds = 60.0
    idle_s: Seconds = 90.0
    queue_s: Seconds = 30.0

    def __repr__(self) -> str:
        return f"PlaygroundUpstream(base={self.base!r})"

    @property
    def secret(self) -> str:
        """What must not be seen by others."""
        return self.session_id


class OpenUpstream(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="coze_open"):
    """Coze's open API, with a personal access token: coze.com, coze.cn or a Coze Studio."""

    token: str = ""
    token_file: str = ""
    base: str = "https://api.coze.com"
    proxy: str = ""
    any_bot: bool = True
    private: bool = False
    upload_bytes: Bytes = 20 << 20
    max_turns: Annotated[int, Meta(ge=1)] = 100
    max_queue: Count = 100
    first_event_s: Seconds = 60.0
    idle_s: Seconds = 90.0
    queue_s: Seconds = 30.0

    def __repr__(self) -> str:
        return f"OpenUpstream(base={self.base!r})"

    @property
    def secret(self) -> str:
        """What must not be seen by others."""
        return self.token


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


def require_token(upstream: OpenUpstream, *, bot: str, bot_id: str, where: str) -> None:
    """Raise `Misconfigured` unless there is a token, and the id of the bot."""
    token = upstream.token
    if not token:
        what = f"There is no token for the bot {bot!r}."
    elif token.lower().startswith("bearer "):
        what = f"The token for the bot {bot!r} is to be given without the word Bearer."
    elif not can_be_token(token):
        what = f"The token for the bot {bot!r} holds characters that no token has."
    elif not (bot_id.isascii() and bot_id.isdigit()):
        raise Misconfigured(
            f"The bot {bot!r} has no id: COZE_BOT_ID, or bot_id of its table, is {shortened(bot_id)}.",
            hint=f"It is the number behind /bot/ in the address of the bot's page{_number_in(bot_id)}.",
        )
    elif not upstream.base.startswith(("http://", "https://")):
        raise Misconfigured(
            f"The address of Coze's API, {shortened(upstream.base, 80)}, does not begin with https:// or http://.",
            hint="COZE_API_BASE is https://api.coze.com, https://api.coze.cn, or http://HOST:8888 for Coze Studio.",
        )
    else:
        return
    hint = (
        "Make a personal access token at /open/oauth/pats of www.coze.com or www.coze.cn, or behind your avatar in "
        "Coze Studio (API Authorization), and write it "
    )
    raise Misconfigured(what, hint=hint + where)


def _number_in(address: str) -> str:
    """What to say of an address that was given for the bot's id."""
    found = re.search(r"/bot/([0-9]+)", address)
    return f": {found[1]}" if found else ""
