"""How coze.com words what it says; `open_studio` is the same call with the same outcome in other words.

Source: docs/protocol/openapi-v3.md §3, §5, §7, §8.
"""

# ruff: noqa: ARG002 - what one of the two does not need, the other does

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec

from realcoze.dialects.coze_open.chat import CHAT_PATH, ChatCall, decode_chat
from realcoze.dialects.coze_open.envelope import encode_refusal, encode_success
from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream_encoder import ChatStreamEncoder
from realcoze.emulator.account import EmulatedBot
from realcoze.emulator.open_api.state import Conversation, StoredFile

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
    ignores_saving: ClassVar[bool] = False
    makes_unknown_conversations: ClassVar[bool] = False
    begins_with_messages: ClassVar[bool] = True
    wants_numbers_in_paths: ClassVar[bool] = False
    too_late_to_cancel: ClassVar[str] = "The chat has ended and cannot be cancelled."

    def read_chat(self, body: bytes, query: Mapping[str, str]) -> ChatCall:
        """The body of a call.  Raises `BadRequest` and `Refused`."""
        return decode_chat(body)

    def new_logid(self) -> str:
        """The name of a call: its time and 16 hexadecimal digits."""
        return f"{datetime.now(UTC):%Y%m%d%H%M%S}{uuid.uuid4().hex[:18].upper()}"

    def success(self, data: object, logid: str, *, name: str = "data") -> Reply:
        """An answer that went well; `name` is of the field that holds it."""
        if data is None:
            return json_reply(code=0, msg="", detail={"logid": logid})
        if name != "data":
            return json_reply(code=0, msg="", **{name: data}, detail={"logid": logid})
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
        return json_reply(**told)

    def file(self, file: StoredFile, logid: str) -> Reply:
        told = {"id": file.id, "bytes": len(file.data), "file_name": file.name, "created_at": file.created_at}
        return self.success(told, logid)

    def check_connector(self, query: Mapping[str, str]) -> None:
        """What get_online_info insists on: nothing."""

    def online_bot(self, bot: dict[str, Any], logid: str) -> Reply:
        """The answer of get_online_info."""
        return self.success(bot, logid)

    def bot(self, bot: EmulatedBot, made_at: int) -> dict[str, Any]:
        """The object."""
        return {
            **described(bot),
            "description": bot.about,
            "create_time": made_at,
            "update_time": made_at,
            "knowledge": {"dataset_ids": [], "auto_call": True, "search_strategy": 0},
            "plugin_info_list": [
                {
                    "plugin_id": plugin["plugin_id"],
                    "name": "weather",
                    "description": "",
                    "icon_url": "",
                    "api_info_list": [{"api_id": plugin["api_id"], "name": plugin["api_name"], "description": ""}],
                }
                for plugin in plugins_of(bot)
            ],
            "owner_user_id": OWNER_ID,
        }


def described(bot: EmulatedBot) -> dict[str, Any]:
    """What both say of a bot."""
    return {
        "bot_id": bot.bot_id,
        "name": bot.name,
        "icon_url": "",
        "version": "1750000000000",
        "prompt_info": {"prompt": bot.prompt},
        "onboarding_info": {"prologue": "", "suggested_questions": []},
        "bot_mode": 0,
        "model_info": {"model_id": "133", "model_name": "emulated"},
    }


def plugins_of(bot: EmulatedBot) -> list[dict[str, str]]:
    """Only one of the bots has any."""
    if bot.name != "tools":
        return []
    return [{"plugin_id": "7281192623887548473", "api_id": "7288907006982012986", "api_name": "lookup"}]


def is_number(text: str) -> bool:
    """It is the decimal text of an id."""
    return text.isascii() and text.isdigit() and len(text) < 20


def json_reply(status: int = 200, /, **told: object) -> Reply:
    """An answer of these fields."""
    return Reply(msgspec.json.encode(told), status)
