"""The calls around a chat: begin one, look at it, list what it produced, cancel it.

Source: docs/protocol/openapi-v3.md §5, §6, §16; docs/protocol/studio-web.md §5.2 to §5.4.
"""

import asyncio

from aiohttp import web

from realcoze.dialects.coze_open import chat as calls
from realcoze.emulator.fault import find_fault
from realcoze.emulator.open_delivery import deliver
from realcoze.emulator.open_desk import LOGID, Desk
from realcoze.emulator.open_fault import CHAT_FAULTS, refused_call
from realcoze.emulator.open_personality import Refused, Reply
from realcoze.emulator.open_stream import Streamer
from realcoze.emulator.wire import WireNote

MOST_MESSAGES = 100
UNPUBLISHED = (
    "The bot_id {} has not been published to the channel Agent As API. Please refer to the 'Publish' section of the "
    "documentation at https://www.coze.cn/docs/guides to publish your Bot to the corresponding channel."
)
UNKNOWN = "Requested resource bot_id={} does not exist. Please check the relevant documentation."


class OpenChats:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._playing: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._streamer = Streamer(desk.personality.logid_header, desk.seen, desk.note, self._closing)

    def routes(self) -> list[web.RouteDef]:
        guarded = self._desk.guarded
        return [
            web.post(calls.CHAT_PATH, guarded(self._chat)),
            web.get(calls.RETRIEVE_PATH, guarded(self._retrieve)),
            web.get(calls.MESSAGES_PATH, guarded(self._messages)),
            web.post(calls.CANCEL_PATH, guarded(self._cancel)),
        ]

    def more_routes(self) -> list[web.RouteDef]:
        """Those that Studio has not."""
        guarded = self._desk.guarded
        return [
            web.post(calls.RETRIEVE_PATH, guarded(self._retrieve)),
            web.post(calls.MESSAGES_PATH, guarded(self._messages)),
        ]

    async def close(self) -> None:
        """End the chats and the streams."""
        self._closing.set()
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    async def _chat(self, request: web.Request) -> Reply | web.StreamResponse:
        desk, body, logid = self._desk, await request.read(), request[LOGID]
        call = calls.decode_chat(body)
        streams = desk.personality.streams_by_default if call.stream is None else call.stream
        try:
            desk.personality.check_call(body, request.query)
            bot = self._bot(call)
            conversation = self._conversation_for(call, request.query.get("conversation_id", ""))
            fault = find_fault(self._asked(call, conversation).text, CHAT_FAULTS)
            desk.seen.chats.append(call)
            if fault is not None and (reply := await refused_call(fault, self._closing)) is not None:
                return self._refused(reply, logid)
            run = self._begin(call, bot, conversation, fault)
        except Refused as refused:
            if streams:
                return desk.personality.stream_refusal(refused, logid)
            raise
        desk.note(WireNote("call", f"chat with {bot.name}", len(body), run.id))
        if not streams:
            return desk.personality.chat_begun(run.chat, logid)
        return await self._streamer.stream(request, run, list(deliver(run.answer.blocks, fault)), logid)
