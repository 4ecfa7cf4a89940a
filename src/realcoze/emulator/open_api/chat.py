"""The calls around a chat: begin one, look at it, list what it produced, cancel it.

Source: docs/protocol/openapi-v3.md §5, §6, §16; docs/protocol/studio-web.md §5.2 to §5.4.
"""

from functools import partial
from random import Random

from aiohttp import web

from realcoze.dialects.coze_open import chat as calls
from realcoze.dialects.coze_open.chat import ChatCall
from realcoze.dialects.coze_open.objects import text_of
from realcoze.dialects.coze_open.stream_encoder import ChatIds
from realcoze.dialects.coze_open.submission import PATH as SUBMIT_PATH
from realcoze.domain.event import InputRequested, ToolCallsRequested
from realcoze.emulator.account import BOT_OF_ID, EmulatedBot
from realcoze.emulator.fault import Fault, find_fault
from realcoze.emulator.open_api.answer import answer
from realcoze.emulator.open_api.delivery import place_of
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.exchange import conclude, conversation_for, entered, free, now, unoccupied
from realcoze.emulator.open_api.fault import CHAT_FAULTS
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.open_api.retelling import retold, rewritten
from realcoze.emulator.open_api.run import ChatRun
from realcoze.emulator.open_api.secretary import demanding, told
from realcoze.emulator.open_api.stage import Stage
from realcoze.emulator.open_api.state import Conversation, spoken
from realcoze.emulator.open_api.submission import continued, handed, read_submission
from realcoze.emulator.script import script
from realcoze.emulator.sound import is_spoken_to, voiced
from realcoze.emulator.wire import WireNote

UNPUBLISHED = (
    "The bot_id {} has not been published to the channel Agent As API. Please refer to the 'Publish' section of the "
    "documentation at https://www.coze.cn/docs/guides to publish your Bot to the corresponding channel."
)
UNKNOWN = "Requested resource bot_id={} does not exist. Please check the relevant documentation."


class OpenChats:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk, stage: Stage) -> None:
        self._desk = desk
        self._stage = stage

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
            web.post(SUBMIT_PATH, guarded(self._submit)),
        ]

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
        if (early := await self._stage.instead(request, fault)) is not None:
            return early
        asked_for = request.query.get("conversation_id", "")
        conversation = conversation_for(self._desk, asked_for, bot_id=bot.bot_id, is_saved=is_saved)
        run = self._started(call, bot, conversation, fault, is_saved=is_saved)
        self._desk.note(WireNote("call", f"chat with {bot.name}", 0, run.id))
        if not is_streamed:
            return self._desk.personality.chat_begun(run.chat, request[LOGID])
        return await self._stage.stream(request, run, run.answer.blocks, fault)

    def _bot(self, bot_id: str) -> EmulatedBot:
        if bot_id not in BOT_OF_ID:
            raise Refused(4200, UNKNOWN.format(bot_id[:40]))
        if bot_id in self._desk.settings.unpublished:
            raise Refused(4015, UNPUBLISHED.format(bot_id))
        return BOT_OF_ID[bot_id]

    def _started(
        self, call: ChatCall, bot: EmulatedBot, conversation: Conversation, fault: Fault | None, *, is_saved: bool
    ) -> ChatRun:
        state, settings = self._desk.state, self._desk.settings
        ids = ChatIds(
            chat_id=next(state.ids),
            conversation_id=conversation.id,
            bot_id=bot.bot_id,
            section_id=conversation.section_id,
            created_at=now(),
        )
        asked = [entered(message, ids, next(state.ids)) for message in call.additional_messages or ()]
        history = [*conversation.context(), *map(spoken, asked)]
        random = Random(f"{settings.seed}:{bot.name}:{len(history)}:{history[-1].text}")  # noqa: S311 - chance that must repeat itself
        events = script(bot.name, history, random, fault=fault, find_file=state.find_file, base=state.base)
        if is_spoken_to(history):
            events = tuple(voiced(events))
        wanted = list(demanding(bot.name, history, events, f"call_{ids.chat_id}"))
        if not is_saved and isinstance(wanted[-1], ToolCallsRequested | InputRequested):
            raise Refused(5000, "A bot with a local plugin needs auto_save_history=true.")
        encoded = answer(retold(wanted, fault), self._desk.personality.encoder, ids, state.ids)
        said = rewritten(encoded, fault)
        is_stuck = fault is not None and fault.name == "stuck"
        stuck_at = place_of(said.blocks, fault.after) if fault and is_stuck else None
        run = ChatRun(said, stuck_at=stuck_at, meta_data=call.meta_data)
        conversation.running, conversation.updated_at = run, ids.created_at
        run.when_over = partial(conclude if is_saved else free, conversation)
        if is_saved:
            for message in asked:
                conversation.add(message)
            state.keep_chat(run)
        self._stage.play(run.play(self._stage.pace(bot.pace)))
        return run

    async def _submit(self, request: web.Request) -> Reply | web.StreamResponse:
        """The chat goes on with what the caller's tools gave."""
        state, personality = self._desk.state, self._desk.personality
        before = self._run(request.query.get("conversation_id", ""), request.query.get("chat_id", ""))
        submission = read_submission(await request.read(), before.chat)
        self._desk.seen.submissions.append(submission)
        fault = find_fault(" ".join(output.output for output in submission.tool_outputs), CHAT_FAULTS)
        if (early := await self._stage.instead(request, fault)) is not None:
            return early
        conversation = unoccupied(self._desk, self._desk.conversation(before.conversation_id))
        bot = BOT_OF_ID.get(text_of(before.answer.begun.bot_id))
        ids = ChatIds(
            chat_id=before.id,
            conversation_id=conversation.id,
            bot_id=bot.bot_id if bot else "",
            section_id=conversation.section_id,
            created_at=now(),
        )
        text = told(handed(submission, before.chat))
        rest = continued(text, personality.encoder, ids, state.ids, fault)
        stuck_at = place_of(rest.blocks, fault.after) if fault and fault.name == "stuck" else None
        run = ChatRun(rest, stuck_at=stuck_at, before=before.messages)
        run.when_over = partial(conclude, conversation)
        conversation.running = run
        conversation.void.discard(run.id)
        state.keep_chat(run)
        self._stage.play(run.play(self._stage.pace(bot.pace if bot else 1.0)))
        if not submission.stream:
            return personality.chat_begun(run.chat, request[LOGID])
        return await self._stage.stream(request, run, run.answer.blocks, fault)

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
