"""Turns with a chatflow: a chat whose every call names the workflow, always streamed.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from functools import partial

from aiohttp import web

from realcoze.dialects.coze_open import workflow as calls
from realcoze.dialects.coze_open.objects import text_of
from realcoze.dialects.coze_open.stream_encoder import ChatIds
from realcoze.dialects.coze_open.workflow import ChatflowCall
from realcoze.emulator.account import CHATFLOW, SPACE_ID
from realcoze.emulator.fault import Fault, find_fault
from realcoze.emulator.guide import Asks, guide
from realcoze.emulator.open_api.answer import answer
from realcoze.emulator.open_api.delivery import place_of
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.exchange import conclude, conversation_for, entered, now
from realcoze.emulator.open_api.fault import CHAT_FAULTS
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.open_api.retelling import retold, rewritten
from realcoze.emulator.open_api.run import ChatRun
from realcoze.emulator.open_api.stage import Stage
from realcoze.emulator.open_api.state import Conversation, spoken
from realcoze.emulator.open_api.workflow import UNKNOWN
from realcoze.emulator.open_api.workflow_wording import CozeWording
from realcoze.emulator.wire import WireNote
from realcoze.errors import BadRequest

_FAULTS = frozenset(CHAT_FAULTS) - {"requires", "bare", "canceled", "cancelled", "expired"}
"""Those that a chatflow has too: how it fails is its own."""


class OpenChatflows:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk, stage: Stage, wording: CozeWording) -> None:
        self._desk = desk
        self._stage = stage
        self._wording = wording

    def routes(self) -> list[web.RouteDef]:
        return [web.post(calls.CHATFLOW_PATH, self._desk.guarded(self._chat))]

    async def _chat(self, request: web.Request) -> Reply | web.StreamResponse:
        try:
            return await self._begin(request)
        except BadRequest as error:
            return self._refused(request, Refused(4000, error.message))
        except Refused as refused:
            return self._refused(request, refused)

    def _refused(self, request: web.Request, refused: Refused) -> Reply:
        return self._wording.stream_refusal(self._desk.personality, request.path, refused, request[LOGID])

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        call = calls.decode_chatflow(await request.read())
        self._desk.seen.chatflows.append(call)
        self._check(call)
        fault = find_fault(call.messages()[-1].text, _FAULTS)
        if (early := await self._stage.instead(request, fault)) is not None:
            return early
        conversation = self._conversation_for(call)
        run = self._started(call, conversation, fault)
        self._desk.note(WireNote("call", f"chatflow {CHATFLOW.name}", 0, run.id))
        return await self._stage.stream(request, run, run.answer.blocks, fault)

    def _check(self, call: ChatflowCall) -> None:
        workflow_id, messages = text_of(call.workflow_id), call.additional_messages or ()
        if workflow_id != CHATFLOW.workflow_id or workflow_id in self._desk.settings.unpublished:
            raise Refused(4200, UNKNOWN.format(workflow_id[:40]))
        if call.bot_id and call.app_id:
            raise Refused(4000, "bot_id and app_id cannot both be given")
        if len(messages) > calls.MOST_MESSAGES:
            raise Refused(4004, f"additional_messages has more than {calls.MOST_MESSAGES}")
        if not messages or messages[-1].role != "user":
            raise Refused(4000, "the last of additional_messages must be the user's")
        if self._wording.needs_a_conversation and not (call.conversation_id or _name_in(call)):
            raise Refused(4000, f"conversation_id or the parameter {calls.CONVERSATION_NAME} is needed")

    def _conversation_for(self, call: ChatflowCall) -> Conversation:
        """The one with the id or else the name that was given, or a new one."""
        name = _name_in(call)
        asked_for = text_of(call.conversation_id)
        if name and not asked_for:
            named = (each.id for each in self._desk.state.conversations.values() if each.name == name)
            asked_for = next(named, "")
        conversation = conversation_for(self._desk, asked_for, bot_id=text_of(call.bot_id), is_saved=True)
        conversation.name = conversation.name or name
        return conversation

    def _started(self, call: ChatflowCall, conversation: Conversation, fault: Fault | None) -> ChatRun:
        state = self._desk.state
        chat_id = next(state.ids)
        ids = ChatIds(
            chat_id=chat_id,
            conversation_id=conversation.id,
            bot_id="",
            section_id=conversation.section_id,
            created_at=now(),
            debug_url=f"https://www.coze.com/work_flow?execute_id={chat_id}&space_id={SPACE_ID}"
            f"&workflow_id={CHATFLOW.workflow_id}&execute_mode=2",
        )
        asked = [entered(message, ids, next(state.ids)) for message in call.additional_messages or ()]
        history = [*conversation.context(), *map(spoken, asked)]
        was_asked, conversation.asked = conversation.asked, False
        asks = Asks(by=self._wording.asks_by, event_id=self._wording.name_of_question(chat_id))
        parameters = {key: value for key, value in (call.parameters or {}).items() if key != calls.CONVERSATION_NAME}
        events = guide(history, parameters, asks, was_asked=was_asked)
        said = rewritten(answer(retold(events, fault), self._wording.chatflow_encoder, ids, state.ids), fault)
        stuck_at = place_of(said.blocks, fault.after) if fault and fault.name == "stuck" else None
        run = ChatRun(said, stuck_at=stuck_at)
        conversation.running, conversation.updated_at = run, ids.created_at
        run.when_over = partial(_conclude, conversation)
        for message in asked:
            conversation.add(message)
        state.keep_chat(run)
        self._stage.play(run.play(self._stage.pace()))
        return run


def _conclude(conversation: Conversation, run: ChatRun) -> None:
    """The next chat answers what this one asked, unless it is answered before."""
    conversation.asked = run.chat.status == "requires_action" and run.chat.required_action is None
    conclude(conversation, run)


def _name_in(call: ChatflowCall) -> str:
    name = (call.parameters or {}).get(calls.CONVERSATION_NAME)
    return name if isinstance(name, str) else ""
