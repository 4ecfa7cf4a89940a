"""How each server words what it says: coze.com's own, and Coze Studio with its quirks.

Nothing here decides; the same call with the same outcome only looks different.

Source: docs/protocol/openapi-v3.md §3, §5, §7, §8; docs/protocol/studio-web.md §1, §5.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from realcoze.dialects.coze_open.chat import CANCEL_PATH, CHAT_PATH, MESSAGES_PATH, RETRIEVE_PATH
from realcoze.dialects.coze_open.envelope import encode_refusal, encode_success
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream_encoder import ChatStreamEncoder, StudioStreamEncoder
from realcoze.emulator.open_state import Conversation, StoredFile

OWNER_ID = "7300000000000000009"

JSON = "application/json"


class Refused(Exception):
    """A call that is answered with a code; the code is coze.com's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Reply:
    body: bytes
    status: int = 200
    content_type: str = JSON


class CozeCom:
    """coze.com and coze.cn."""

    logid_header: ClassVar[str] = "x-tt-logid"
    encoder: ClassVar[type[ChatStreamEncoder]] = ChatStreamEncoder
    cancelled: ClassVar[str] = "canceled"
    streams_by_default: ClassVar[bool] = False
    runs_one_chat_at_a_time: ClassVar[bool] = True

    def new_logid(self) -> str:
        """The name of a call: its time and 16 hexadecimal digits."""
        return f"{datetime.now(UTC):%Y%m%d%H%M%S}{uuid.uuid4().hex[:18].upper()}"

    def success(self, data: object, logid: str) -> Reply:
        """An answer that went well."""
        return Reply(encode_success(data, logid=logid))

    def refusal(self, path: str, refused: Refused, logid: str) -> Reply:
        """An answer that did not."""
        status = {4100: 401, 4020: 429}.get(refused.code, 200)
        return Reply(encode_refusal(refused.code, refused.text, logid=logid), status)

    def stream_refusal(self, refused: Refused, logid: str) -> Reply:
        """An error before the first event of a stream that was asked for."""
        return self.refusal(CHAT_PATH, refused, logid)

    def unauthorized(self, authorization: str) -> Refused:
        """What is wrong with a token."""
        return Refused(4100, "authentication is invalid")

    def chat_begun(self, chat: Chat, logid: str) -> Reply:
        """The answer to a chat that is not streamed."""
        return self.success(chat, logid)

    def chat(self, chat: Chat, logid: str) -> Reply:
        return self.success(chat, logid)

    def chat_cancelled(self, chat: Chat, logid: str) -> Reply:
        return self.success(chat, logid)

    def chat_messages(self, messages: tuple[Message, ...], logid: str) -> Reply:
        return self.success(messages, logid)

    def conversation(self, conversation: Conversation) -> dict[str, Any]:
        """The object."""
        return {
            "id": conversation.id,
            "created_at": conversation.created_at,
            "updated_at": conversation.updated_at,
            "meta_data": conversation.meta_data,
            "last_section_id": conversation.section_id,
            "name": conversation.name,
            "creator_id": OWNER_ID,
            "connector_id": "1024",
        }

    def found_conversation(self, conversation: Conversation, logid: str) -> Reply:
        """The answer to retrieve."""
        return self.success(self.conversation(conversation), logid)

    def message_page(self, messages: list[Message], has_more: bool, logid: str) -> Reply:  # noqa: FBT001 - a value
        """One page of a conversation's messages; it has no inner object."""
        told = {
            "code": 0,
            "msg": "",
            "data": messages,
            "first_id": messages[0].id if messages else "",
            "last_id": messages[-1].id if messages else "",
            "has_more": has_more,
            "detail": {"logid": logid},
        }
        return Reply(msgspec.json.encode(told))

    def file(self, file: StoredFile, logid: str) -> Reply:
        told = {"id": file.id, "bytes": len(file.data), "file_name": file.name, "created_at": file.created_at}
        return self.success(told, logid)

    def online_bot(self, bot: dict[str, Any], logid: str) -> Reply:
        """The answer of get_online_info."""
        return self.success(bot, logid)


_STUDIO_CODES = {
    4000: 103000000, 4001: 103200003, 4002: 103000002, 4005: 103200001, 4006: 103100002, 4015: 103100002,
    4104: 103200005, 4200: 103100002, 4300: 104000006, 4301: 104000007, 4302: 104000004,
}  # fmt: skip
_BAD_REQUEST = frozenset({4000})


class Studio(CozeCom):
    """Coze Studio, as its source does it, mistakes included."""

    logid_header: ClassVar[str] = "X-Log-ID"
    encoder: ClassVar[type[ChatStreamEncoder]] = StudioStreamEncoder
    cancelled: ClassVar[str] = "cancelled"
    streams_by_default: ClassVar[bool] = True
    runs_one_chat_at_a_time: ClassVar[bool] = False

    def new_logid(self) -> str:
        """A UUID."""
        return str(uuid.uuid4())

    def success(self, data: object, logid: str) -> Reply:
        return _studio(code=0, msg="", data=data, BaseResp=None)

    def refusal(self, path: str, refused: Refused, logid: str) -> Reply:
        """Each handler has a way of its own."""
        code = _STUDIO_CODES.get(refused.code, refused.code)
        if code == 700012006:
            return _studio(code=code, msg=refused.text)
        if path in (CHAT_PATH, CANCEL_PATH) or refused.code in _BAD_REQUEST:
            return _studio(400, code=400, msg=refused.text)
        if path in (RETRIEVE_PATH, MESSAGES_PATH):
            return Reply(refused.text.encode(), 500, "text/plain")
        return _studio(code=code, msg=refused.text)

    def stream_refusal(self, refused: Refused, logid: str) -> Reply:
        """A stream of one event."""
        if refused.code in _BAD_REQUEST or refused.code == 700012006:
            return self.refusal(CHAT_PATH, refused, logid)
        code = _STUDIO_CODES.get(refused.code, refused.code)
        failure = msgspec.json.encode({"code": code, "msg": refused.text})
        return Reply(b"event:error\ndata:%b\n\n" % failure, 200, "text/event-stream")

    def unauthorized(self, authorization: str) -> Refused:
        if authorization.count("Bearer") != 1:
            return Refused(700012006, "authentication failed: missing authorization in header")
        return Refused(700012006, "authentication failed: CheckPermission failed")

    def chat_begun(self, chat: Chat, logid: str) -> Reply:
        """It has only been created; whoever waits while it is in progress waits for nothing."""
        told = {
            "id": chat.id,
            "conversation_id": chat.conversation_id,
            "bot_id": chat.bot_id,
            "created_at": chat.created_at,
            "completed_at": 0,
            "failed_at": 0,
            "status": "created",
            "section_id": chat.section_id,
        }
        return self.success(told, logid)

    def chat_cancelled(self, chat: Chat, logid: str) -> Reply:
        """Without a code."""
        return _studio(ChatV3ChatDetail=chat, BaseResp=None)

    def chat_messages(self, messages: tuple[Message, ...], logid: str) -> Reply:
        named = {"Messages": messages} if messages else {}
        return _studio(**named, code=0, msg="", BaseResp=None)

    def conversation(self, conversation: Conversation) -> dict[str, Any]:
        return {
            "id": conversation.id,
            "created_at": conversation.created_at,
            "meta_data": conversation.meta_data or None,
            "creator_d": OWNER_ID,
            "connector_id": "1024",
            "last_section_id": conversation.section_id,
            "account_id": 0,
            "user_id": OWNER_ID,
            "name": conversation.name,
        }

    def found_conversation(self, conversation: Conversation, logid: str) -> Reply:
        return _studio(code=0, msg="", ConversationData=self.conversation(conversation), BaseResp=None)

    def message_page(self, messages: list[Message], has_more: bool, logid: str) -> Reply:  # noqa: FBT001 - a value
        if not messages:
            return _studio(code=0, msg="", data=[], BaseResp=None)
        first, last = messages[0].id, messages[-1].id
        more = {"has_more": True} if has_more else {}
        return _studio(code=0, msg="", data=messages, first_id=first, last_id=last, **more, BaseResp=None)

    def file(self, file: StoredFile, logid: str) -> Reply:
        uri = f"tos-cn-i-emulated/{file.id}"
        told = {
            "uri": uri,
            "bytes": len(file.data),
            "CreatedAt": file.created_at,
            "file_name": file.name,
            "url": f"/local_storage/{uri}",
            "id": file.id,
        }
        return _studio(code=0, msg="", data=told, BaseResp=None)

    def online_bot(self, bot: dict[str, Any], logid: str) -> Reply:
        """Bare."""
        return _studio(**bot)


def _studio(status: int = 200, /, **told: object) -> Reply:
    return Reply(msgspec.json.encode(told), status)
