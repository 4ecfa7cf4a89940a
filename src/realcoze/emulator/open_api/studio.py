"""How Coze Studio words what it says, mistakes included.

Source: docs/protocol/studio-web.md §1, §5.
"""

# ruff: noqa: ARG002 - what one of the two does not need, the other does

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from realcoze.dialects.coze_open.chat import CANCEL_PATH, CHAT_PATH, MESSAGES_PATH, RETRIEVE_PATH, ChatCall, decode_chat
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream_encoder import ChatStreamEncoder, StudioStreamEncoder
from realcoze.emulator.account import EmulatedBot
from realcoze.emulator.open_api.personality import (
    OWNER_ID,
    CozeCom,
    Refused,
    Reply,
    described,
    is_number,
    json_reply,
    plugins_of,
)
from realcoze.emulator.open_api.state import Conversation, StoredFile


class _StudioChat(msgspec.Struct):
    """What Studio insists on."""

    bot_id: str
    user_id: str
    parameters: object = None


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
    ignores_saving: ClassVar[bool] = True
    makes_unknown_conversations: ClassVar[bool] = True
    begins_with_messages: ClassVar[bool] = False
    wants_numbers_in_paths: ClassVar[bool] = True
    too_late_to_cancel: ClassVar[str] = "in progress can not be cancelled"

    def read_chat(self, body: bytes, query: Mapping[str, str]) -> ChatCall:
        """The body of a call; ids are strings, and what is given of the query must be a number."""
        try:
            given = msgspec.json.decode(body, type=_StudioChat)
        except msgspec.MsgspecError as error:
            raise Refused(4000, str(error)) from error
        if given.parameters is not None and not isinstance(given.parameters, dict):
            raise Refused(4000, "parameters field should be an object, not a string")
        if not is_number(query.get("conversation_id", "0")):
            raise Refused(4000, "conversation_id is no number")
        return decode_chat(body)

    def new_logid(self) -> str:
        """A UUID."""
        return str(uuid.uuid4())

    def success(self, data: object, logid: str, *, name: str = "data") -> Reply:
        named = {} if data is None else {name: data}
        return json_reply(code=0, msg="", **named, BaseResp=None)

    def refusal(self, path: str, refused: Refused, logid: str) -> Reply:
        """Each handler has a way of its own."""
        code = _STUDIO_CODES.get(refused.code, refused.code)
        if code == 500:
            return json_reply(500, code=500, msg=refused.text)
        if code == 700012006:
            return json_reply(code=code, msg=refused.text)
        if path in (CHAT_PATH, CANCEL_PATH) or refused.code in _BAD_REQUEST:
            return json_reply(400, code=400, msg=refused.text)
        if path in (RETRIEVE_PATH, MESSAGES_PATH):
            return Reply(refused.text.encode(), 500, "text/plain")
        return json_reply(code=code, msg=refused.text)

    def stream_refusal(self, refused: Refused, logid: str) -> Reply:
        """A stream of one event."""
        if refused.code in _BAD_REQUEST:
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
        return json_reply(ChatV3ChatDetail=chat, BaseResp=None)

    def chat_messages(self, messages: tuple[Message, ...], logid: str) -> Reply:
        named = {"Messages": messages} if messages else {}
        return json_reply(**named, code=0, msg="", BaseResp=None)

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
        return json_reply(code=0, msg="", ConversationData=self.conversation(conversation), BaseResp=None)

    def message_page(self, messages: list[Message], has_more: bool, logid: str) -> Reply:  # noqa: FBT001 - a value
        if not messages:
            return json_reply(code=0, msg="", data=[], BaseResp=None)
        first, last = messages[0].id, messages[-1].id
        return json_reply(code=0, msg="", data=messages, first_id=first, last_id=last, has_more=has_more, BaseResp=None)

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
        return json_reply(code=0, msg="", data=told, BaseResp=None)

    def check_connector(self, query: Mapping[str, str]) -> None:
        """Its handler fails where there is no number."""
        if not is_number(query.get("connector_id", "")):
            raise Refused(500, "internal server error")

    def bot(self, bot: EmulatedBot, made_at: int) -> dict[str, Any]:
        return {
            **described(bot),
            "description": bot.about,
            "create_time": 0,
            "update_time": 0,
            "plugin_info_list": plugins_of(bot),
            "workflow_info_list": [],
            "shortcut_commands": [],
        }

    def online_bot(self, bot: dict[str, Any], logid: str) -> Reply:
        """Bare."""
        return json_reply(**bot)
