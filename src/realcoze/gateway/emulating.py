"""A turn of a bot that is told of tools and forms in words, and mends its answer once.

What is said and read stands in `tools.py` and `call_reader.py`; here it is done.  Below the continuity of
conversations, which compares histories as their callers have them, and above the uploads.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Usage,
)
from realcoze.domain.fold import BETWEEN_MESSAGES
from realcoze.domain.growing import GrowingText
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.message import refuse_nothing
from realcoze.domain.ports import Chats, Flow, Sink
from realcoze.domain.request import Request
from realcoze.domain.tool import EMULATED
from realcoze.errors import RealcozeError
from realcoze.gateway.call_reader import CallReader
from realcoze.gateway.schemas import Schemas
from realcoze.gateway.tools import (
    Unfit,
    Wanted,
    calls_of,
    check_called,
    formed,
    given_up,
    is_concerned,
    mended,
    schemas_of,
    strictly,
    told,
)

_MESSAGE = MessageId("answer")
_NOWHERE = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))


class Emulating:
    """A `Chats` that tells another one in words what Coze's protocols have no place for.

    `goes_on` says that a conversation of this bot has what was said in it.
    """

    def __init__(self, chats: Chats, schemas: Schemas, *, goes_on: bool) -> None:
        self._chats = chats
        self._schemas = schemas
        self._goes_on = goes_on

    async def converse(self, request: Request, sink: Sink) -> None:
        """See `Chats`.  An answer that is not as it was asked for costs another call, once.

        Raises `BadRequest` for a schema that is none and for no question, before anybody is asked.
        """
        if not is_concerned(request):
            await self._chats.converse(request, sink)
            return
        if not request.is_awaited:
            refuse_nothing(request.messages)  # what is told of tools would hide it
        await self._schemas.check(schemas_of(request), request.caller)
        sent, caller = told(request), _Caller(sink)
        first = _Attempt(request, caller)
        await self._chats.converse(sent, first)
        unfit = await first.settle(self._schemas)
        if unfit is None:
            return
        conversation_id = sent.conversation_id or (caller.started.conversation_id if self._goes_on else None)
        if request.is_awaited and not conversation_id:
            raise given_up(unfit)
        second = _Attempt(request, caller)
        await self._chats.converse(mended(sent, first.written, unfit, conversation_id), second)
        if (unfit := await second.settle(self._schemas)) is not None:
            raise given_up(unfit)


class _Caller:
    """Who is told one answer, though it may take two calls."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._flow: Flow | None = None
        self._is_paused = False
        self._said: list[str] = []
        self._usage = Usage(input=0, output=0, total=0)
        self.started = _NOWHERE

    def pause(self) -> None:
        self._is_paused = True
        if self._flow is not None:
            self._flow.pause()

    def resume(self) -> None:
        self._is_paused = False
        if self._flow is not None:
            self._flow.resume()

    def open(self, flow: Flow) -> None:
        is_first, self._flow = self._flow is None, flow
        if is_first:
            self._sink.open(self)
        elif self._is_paused:
            flow.pause()

    def tell(self, event: Event) -> None:
        """What goes on as it is; a turn starts and is paid for once."""
        match event:
            case TurnStarted() if self.started is not _NOWHERE:
                return
            case TurnStarted():
                self.started = event
            case Usage():
                before = self._usage
                event = self._usage = Usage(
                    input=before.input + event.input,
                    output=before.output + event.output,
                    total=before.total + event.total,
                )
        self._sink.feed(event)

    def say(self, text: str, *, is_first: bool) -> None:
        """More of the answer; `is_first` says that what comes before it is of another call."""
        if text:
            text = BETWEEN_MESSAGES + text if is_first and self._said else text
            self._said.append(text)
            self._sink.feed(TextDelta(message_id=_MESSAGE, text=text))

    def end(self, event: Event) -> None:
        if self._said and not isinstance(event, TurnFailed):
            self._sink.feed(AnswerDone(message_id=_MESSAGE, text="".join(self._said)))
        self._sink.feed(event)


class _Ending(NamedTuple):
    """How an answer ends, with what is said last; `wanted` is what must fit a schema before."""

    event: Event
    text: str = ""
    wanted: Sequence[Wanted] = ()


class _Attempt:
    """The sink of one call: what can be shown goes on at once, the end when the answer is as it must be."""

    def __init__(self, request: Request, caller: _Caller) -> None:
        self._request = request
        self._caller = caller
        self._growing = GrowingText()
        self._reader = CallReader()
        self._pieces: list[str] = []
        self._held: list[str] = []
        """What is said when its form was looked at."""
        self._has_said = False
        self._is_over = False
        self._unfit: Unfit | None = None
        self._unchecked: _Ending | None = None

    @property
    def written(self) -> str:
        """All that the bot wrote."""
        return "".join(self._pieces)

    def open(self, flow: Flow) -> None:
        self._caller.open(flow)

    def feed(self, event: Event) -> None:
        if self._is_over:
            return
        try:
            grown = self._growing.feed(event)
        except RealcozeError as error:
            self._end(TurnFailed(error=error))
            return
        self._pieces.append(grown)
        self._say(self._reader.feed(grown))
        match event:
            case TextDelta() | TextReplaced() | AnswerDone():
                return
            case TurnDone():
                self._judge()
            case ToolCallsRequested() | InputRequested() | TurnFailed():
                self._say(self._reader.finish())
                self._release("".join(self._held))
                self._end(event)
            case _:
                self._caller.tell(event)

    async def settle(self, schemas: Schemas) -> Unfit | None:
        """What is wrong with an answer of which all was said; None where nothing is, and its end is told.

        Raises `BadRequest` where that cannot be told in time, and `Overloaded`.
        """
        if self._unchecked is None:
            return self._unfit
        try:
            fitting = await schemas.fitting(self._unchecked.wanted, self._request.caller)
        except Unfit as unfit:
            return unfit
        is_form = isinstance(self._unchecked.event, TurnDone)
        self._tell(self._unchecked._replace(text=fitting[0] if is_form else ""))
        return None

    def _judge(self) -> None:
        """The bot has said all: the answer ends, is unfit, or must be held against a schema to know."""
        self._is_over = True
        self._say(self._reader.finish())
        try:
            ending = self._ending()
        except Unfit as unfit:
            self._unfit = unfit
            return
        if ending.wanted:
            self._unchecked = ending
        else:
            self._tell(ending)

    def _ending(self) -> _Ending:
        """Raises `Unfit`."""
        offer, form = self._request.offer, self._request.form
        if calls := calls_of(self._reader, offer, _new_call_id):
            return _Ending(ToolCallsRequested(calls=calls), wanted=strictly(calls, offer))
        check_called(offer)
        if form is None:
            return _Ending(TurnDone())
        answer = formed("".join(self._held), form)
        return _Ending(TurnDone(), answer.values[0], [answer] if answer.schema else [])

    def _tell(self, ending: _Ending) -> None:
        self._release(ending.text)
        self._end(ending.event)

    def _say(self, text: str) -> None:
        if self._request.form is not None:
            self._held.append(text)
        else:
            self._release(text)

    def _release(self, text: str) -> None:
        self._caller.say(text, is_first=not self._has_said)
        self._has_said |= bool(text)

    def _end(self, event: Event) -> None:
        self._is_over = True
        self._caller.end(event)


def _new_call_id() -> str:
    """No secret: results are heeded only with the history that they stand in."""
    return f"{EMULATED}{random.getrandbits(80):020x}"
