"""Conversations and their messages.

Source: docs/protocol/openapi-v3.md §7; docs/protocol/studio-web.md §5.1, §5.4.
"""

import time
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from realcoze.dialects.coze_open.objects import Message
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.open_api.state import Conversation, page

MOST_LISTED = 50
"""Of a page."""

T = TypeVar("T")


class _NewMessage(msgspec.Struct):
    role: str = "user"
    content: str | None = None
    content_type: str | None = None
    type: str | None = None
    meta_data: dict[str, Any] | None = None


class _NewConversation(msgspec.Struct):
    bot_id: str | None = None
    name: str | None = None
    meta_data: dict[str, str] | None = None
    messages: list[_NewMessage] | None = None


class _NewName(msgspec.Struct):
    name: str | None = None


class _MessagesWish(msgspec.Struct):
    order: str | None = None
    chat_id: str | None = None
    before_id: str | None = None
    after_id: str | None = None
    limit: int | None = None


class _Change(msgspec.Struct):
    content: str | None = None
    content_type: str | None = None
    meta_data: dict[str, Any] | None = None


_NEW_CONVERSATION = msgspec.json.Decoder(_NewConversation)
_NEW_NAME = msgspec.json.Decoder(_NewName)
_NEW_MESSAGE = msgspec.json.Decoder(_NewMessage)
_MESSAGES_WISH = msgspec.json.Decoder(_MessagesWish)
_CHANGE = msgspec.json.Decoder(_Change)


class OpenConversations:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        guarded, numbered = self._desk.guarded, self._desk.numbered
        return [
            web.post("/v1/conversation/create", guarded(self._create)),
            web.get("/v1/conversation/retrieve", guarded(self._retrieve)),
            web.get("/v1/conversations", guarded(self._list)),
            web.put("/v1/conversations/{id}", numbered(self._rename)),
            web.delete("/v1/conversations/{id}", numbered(self._delete)),
            web.post("/v1/conversations/{id}/clear", numbered(self._clear)),
            web.post("/v1/conversation/message/list", guarded(self._messages)),
        ]

    def more_routes(self) -> list[web.RouteDef]:
        """Those that Studio has not."""
        guarded = self._desk.guarded
        return [
            web.post("/v1/conversation/message/create", guarded(self._add)),
            web.get("/v1/conversation/message/retrieve", guarded(self._message)),
            web.post("/v1/conversation/message/modify", guarded(self._modify)),
            web.post("/v1/conversation/message/delete", guarded(self._remove)),
        ]

    async def _create(self, request: web.Request) -> Reply:
        wish = await _read(request, _NEW_CONVERSATION)
        conversation = self._desk.state.new_conversation(_now(), bot_id=wish.bot_id or "")
        conversation.meta_data = wish.meta_data or {}
        if self._desk.personality.begins_with_messages:
            conversation.name = wish.name or ""
            for message in wish.messages or ():
                conversation.add(self._made(conversation, message))
        self._desk.state.keep_conversation(conversation)
        return self._told(conversation, request)

    async def _retrieve(self, request: web.Request) -> Reply:
        conversation = self._desk.conversation(request.query.get("conversation_id", ""))
        return self._desk.personality.found_conversation(conversation, request[LOGID])

    async def _list(self, request: web.Request) -> Reply:
        bot_id = request.query.get("bot_id", "")
        if not bot_id:
            raise Refused(4000, "bot_id is required")
        number, size = paging(request, "page_num")
        kept = self._desk.state.conversations.values()
        found = [conversation for conversation in kept if conversation.bot_id == bot_id]
        if request.query.get("sort_order", "DESC").upper() != "ASC":
            found.reverse()
        items, has_more = page(found, number, size)
        told = [self._desk.personality.conversation(conversation) for conversation in items]
        return self._desk.personality.success({"conversations": told, "has_more": has_more}, request[LOGID])

    async def _rename(self, request: web.Request) -> Reply:
        conversation = self._desk.conversation(request.match_info["id"])
        conversation.name = (await _read(request, _NEW_NAME)).name or ""
        conversation.updated_at = _now()
        return self._told(conversation, request)

    async def _delete(self, request: web.Request) -> Reply:
        conversation = self._desk.conversation(request.match_info["id"])
        del self._desk.state.conversations[conversation.id]
        return self._desk.personality.success(None, request[LOGID])

    async def _clear(self, request: web.Request) -> Reply:
        """The messages stay, a new section begins."""
        conversation = self._desk.conversation(request.match_info["id"])
        conversation.section_id = next(self._desk.state.ids)
        told = {"id": conversation.section_id, "conversation_id": conversation.id}
        return self._desk.personality.success(told, request[LOGID])

    async def _messages(self, request: web.Request) -> Reply:
        conversation = self._desk.conversation(request.query.get("conversation_id", ""))
        wish = await _read(request, _MESSAGES_WISH)
        items, has_more = listed(conversation, wish)
        return self._desk.personality.message_page(items, has_more, request[LOGID])

    async def _add(self, request: web.Request) -> Reply:
        conversation = self._desk.conversation(request.query.get("conversation_id", ""))
        message = self._made(conversation, await _read(request, _NEW_MESSAGE))
        conversation.add(message)
        return self._desk.personality.success(message, request[LOGID])

    async def _message(self, request: web.Request) -> Reply:
        _, message = self._named(request)
        return self._desk.personality.success(message, request[LOGID])

    async def _modify(self, request: web.Request) -> Reply:
        """The answer's field is `message`."""
        _, message = self._named(request)
        change = await _read(request, _CHANGE)
        if change.content is not None:
            message.content, message.content_type = change.content, change.content_type or message.content_type
        if change.meta_data is not None:
            message.meta_data = change.meta_data
        message.updated_at = _now()
        return self._desk.personality.success(message, request[LOGID], name="message")

    async def _remove(self, request: web.Request) -> Reply:
        conversation, message = self._named(request)
        conversation.messages.remove(message)
        return self._desk.personality.success(message, request[LOGID])

    def _named(self, request: web.Request) -> tuple[Conversation, Message]:
        conversation = self._desk.conversation(request.query.get("conversation_id", ""))
        message = conversation.find(request.query.get("message_id", ""))
        if message is None:
            raise Refused(4005, "invalid message: not found")
        return conversation, message

    def _made(self, conversation: Conversation, wish: _NewMessage) -> Message:
        if wish.role not in ("user", "assistant"):
            raise Refused(4005, f"role {wish.role[:20]!r} is neither user nor assistant")
        return Message(
            id=next(self._desk.state.ids),
            conversation_id=conversation.id,
            bot_id=conversation.bot_id,
            chat_id="",
            role=wish.role,
            type=wish.type or ("question" if wish.role == "user" else "answer"),
            content=wish.content or "",
            content_type=wish.content_type or "text",
            meta_data=wish.meta_data or {},
            section_id=conversation.section_id,
            created_at=_now(),
            updated_at=_now(),
        )

    def _told(self, conversation: Conversation, request: web.Request) -> Reply:
        personality = self._desk.personality
        return personality.success(personality.conversation(conversation), request[LOGID])


def listed(conversation: Conversation, wish: _MessagesWish) -> tuple[list[Message], bool]:
    """One page of the messages, and whether there are more on that side.

    `before_id` and `after_id` count in time, whatever the order: older than the one, newer than the other.
    """
    limit = MOST_LISTED if wish.limit is None else min(max(wish.limit, 1), MOST_LISTED)
    found = [message for message in conversation.messages if wish.chat_id in (None, "", message.chat_id)]
    if wish.before_id:
        found = found[: _place(found, wish.before_id)]
    if wish.after_id:
        found = found[_place(found, wish.after_id) + 1 :]
    is_oldest_first = (wish.order or "desc").lower() == "asc"
    has_more = len(found) > limit
    if is_oldest_first:
        return (found[-limit:] if wish.before_id else found[:limit]), has_more
    return list(reversed(found[:limit] if wish.after_id else found[-limit:])), has_more


def paging(request: web.Request, name: str, most: int = MOST_LISTED) -> tuple[int, int]:
    """Number (from 1) and size of a page, `most` at a time.  Raises `Refused`."""
    number, size = request.query.get(name) or "1", request.query.get("page_size") or "20"
    if not (number.isdecimal() and size.isdecimal() and int(number[:9]) > 0 and 0 < int(size[:9]) <= most):
        raise Refused(4000, f"{name} or page_size is out of range")
    return int(number[:9]), int(size)


def _place(messages: list[Message], message_id: str) -> int:
    for place, message in enumerate(messages):
        if message.id == message_id:
            return place
    raise Refused(4005, "invalid message: not found")


async def _read(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    """The body of a call; nothing counts as an empty object.  Raises `Refused`."""
    try:
        return read_json(await request.read() or b"{}", decoder)
    except NotJson as error:
        raise Refused(4000, f"invalid parameter: {error}") from error


def _now() -> int:
    return int(time.time())
