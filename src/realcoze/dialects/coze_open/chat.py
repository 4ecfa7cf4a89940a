"""The calls around one turn: chat, cancel, retrieve, the list of its messages.

Source: docs/protocol/openapi-v3.md §5, §5.1; docs/protocol/studio-web.md §5.2, §5.4.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from realcoze.dialects.coze_open.content import beside_their_text, decode_content, encode_content
from realcoze.dialects.coze_open.envelope import decode_answer
from realcoze.dialects.coze_open.objects import Chat, Id, Message, Word, text_of
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain import message as said
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, TooLarge, UpstreamFailed

CHAT_PATH = "/v3/chat"
CANCEL_PATH = "/v3/chat/cancel"
RETRIEVE_PATH = "/v3/chat/retrieve"
MESSAGES_PATH = "/v3/chat/message/list"

MOST_BYTES = 15 * 1000 * 1000
"""Of one call (openapi-v3 §2)."""

MOST_MESSAGES = 100
MOST_PAIRS, MOST_KEY, MOST_VALUE = 16, 64, 512
"""Of `meta_data`."""


class EnterMessage(msgspec.Struct, omit_defaults=True):
    """One message of the history, as a caller sends it."""

    role: str
    content: Word = None
    content_type: Word = None
    type: Word = None


class ChatCall(msgspec.Struct, omit_defaults=True):
    """The body of POST /v3/chat."""

    bot_id: Id = None
    user_id: Word = None
    stream: bool | None = None
    additional_messages: list[EnterMessage] | None = None
    auto_save_history: bool | None = None
    custom_variables: dict[str, str] | None = None
    parameters: dict[str, Any] | None = None
    meta_data: dict[str, str] | None = None
    extra_params: dict[str, str] | None = None
    shortcut_command: dict[str, Any] | None = None

    def messages(self) -> tuple[said.Message, ...]:
        """The history.  Raises `BadRequest`."""
        return tuple(decode_message(message) for message in self.additional_messages or ())


class CancelCall(msgspec.Struct):
    conversation_id: str
    chat_id: str


class _ChatAnswer(msgspec.Struct):
    data: Chat | None = None
    ChatV3ChatDetail: Chat | None = None


class _MessagesAnswer(msgspec.Struct):
    data: list[Message] | None = None
    Messages: list[Message] | None = None


_CALL = msgspec.json.Decoder(ChatCall)
_CANCEL = msgspec.json.Decoder(CancelCall)
_CHAT_ANSWER = msgspec.json.Decoder(_ChatAnswer)
_MESSAGES_ANSWER = msgspec.json.Decoder(_MessagesAnswer)


def chat_target(conversation_id: ConversationId | None) -> str:
    """Path and query; Studio does not like an empty id, so without one there is no query."""
    return f"{CHAT_PATH}?{urlencode({'conversation_id': conversation_id})}" if conversation_id else CHAT_PATH


def encode_chat(request: Request, *, bot_id: str, user_id: str, saves_history: bool = True) -> bytes:
    """The body of a call that is streamed, whatever the caller wants.

    Raises `BadRequest` for what is over a limit of Coze's: a call that must fail is a call wasted.
    """
    messages = beside_their_text(request.messages)
    _check(request, len(messages))
    body = msgspec.json.encode(
        ChatCall(
            bot_id=bot_id,
            user_id=user_id,
            stream=True,
            additional_messages=[encode_message(message) for message in messages],
            auto_save_history=saves_history,
            custom_variables=dict(request.custom_variables) or None,
            parameters=dict(request.parameters) or None,
            meta_data=dict(request.meta_data) or None,
            extra_params=dict(request.extra_params) or None,
            shortcut_command=dict(request.shortcut_command) or None,
        )
    )
    if len(body) > MOST_BYTES:
        raise TooLarge(
            f"The conversation has {len(body)} bytes; Coze takes {MOST_BYTES}.",
            hint="Begin a new conversation, or send less of the history.",
        )
    return body


def decode_chat(body: bytes) -> ChatCall:
    """Read a call as a server.  Raises `BadRequest`."""
    try:
        return read_json(body, _CALL)
    except NotJson as error:
        raise BadRequest(f"chat: {error}.") from error


def encode_cancel(conversation_id: ConversationId, chat_id: ChatId) -> bytes:
    """The body of a call that stops a turn."""
    return msgspec.json.encode(CancelCall(conversation_id=conversation_id, chat_id=chat_id))


def decode_cancel(body: bytes) -> CancelCall:
    """Read a call as a server.  Raises `BadRequest`."""
    try:
        return read_json(body, _CANCEL)
    except NotJson as error:
        raise BadRequest(f"cancel: {error}.") from error


def retrieve_target(conversation_id: ConversationId, chat_id: ChatId, *, path: str = RETRIEVE_PATH) -> str:
    """Path and query of a GET, the only method that all servers have."""
    return f"{path}?{urlencode({'conversation_id': conversation_id, 'chat_id': chat_id})}"


def decode_chat_answer(status: int, headers: Mapping[str, str], body: bytes) -> Chat:
    """The chat in an answer of retrieve or cancel.  Raises what `decode_answer` raises."""
    answer = decode_answer(status, headers, body, _CHAT_ANSWER)
    chat = answer.data or answer.ChatV3ChatDetail
    if chat is None:
        raise UpstreamFailed("Coze's answer holds no chat.", code="upstream_protocol")
    return chat


def decode_messages(status: int, headers: Mapping[str, str], body: bytes) -> list[Message]:
    """All that the bot produced in a chat, in order.  Raises what `decode_answer` raises."""
    answer = decode_answer(status, headers, body, _MESSAGES_ANSWER)
    return answer.data or answer.Messages or []


def ids_of(chat: Chat) -> tuple[ChatId, ConversationId]:
    """The names of a chat and of its conversation; empty where the server gave none."""
    return ChatId(text_of(chat.id)), ConversationId(text_of(chat.conversation_id))


def encode_message(message: said.Message) -> EnterMessage:
    """One message of the history as a call has it."""
    content, content_type = encode_content(message.parts)
    kind = "question" if message.role == "user" else "answer"
    return EnterMessage(role=message.role, content=content, content_type=content_type, type=kind)


def decode_message(message: EnterMessage) -> said.Message:
    """The same, read.  Raises `BadRequest`."""
    parts = decode_content(message.content or "", message.content_type or "text")
    return said.Message(role="assistant" if message.role == "assistant" else "user", parts=parts)


def _check(request: Request, count: int) -> None:
    if count > MOST_MESSAGES:
        raise BadRequest(
            f"The history has {count} messages; Coze takes {MOST_MESSAGES}.",
            code="too_many_messages",
            hint="Begin a new conversation, or send less of the history.",
        )
    if len(request.meta_data) > MOST_PAIRS:
        raise BadRequest(f"meta_data has {len(request.meta_data)} entries; Coze takes {MOST_PAIRS}.")
    for key, value in request.meta_data.items():
        if not 1 <= len(key) <= MOST_KEY or not 1 <= len(value) <= MOST_VALUE:
            raise BadRequest(
                f"meta_data: a key has 1 to {MOST_KEY} characters, a value 1 to {MOST_VALUE}; {key[:80]!r} has not."
            )
