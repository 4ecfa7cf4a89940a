"""The HTTP calls of one account, with its token.

Source: docs/protocol/openapi-v3.md §2, §5, §8, §9.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from realcoze.dialects.coze_open import audio, catalog, chat, files
from realcoze.dialects.coze_open.catalog import Bot, ListedBot, User, Workspace
from realcoze.dialects.coze_open.envelope import raise_refusal
from realcoze.dialects.coze_open.failure import NO_TOKEN
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.ports import Sound
from realcoze.errors import RealcozeError, UpstreamDenied
from realcoze.transports.http import ANSWER_BYTES, HttpClient
from realcoze.transports.pushed import Valve
from realcoze.upstreams.coze_open.settings import OpenSettings
from realcoze.upstreams.coze_open.tokens import Tokens
from realcoze.upstreams.credentials import Secret

USER_AGENT = "realcoze"

REFUSAL_BYTES = 64 << 10
"""More than a refusal has."""
SPEECH_BYTES = 64 << 20
"""More than 1024 bytes of text make, even at a fifth of the speed as a WAV."""


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
        self.tokens = tokens
        self._base = settings.base.rstrip("/")
        self._http = http

    def stream(
        self,
        target: str,
        body: bytes,
        *,
        token: Secret,
        on_head: Callable[[int, Mapping[str, str]], None],
        on_bytes: Callable[[bytes], None],
        valve: Valve,
    ) -> Awaitable[None]:
        """Run one turn and hand its stream on as it arrives; how long it may take is the caller's business."""
        return self._http.stream(
            "POST",
            self._base + target,
            headers=_headers(token, "application/json"),
            body=body,
            idle_s=None,
            on_head=on_head,
            on_bytes=on_bytes,
            valve=valve,
        )

    async def chat(self, conversation_id: ConversationId, chat_id: ChatId) -> Chat:
        """What has become of a turn."""
        return chat.decode_chat_answer(*await self._get(chat.retrieve_target(conversation_id, chat_id)))

    async def messages(self, conversation_id: ConversationId, chat_id: ChatId) -> list[Message]:
        """All that the bot produced in a turn."""
        target = chat.retrieve_target(conversation_id, chat_id, path=chat.MESSAGES_PATH)
        return chat.decode_messages(*await self._get(target))

    async def cancel(self, conversation_id: ConversationId, chat_id: ChatId) -> None:
        """Stop a turn."""
        body = chat.encode_cancel(conversation_id, chat_id)
        chat.decode_chat_answer(*await self._post(chat.CANCEL_PATH, body, reply_s=self._settings.deadlines.cancel))

    async def upload(self, data: bytes, name: str, content_type: str, *, boundary: str) -> str:
        """Store a file; its id."""
        form, body = files.encode_upload(data, name, content_type, boundary=boundary)
        answer = await self._post(files.UPLOAD_PATH, body, content_type=form, reply_s=self._settings.deadlines.upload)
        return files.decode_uploaded(*answer)

    async def speech(self, body: bytes) -> Sound:
        """A text, spoken."""
        answer = await self._call(
            "POST",
            audio.SPEECH_PATH,
            reply_s=self._settings.deadlines.upload,
            body=body,
            content_type="application/json",
            max_bytes=SPEECH_BYTES,
        )
        return audio.decode_speech(*answer)

    async def transcription(self, form: audio.Form) -> str:
        """What is said in a recording."""
        answer = await self._post(
            audio.TRANSCRIPTIONS_PATH,
            form.body,
            content_type=form.content_type,
            reply_s=self._settings.deadlines.upload,
        )
        return audio.decode_text(*answer)

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
        return await self._call("POST", path, reply_s=reply_s, body=body, content_type=content_type)

    async def _get(self, target: str) -> tuple[int, Mapping[str, str], bytes]:
        return await self._call("GET", target, reply_s=self._settings.deadlines.reply)

    async def _call(
        self,
        method: str,
        target: str,
        *,
        reply_s: float,
        body: bytes = b"",
        content_type: str = "",
        max_bytes: int = ANSWER_BYTES,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One call; once more with another token where Coze did not take the first."""
        while True:
            token = await self.tokens.current()
            headers = _headers(token, content_type)
            answer = await self._http.call(
                method, self._base + target, headers=headers, body=body, reply_s=reply_s, max_bytes=max_bytes
            )
            taken = answer.status, answer.headers, answer.body
            if len(answer.body) > REFUSAL_BYTES or not is_token_refused(*taken) or not self.tokens.refuse(token):
                return taken


def is_token_refused(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """The answer says that the token is none, or no more."""
    try:
        raise_refusal(status, headers, body)
    except RealcozeError as error:
        return is_about_token(error)
    return False


def is_about_token(error: RealcozeError) -> bool:
    """Coze does not take the token, whatever it would be good for."""
    return isinstance(error, UpstreamDenied) and error.code == NO_TOKEN


def _headers(token: Secret, content_type: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token.reveal()}", "User-Agent": USER_AGENT}
    return {**headers, "Content-Type": content_type} if content_type else headers
