"""The calls around a chat: begin one, look at it, list what it produced, cancel it.

Source: docs/protocol/openapi-v3.md §5, §6, §16; docs/protocol/studio-web.md §5.2 to §5.4.
"""

import asyncio
import time
from email.utils import formatdate
from random import Random

from aiohttp import web

from realcoze.dialects.coze_open import chat as calls
from realcoze.dialects.coze_open.chat import ChatCall, EnterMessage
from realcoze.dialects.coze_open.objects import Message, text_of
from realcoze.dialects.coze_open.stream_encoder import ChatIds
from realcoze.emulator.account import BOT_OF_ID, EmulatedBot
from realcoze.emulator.delivery import Pace
from realcoze.emulator.fault import Fault, find_fault
from realcoze.emulator.open_api import submission as submissions
from realcoze.emulator.open_api.answer import answer
from realcoze.emulator.open_api.delivery import Rest, deliver, place_of
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.fault import CHAT_FAULTS, raw_answer
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.open_api.retelling import retold, rewritten
from realcoze.emulator.open_api.run import ChatRun
from realcoze.emulator.open_api.state import Conversation, spoken
from realcoze.emulator.open_api.stream import EVENT_STREAM, Streamer
from realcoze.emulator.script import script
from realcoze.emulator.wire import WireNote

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
        self._streamer = Streamer(desk.seen, desk.note, self._closing)

    def routes(self) -> list[web.RouteDef]:
        guarded = self._desk.guarded
        return [
            web.post(calls.CHAT_PATH, guarded(self._chat)),
            web.get(calls.RETRIEVE_PATH, guarded(self._retrieve)),
            web.get(calls.MESSAGES_PATH, guarded(self._messages)),
            web.post(calls.CANCEL_PATH, guarded(self._cancel)),
        ]

    def more_routes(self) -> list[web.RouteDef]:
        """Those that Studio has not: SDKs use POST."""
        guarded = self._desk.guarded
        return [
            web.post(calls.RETRIEVE_PATH, guarded(self._retrieve)),
            web.post(calls.MESSAGES_PATH, guarded(self._messages)),
            web.post(submissions.PATH, guarded(self._submit)),
        ]

    async def close(self) -> None:
        """End the chats, and the streams that rest."""
        self._closing.set()
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)

    async def _chat(self, request: web.Request) -> Reply | web.StreamResponse:
        personality, logid = self._desk.personality, request[LOGID]
        call = personality.read_chat(await request.read(), request.query)
        self._desk.seen.chats.append(call)
        is_streamed = personality.streams_by_default if call.stream is None else call.stream
        try:
            return await self._begin(request, call, is_streamed=is_streamed)
        except Refused as refused:
            if not is_streamed:
                raise
            return personality.stream_refusal(refused, logid)

    async def _begin(self, request: web.Request, call: ChatCall, *, is_streamed: bool) -> Reply | web.StreamResponse:
        bot = self._bot(text_of(call.bot_id))
        is_saved = self._desk.personality.ignores_saving or call.auto_save_history is not False
        if not (is_saved or is_streamed):
            raise Refused(4007, "stream=false requires auto_save_history=true")
        if not call.additional_messages:
            raise Refused(4000, "additional_messages is empty")
        fault = find_fault(call.messages()[-1].text, CHAT_FAULTS)
        if fault is not None and (early := await self._instead(request, fault)) is not None:
            return early
        conversation = self._conversation_for(request.query.get("conversation_id", ""), bot, is_saved=is_saved)
        run = self._started(call, bot, conversation, fault, is_saved=is_saved)
        self._desk.note(WireNote("call", f"chat with {bot.name}", 0, run.id))
        if not is_streamed:
            return self._desk.personality.chat_begun(run.chat, request[LOGID])
        steps = [Rest()] if fault and fault.name == "silent" else list(deliver(run.answer.blocks, fault))
        return await self._streamer.stream(request, run, steps, self._headers(request, fault))

    def _headers(self, request: web.Request, fault: Fault | None) -> dict[str, str]:
        content_type = "text/plain" if fault and fault.name == "mime" else f"{EVENT_STREAM}; charset=utf-8"
        named = {self._desk.personality.logid_header: request[LOGID]}
        return {"Content-Type": content_type, "Cache-Control": "no-cache", **named}

    async def _instead(self, request: web.Request, fault: Fault) -> web.StreamResponse | None:
        """The answer to a call that a fault keeps from becoming a chat."""
        if fault.name == "stall":
            await self._closing.wait()
        raw = raw_answer(fault, http_date=formatdate(time.time() + 30, usegmt=True))
        if raw is None:
            return None
        headers = {**raw.headers, self._desk.personality.logid_header: request[LOGID]}
        return web.Response(status=raw.status, body=raw.body, content_type=raw.content_type, headers=headers)

    def _bot(self, bot_id: str) -> EmulatedBot:
        if bot_id not in BOT_OF_ID:
            raise Refused(4200, UNKNOWN.format(bot_id[:40]))
        if bot_id in self._desk.settings.unpublished:
            raise Refused(4015, UNPUBLISHED.format(bot_id))
        return BOT_OF_ID[bot_id]

    def _conversation_for(self, conversation_id: str, bot: EmulatedBot, *, is_saved: bool) -> Conversation:
        """The one that was asked for, or a new one."""
        state, personality = self._desk.state, self._desk.personality
        if conversation_id in state.conversations:
            conversation = state.conversations[conversation_id]
            if conversation.running is not None and personality.runs_one_chat_at_a_time:
                raise Refused(4016, "Conversation occupied: another chat is running in it.")
            return conversation
        if conversation_id and not personality.makes_unknown_conversations:
            raise Refused(4002, f"invalid conversation {conversation_id[:40]}: not found")
        conversation = state.new_conversation(_now(), bot_id=bot.bot_id)
        if is_saved:
            state.keep_conversation(conversation)
        return conversation

    def _started(
        self, call: ChatCall, bot: EmulatedBot, conversation: Conversation, fault: Fault | None, *, is_saved: bool
    ) -> ChatRun:
        state, settings = self._desk.state, self._desk.settings
        ids = ChatIds(
            chat_id=next(state.ids),
            conversation_id=conversation.id,
            bot_id=bot.bot_id,
            section_id=conversation.section_id,
            created_at=_now(),
        )
        asked = [_entered(message, ids, next(state.ids)) for message in call.additional_messages or ()]
        history = [*conversation.context(), *map(spoken, asked)]
        random = Random(f"{settings.seed}:{bot.name}:{len(history)}:{history[-1].text}")  # noqa: S311 - chance that must repeat itself
        events = script(bot.name, history, random, fault=fault, find_file=state.find_file)
        encoded = answer(retold(events, fault), self._desk.personality.encoder, ids, state.ids)
        told = rewritten(encoded, fault)
        is_stuck = fault is not None and fault.name == "stuck"
        stuck_at = place_of(told.blocks, fault.after) if fault and is_stuck else None
        run = ChatRun(told, stuck_at=stuck_at, meta_data=call.meta_data)
        conversation.running, conversation.updated_at = run, ids.created_at
        run.when_over = lambda ended: _conclude(conversation, ended, is_saved=is_saved)
        if is_saved:
            for message in asked:
                conversation.add(message)
            state.keep_chat(run)
        self._play(run, bot)
        return run

    def _play(self, run: ChatRun, bot: EmulatedBot) -> None:
        loop = asyncio.get_running_loop()
        pace = Pace(self._desk.settings.pace * bot.pace, loop.time()) if self._desk.settings.pace else None
        task = loop.create_task(run.play(pace))
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)

    async def _submit(self, request: web.Request) -> Reply | web.StreamResponse:
        """The chat goes on with what the caller's tools gave."""
        state, personality = self._desk.state, self._desk.personality
        before = self._run(request.query.get("conversation_id", ""), request.query.get("chat_id", ""))
        submission = submissions.read_submission(await request.read(), before.chat)
        conversation = self._desk.conversation(before.conversation_id)
        bot = BOT_OF_ID[text_of(before.answer.begun.bot_id)]
        ids = ChatIds(
            chat_id=before.id,
            conversation_id=conversation.id,
            bot_id=bot.bot_id,
            section_id=conversation.section_id,
            created_at=_now(),
        )
        run = ChatRun(submissions.continued(submission.tool_outputs, personality.encoder, ids, state.ids))
        run.when_over = lambda ended: _conclude(conversation, ended, is_saved=True)
        conversation.running = run
        conversation.void.discard(run.id)
        state.keep_chat(run)
        self._play(run, bot)
        if not submission.stream:
            return personality.chat_begun(run.chat, request[LOGID])
        steps = list(deliver(run.answer.blocks, None))
        return await self._streamer.stream(request, run, steps, self._headers(request, None))

    async def _retrieve(self, request: web.Request) -> Reply:
        run = self._run(request.query.get("conversation_id", ""), request.query.get("chat_id", ""))
        return self._desk.personality.chat(run.chat, request[LOGID])

    async def _messages(self, request: web.Request) -> Reply:
        run = self._run(request.query.get("conversation_id", ""), request.query.get("chat_id", ""))
        return self._desk.personality.chat_messages(run.messages, request[LOGID])

    async def _cancel(self, request: web.Request) -> Reply:
        wanted = calls.decode_cancel(await request.read())
        run = self._run(wanted.conversation_id, wanted.chat_id)
        personality = self._desk.personality
        if run.has_ended:
            raise Refused(4104, personality.too_late_to_cancel)
        run.cancel(personality.cancelled)
        self._desk.seen.cancelled.append(run.id)
        self._desk.note(WireNote("call", "chat cancelled", 0, run.id))
        return personality.chat_cancelled(run.chat, request[LOGID])

    def _run(self, conversation_id: str, chat_id: str) -> ChatRun:
        """A saved chat.  Raises `Refused`."""
        run = self._desk.state.chats.get(chat_id)
        if run is None or run.conversation_id != conversation_id:
            raise Refused(4001, f"invalid chat {chat_id[:40]}: not found")
        return run


def _entered(message: EnterMessage, ids: ChatIds, message_id: str) -> Message:
    """A message that came with a chat, as it is kept."""
    return Message(
        id=message_id,
        conversation_id=ids.conversation_id,
        bot_id=ids.bot_id,
        chat_id=ids.chat_id,
        role=message.role,
        type="answer" if message.role == "assistant" else "question",
        content=message.content or "",
        content_type=message.content_type or "text",
        section_id=ids.section_id,
        created_at=ids.created_at,
        updated_at=ids.created_at,
    )


def _conclude(conversation: Conversation, run: ChatRun, *, is_saved: bool) -> None:
    """Free the conversation; keep the answer of a chat that is complete."""
    if conversation.running is run:
        conversation.running = None
    if not is_saved:
        return
    if run.cancelled_as or run.chat.status != "completed":
        conversation.void.add(run.id)
        return
    for message in run.answer.messages:
        if message.type == "answer":
            conversation.add(message)


def _now() -> int:
    return int(time.time())
