"""The HTTP calls of one account, with its token.

Source: docs/protocol/openapi-v3.md §2, §5, §8, §9.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from realcoze.dialects.coze_open import catalog, chat, files
from realcoze.dialects.coze_open.catalog import Bot, ListedBot, User, Workspace
from realcoze.dialects.coze_open.envelope import raise_refusal
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.transports.http import Answer, HttpClient, Valve
from realcoze.upstreams.coze_open.settings import OpenSettings
from realcoze.upstreams.coze_open.tokens import Tokens

USER_AGENT = "realcoze"


Scope = Literal["chat", "cancelChat", "uploadFile"]
"""Permissions of a token, by Coze's own words; without the first nothing works."""

_NOBODY = "1"
_PROBES: Mapping[Scope, tuple[str, bytes]] = {
    "chat": (chat.CHAT_PATH, b'{"bot_id":"1","user_id":"1","stream":false}'),
    "cancelChat": (chat.CANCEL_PATH, chat.encode_cancel(ConversationId(_NOBODY), ChatId(_NOBODY))),
    "uploadFile": (files.UPLOAD_PATH, b"{}"),
}


class Calls:
    """Calls in the name of one token.  Each raises a `RealcozeError`."""

    def __init__(self, settings: OpenSettings, http: HttpClient, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._base = settings.base.rstrip("/")
        self._http = http

    async def stream_chat(
        self,
        conversation_id: ConversationId | None,
        body: bytes,
        *,
        on_head: Callable[[int, Mapping[str, str]], None],
        on_bytes: Callable[[bytes], None],
        valve: Valve,
    ) -> None:
        """Run one turn and hand its stream on as it arrives; how long it may take is the caller's business."""
        await self._http.stream(
            "POST",
            self._base + chat.chat_target(conversation_id),
            headers={**await self._headers(), "Content-Type": "application/json"},
            body=body,
            idle_s=None,
            on_head=on_head,
            on_bytes=on_bytes,
            valve=valve,
        )

    async def cancel(self, conversation_id: ConversationId, chat_id: ChatId) -> None:
        """Stop a turn."""
        body = chat.encode_cancel(conversation_id, chat_id)
        chat.decode_chat_answer(*await self._post(chat.CANCEL_PATH, body, reply_s=self._settings.deadlines.cancel))

    async def upload(self, data: bytes, name: str, content_type: str, *, boundary: str) -> str:
        """Store a file; its id."""
        form, body = files.encode_upload(data, name, content_type, boundary=boundary)
        answer = await self._post(files.UPLOAD_PATH, body, content_type=form, reply_s=self._settings.deadlines.upload)
        return files.decode_uploaded(*answer)

    async def me(self) -> User:
        """Whose token it is."""
        return catalog.decode_user(*await self._get(catalog.ME_PATH))

    async def probe(self, scope: Scope) -> None:
        """Make a call that cannot succeed; it raises `UpstreamDenied` when the token may not make it at all."""
        path, body = _PROBES[scope]
        raise_refusal(*await self._post(path, body, reply_s=self._settings.deadlines.reply))

    async def workspaces(self, page: int) -> tuple[list[Workspace], int]:
        """One page (from 1) of the workspaces that the token reaches, and how many there are in all."""
        return catalog.decode_workspaces(*await self._get(catalog.workspaces_target(page)))

    async def bot(self, bot_id: str) -> Bot:
        """One published bot."""
        return catalog.decode_bot(*await self._get(catalog.bot_target(bot_id)))

    async def bots(self, workspace_id: str, page: int) -> tuple[list[ListedBot], int]:
        """One page (from 1) of a workspace's published bots, and how many there are in all."""
        return catalog.decode_bots(*await self._get(catalog.bots_target(workspace_id, page)))

    async def _post(
        self, path: str, body: bytes, *, reply_s: float, content_type: str = "application/json"
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {**await self._headers(), "Content-Type": content_type}
        return _taken(await self._http.call("POST", self._base + path, headers=headers, body=body, reply_s=reply_s))

    async def _get(self, target: str) -> tuple[int, Mapping[str, str], bytes]:
        reply_s = self._settings.deadlines.reply
        return _taken(await self._http.call("GET", self._base + target, headers=await self._headers(), reply_s=reply_s))

    async def _headers(self) -> dict[str, str]:
        token = await self._tokens.current()
        return {"Authorization": f"Bearer {token.reveal()}", "User-Agent": USER_AGENT}


def _taken(answer: Answer) -> tuple[int, Mapping[str, str], bytes]:
    return answer.status, answer.headers, answer.body
