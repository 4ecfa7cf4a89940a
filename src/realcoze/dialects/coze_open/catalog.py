"""Bots, workspaces and the account: what a token can reach.

Source: docs/protocol/openapi-v3.md §9.
"""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

import msgspec

from realcoze.dialects.coze_open.envelope import decode_answer
from realcoze.dialects.coze_open.objects import Id, Number, Word, number_of, text_of
from realcoze.errors import UpstreamFailed

BOTS_PATH = "/v1/bots"
WORKSPACES_PATH = "/v1/workspaces"
ME_PATH = "/v1/users/me"
PAGE_SIZE = 50


class ListedBot(msgspec.Struct):
    """A published bot, in the new form of the list or the old one."""

    id: Id = None
    name: Word = ""
    description: Word = ""
    bot_id: Id = None
    bot_name: Word = ""

    @property
    def known_as(self) -> str:
        """Its id."""
        return text_of(self.id if self.id is not None else self.bot_id)


class Workspace(msgspec.Struct):
    id: Id = None
    name: Word = ""


class User(msgspec.Struct):
    user_id: Id = None
    user_name: Word = ""
    nick_name: Word = ""


class Bot(msgspec.Struct):
    """What is read of one bot."""

    bot_id: Id = None
    name: Word = ""


class _BotAnswer(msgspec.Struct):
    data: Bot | None = None


class _Bots(msgspec.Struct):
    items: list[ListedBot] | None = None
    space_bots: list[ListedBot] | None = None
    total: Number = 0


class _Workspaces(msgspec.Struct):
    workspaces: list[Workspace] | None = None
    total_count: Number = 0


class _BotsAnswer(msgspec.Struct):
    data: _Bots | None = None


class _WorkspacesAnswer(msgspec.Struct):
    data: _Workspaces | None = None


class _UserAnswer(msgspec.Struct):
    data: User | None = None


_BOTS = msgspec.json.Decoder(_BotsAnswer)
_WORKSPACES = msgspec.json.Decoder(_WorkspacesAnswer)
_BOT = msgspec.json.Decoder(_BotAnswer)
_USER = msgspec.json.Decoder(_UserAnswer)


def bots_target(workspace_id: str, page: int) -> str:
    """Path and query of one page (from 1) of the published bots; the page has a name in the docs and one in SDKs."""
    query = {"workspace_id": workspace_id, "page_num": page, "page_index": page, "page_size": PAGE_SIZE}
    return f"{BOTS_PATH}?{urlencode(query)}"


def workspaces_target(page: int) -> str:
    """Path and query of one page (from 1)."""
    return f"{WORKSPACES_PATH}?{urlencode({'page_num': page, 'page_size': PAGE_SIZE})}"


def decode_bots(status: int, headers: Mapping[str, str], body: bytes) -> tuple[list[ListedBot], int]:
    """One page and how many there are in all.  Raises what `decode_answer` raises."""
    data = decode_answer(status, headers, body, _BOTS).data
    return ([], 0) if data is None else (data.items or data.space_bots or [], number_of(data.total))


def decode_workspaces(status: int, headers: Mapping[str, str], body: bytes) -> tuple[list[Workspace], int]:
    """One page and how many there are in all.  Raises what `decode_answer` raises."""
    data = decode_answer(status, headers, body, _WORKSPACES).data
    return ([], 0) if data is None else (data.workspaces or [], number_of(data.total_count))


def bot_target(bot_id: str) -> str:
    """Path and query of one published bot."""
    return f"{BOTS_PATH}/{quote(bot_id, safe='')}?is_published=true"


def decode_bot(status: int, headers: Mapping[str, str], body: bytes) -> Bot:
    """One bot.  Raises what `decode_answer` raises."""
    bot = decode_answer(status, headers, body, _BOT).data
    if bot is None or not bot.bot_id:
        raise UpstreamFailed("Coze's answer names no bot.", code="upstream_protocol")
    return bot


def decode_user(status: int, headers: Mapping[str, str], body: bytes) -> User:
    """Whose token it is.  Raises what `decode_answer` raises."""
    return decode_answer(status, headers, body, _USER).data or User()
