"""One turn that goes on where the one before it ended: take a place, ask, keep the next place.

What is decided stands in `continuity.py`; here it is done.  A bot that replays passes through with
nothing changed, except that a question which ended a turn is answered by the next, and that results of
tools find the turn that waits for them.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

import anyio

from realcoze.domain.event import (
    ENDS,
    AnswerDone,
    Event,
    InputRequested,
    Piece,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
)
from realcoze.domain.fold import Words, question_of
from realcoze.domain.ids import BotName, ChatId, ConversationId
from realcoze.domain.ports import Chats, Flow, Sink, Store
from realcoze.domain.request import Request
from realcoze.domain.shortcut import HasShortcut, Shortcut, shortcut_of
from realcoze.domain.tool import are_emulated
from realcoze.errors import NotFound, RealcozeError, Truncated, UpstreamTimeout
from realcoze.gateway.continuity import (
    ELSEWHERE,
    History,
    Key,
    Place,
    begun,
    continued,
    handed_in,
    key_before,
    key_of,
    keys_answered,
    keys_of_calls,
    place_after_failure,
    place_of_calls,
    places_after,
    thread_key,
)
from realcoze.gateway.places import KEEP_S, Places
from realcoze.leaving import finishing
from realcoze.turnstile import Turnstile

log = logging.getLogger(__name__)

Halt = TurnDone | InputRequested | ToolCallsRequested
"""The ends after which there is somewhere to go on."""

QUEUE_S = 30.0
"""How long a turn of a thread waits for the one before it."""

Kept = tuple[tuple[Key, Place], ...]
"""Places with the keys that they lie under."""

_TEXTS = (TextDelta, TextReplaced, AnswerDone)
_NOWHERE = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
_UNCLEAR = (Truncated, UpstreamTimeout)
_UNREADABLE = "upstream_protocol"
"""After these nobody knows whether Coze has heard the question; the latter may be a gateway's in between."""


class Continuity:
    """`histories` has the bots that do not replay; `keep_s` is how long they can be gone on with."""

    def __init__(self, store: Store, histories: Mapping[BotName, History], *, keep_s: float = KEEP_S) -> None:
        self._places = Places(store, keep_s=keep_s)
        self._histories = histories
        self._turnstile = Turnstile(QUEUE_S)

    def goes_on(self, bot: BotName) -> bool:
        """Its conversations at Coze are gone on with."""
        return self._histories.get(bot, "replay") == "continue"

    def converse(self, request: Request, chats: Chats, sink: Sink) -> Awaitable[None]:
        """See `Chats`: the same turn, with as much of the history as is needed.

        A thread has one turn at a time: a second one would find no place, and its own would take the name for good.
        """
        history = self._histories.get(request.bot, "replay")
        thread = thread_key(request) if history == "continue" and not request.conversation_id else None
        if thread is None:
            return self._converse(request, history, chats, sink)
        return self._in_line(thread, request, chats, sink)

    async def _in_line(self, thread: Key, request: Request, chats: Chats, sink: Sink) -> None:
        async with self._turnstile.turn(thread.digest):
            await self._converse(request, "continue", chats, sink)

    async def _converse(self, request: Request, history: History, chats: Chats, sink: Sink) -> None:
        request, taken, place = await self._find(request)
        turn = _Turn(request, history, sink, self._end, taken=taken)
        sent = continued(request, place, history) if place is not None else None
        if sent is not None and place is not None:
            if await self._went_on(sent, turn, chats, place):
                return
            turn = _Turn(request, history, sink, self._end)
        await self._run(begun(request, history), turn, chats)

    async def _find(self, request: Request) -> tuple[Request, Kept, Place | None]:
        """The request, what is taken for it, and the place that it may go on at.

        Who says itself which turn it goes on with takes that turn's places from everybody else.
        """
        if request.is_awaited:
            return (*await self._find_waiting(request), None)
        key = key_before(request)
        place = await self._places.take(key) if key is not None else None
        if key is None or place is None:
            return request, (), None
        if place.kind != ELSEWHERE:
            return request, ((key, place),), place
        own = key_of(request, place.conversation_id)
        question = await self._places.take(own)
        if question is None:
            return request, (), None
        return request, ((key, place), (own, question)), question

    async def _find_waiting(self, request: Request) -> tuple[Request, Kept]:
        """The request with the turn that waits for its results, and all that was kept of that turn.

        A caller who names the turn itself is believed.  Raises `NotFound`.
        """
        calls = keys_of_calls(request, (result.call_id for result in request.tool_results))
        keys = (*keys_answered(request), *calls)
        with finishing():
            places = [await self._places.take(key) for key in keys]
        taken = tuple((key, place) for key, place in zip(keys, places, strict=True) if place is not None)
        if not calls or request.chat_id:
            return request, taken
        completed = handed_in(request, places[len(keys) - len(calls) :])
        if completed is None:
            self._announce(taken)
            for key, place in taken:
                await self._places.keep(key, place)
            raise NotFound(
                "The turn that asked for these results of tools is not known any more.",
                hint="Results are handed in once, all those of a turn together. Ask the question again.",
            )
        return completed, taken

    async def _went_on(self, sent: Request, turn: "_Turn", chats: Chats, place: Place) -> bool:
        """Run the turn at a place; False when its conversation is not there any more, and nothing was said.

        Studio takes the id of a conversation that it does not know for the wish to begin another.
        """
        with anyio.CancelScope() as scope:
            if not place.kind:
                turn.expect(place.conversation_id, otherwise=scope.cancel)
            try:
                await self._run(sent, turn, chats)
            except NotFound as error:
                if turn.has_begun or not _is_gone(error) or turn.request.conversation_id:
                    raise
                log.info("a conversation is not there any more, and a new one is begun: %s", error)
                return False
        if turn.is_elsewhere:
            log.info("Coze began another conversation, and everything is sent anew")
        return not turn.is_elsewhere

    async def _run(self, sent: Request, turn: "_Turn", chats: Chats) -> None:
        """One turn, and what is to be kept of it, whatever becomes of it."""
        failure: RealcozeError | None = None
        try:
            await chats.converse(sent, turn)
        except RealcozeError as error:
            failure = error
            raise
        finally:
            if turn.has_broken_off:
                turn.kept = _left(turn, failure)
                self._announce(turn.kept)
            del failure  # it holds this frame, and so the turn
            for key, place in turn.kept:
                await self._places.keep(key, place)

    def _end(self, turn: "_Turn", end: Halt) -> None:
        """The turn has ended and its caller is about to know: the places can be taken from now on."""
        turn.kept = _after(turn, end)
        self._announce(turn.kept)

    def _announce(self, kept: Kept) -> None:
        for key, place in kept:
            self._places.announce(key, place)


class _Turn(HasShortcut):
    """A turn's sink on the way to the caller's, which is opened when there is something to feed.

    Until then the turn can be asked for anew without its caller knowing.
    """

    __slots__ = (
        "_expected", "_flow", "_on_end", "_otherwise", "_sink", "_words", "has_begun", "has_broken_off", "history",
        "is_elsewhere", "kept", "request", "started", "taken",
    )  # fmt: skip

    def __init__(
        self,
        request: Request,
        history: History,
        sink: Sink,
        on_end: "Callable[[_Turn, Halt], None]",
        *,
        taken: Kept = (),
    ) -> None:
        self.request = request
        self.history = history
        self.taken = taken
        self.started = _NOWHERE
        self.kept: Kept = ()
        self.has_begun = False
        self.has_broken_off = True
        self.is_elsewhere = False
        self._sink = sink
        self._on_end = on_end
        self._words = Words()
        self._flow: Flow
        self._expected = ConversationId("")
        self._otherwise: Callable[[], None] = _nothing

    def expect(self, conversation_id: ConversationId, *, otherwise: Callable[[], None]) -> None:
        """This turn belongs to a conversation; one that begins in another is heard no further."""
        self._expected = conversation_id
        self._otherwise = otherwise

    def shown(self, end: Event) -> str:
        """The text of the answer, as its caller has it."""
        return str(self._words) or question_of(end)

    def open(self, flow: Flow) -> None:
        self._flow = flow

    def feed(self, event: Event) -> None:
        if not (self.has_begun or self._begins(event)):
            return
        if isinstance(event, _TEXTS):
            self._words.feed(event)
        elif isinstance(event, TurnStarted):
            self.started = event
        elif isinstance(event, ENDS) and self.has_broken_off:
            self.has_broken_off = isinstance(event, TurnFailed)
            if isinstance(event, Halt):
                self._on_end(self, event)
        self._sink.feed(event)

    def shortcut(self, like: Piece) -> Shortcut | None:
        """See `HasShortcut`: that of the caller's."""
        caller = shortcut_of(self._sink, like) if self.has_begun else None
        return Shortcut(caller.take, (self._note, *caller.notes)) if caller is not None else None

    def _note(self, piece: Piece) -> None:
        if isinstance(piece, TextDelta):
            self._words.feed(piece)

    def _begins(self, event: Event) -> bool:
        """Open the caller's sink with the first event, unless the turn has begun elsewhere."""
        if self.is_elsewhere:
            return False
        if isinstance(event, TurnStarted) and self._expected and event.conversation_id not in ("", self._expected):
            self.is_elsewhere = True
            self._otherwise()
            return False
        self.has_begun = True
        self._sink.open(self._flow)
        return True


def _nothing() -> None:
    """For a turn that may begin anywhere."""


def _after(turn: _Turn, end: Halt) -> Kept:
    """What is to be kept after a turn that did not break off."""
    if isinstance(end, ToolCallsRequested) and not are_emulated(call.call_id for call in end.calls):
        waiting = place_of_calls(turn.request, turn.started)
        keys = keys_of_calls(turn.request, (call.call_id for call in end.calls))
        return tuple((key, waiting) for key in keys) if waiting else ()
    if turn.history == "replay" and not isinstance(end, InputRequested):
        return ()
    return places_after(turn.request, turn.started, end, turn.shown(end), turn.history)


def _left(turn: _Turn, failure: RealcozeError | None) -> Kept:
    """What is to be kept after a turn that broke off: the places it came from, if it has not touched them."""
    if turn.is_elsewhere or (failure is not None and _is_gone(failure)):
        return ()
    if failure is not None and not turn.has_begun and not _may_have_been_heard(failure):
        return turn.taken
    conversation_id = turn.started.conversation_id or (turn.taken[0][1].conversation_id if turn.taken else "")
    place = place_after_failure(turn.request, ConversationId(conversation_id), turn.history)
    key = key_before(turn.request)
    return ((key, place),) if key and place else ()


def _may_have_been_heard(error: RealcozeError) -> bool:
    return isinstance(error, _UNCLEAR) or error.code == _UNREADABLE


def _is_gone(error: RealcozeError) -> bool:
    return isinstance(error, NotFound) and error.code == NotFound.default_code
