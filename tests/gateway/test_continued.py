"""Turns one after another, on a fake at the port `Chats` that does what each is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

import shortcuts
from realcoze.domain.content import Image, Inline, Text
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
)
from realcoze.domain.ids import BotName, CallerId, ChatId, ConversationId, MessageId, UserId
from realcoze.domain.message import Message, say
from realcoze.domain.ports import Sink, Store
from realcoze.domain.request import Request, Resume, Thread
from realcoze.domain.tool import Offer, Tool, ToolCall, ToolResult
from realcoze.errors import (
    Busy,
    Internal,
    NotFound,
    RateLimited,
    RealcozeError,
    Truncated,
    UpstreamFailed,
    UpstreamTimeout,
)
from realcoze.gateway.chat import Gateway
from realcoze.gateway.continued import Continuity
from realcoze.gateway.continuity import History
from realcoze.gateway.route import Routes
from realcoze.leaving import Leaving, finishing
from realcoze.stores.memory import MemoryStore
from realcoze.stores.sqlite import open_sqlite
from realcoze.turnstile import WAITING
from servers import Gathered, NoFlow, failure

BOT = BotName("bot")
HELLO, HI, MORE = say("user", "Hello"), say("assistant", "Hi!"), say("user", "More")
SENDS_NEW = Thread(id="t", is_whole=False)
GONE = NotFound("Coze answered code 4002", upstream_code=4002)
ASKED = InputRequested(interrupt=Interrupt(event_id="e1", kind="question", data={"question": "Which city?"}))


def _started(name: str = "c1", chat: str = "chat1") -> TurnStarted:
    return TurnStarted(chat_id=ChatId(chat), conversation_id=ConversationId(name))


def _text(text: str) -> AnswerDone:
    return AnswerDone(message_id=MessageId("m"), text=text)


def _answer(text: str = "Hi!", name: str = "c1") -> list[Event]:
    return [_started(name), _text(text), TurnDone()]


Turn = Sequence[Event | BaseException]


@dataclass
class Told:
    """A fake at the port `Chats`: each turn feeds what stands in `turns`, and raises what is to be raised."""

    turns: list[Turn]
    requests: list[Request] = field(default_factory=list)
    flows: list[NoFlow] = field(default_factory=list)

    async def converse(self, request: Request, sink: Sink) -> None:
        self.requests.append(request)
        self.flows.append(NoFlow())
        sink.open(self.flows[-1])
        for step in self.turns[len(self.requests) - 1]:
            if isinstance(step, BaseException):
                raise step
            sink.feed(step)
            await anyio.lowlevel.checkpoint()


class House:
    """A gateway with a bot that is `told`, and what came of each turn."""

    def __init__(
        self, history: History, *turns: Turn, store: MemoryStore | None = None, emulates: bool = False
    ) -> None:
        self.told = Told(list(turns))
        self.store = MemoryStore() if store is None else store
        continuity = Continuity(self.store, {BOT: history})
        self.gateway = Gateway(Routes({BOT: self.told}), continuity=continuity, emulating=[BOT] if emulates else [])

    async def ask(self, *messages: Any, **fields: Any) -> list[Event]:
        sink = Gathered()
        await self.gateway.relay(Request(messages=messages, bot=BOT, **fields), sink)
        assert len(sink.flows) == 1
        assert len(sink.ends) == 1
        return sink.events

    @property
    def sent(self) -> list[tuple[list[str], str | None]]:
        """The texts and the conversation of each call."""
        return [([message.text for message in asked.messages], asked.conversation_id) for asked in self.told.requests]


async def test_the_second_turn_goes_on_where_the_first_one_ended() -> None:
    house = House("continue", _answer(), _answer("Yes"), _answer())
    assert await house.ask(HELLO) == _answer()
    assert await house.ask(HELLO, HI, MORE) == _answer("Yes")
    await house.ask(HELLO, HI, MORE, say("assistant", "Yes"), HELLO)
    assert house.sent == [(["Hello"], None), (["More"], "c1"), (["Hello"], "c1")]
    assert len(house.store) == 1


async def test_of_two_that_begin_alike_one_goes_on_and_the_other_begins_anew() -> None:
    house = House("continue", _answer(), _answer("a"), _answer("b", "c2"))
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE)
    await house.ask(HELLO, HI, say("user", "Other"))
    assert house.sent[1:] == [(["More"], "c1"), (["Hello", "Hi!", "Other"], None)]


async def test_a_bot_that_replays_keeps_nothing() -> None:
    house = House("replay", _answer(), _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE)
    assert house.sent == [(["Hello"], None), (["Hello", "Hi!", "More"], None)]
    assert len(house.store) == 0


async def test_the_text_counts_as_its_caller_has_it() -> None:
    message = MessageId("m")
    events: list[Event] = [
        _started(),
        TextDelta(message_id=message, text="Hel"),
        TextReplaced(message_id=message, text="H"),
        TextDelta(message_id=message, text="i!"),
        Suggestion(text="x"),
        TurnDone(),
    ]
    house = House("continue", events, _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE)
    assert house.sent[1] == (["More"], "c1")


async def test_text_that_went_the_short_way_counts_too() -> None:
    class Shortening(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            self.requests.append(request)
            sink.open(NoFlow())
            shortcuts.feed(sink, [step for step in self.turns[len(self.requests) - 1] if isinstance(step, Event)])

    hi = [TextDelta(message_id=MessageId("m"), text=letter) for letter in "Hi!"]
    house = House("continue")
    house.told = Shortening([[_started(), *hi, TurnDone()], _answer()])
    house.gateway = Gateway(Routes({BOT: house.told}), continuity=Continuity(house.store, {BOT: "continue"}))
    sink = shortcuts.Noted()
    await house.gateway.relay(Request(messages=(HELLO,), bot=BOT), sink)
    assert sink.said == ["i", "!"]
    await house.ask(HELLO, HI, MORE)
    assert house.sent[1] == (["More"], "c1")


async def test_the_next_turn_may_be_asked_for_as_soon_as_the_last_event_is_out() -> None:
    """The upstream has not returned yet, and nothing is stored."""
    rests, go = anyio.Event(), anyio.Event()

    class Resting(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            await super().converse(request, sink)
            if len(self.requests) == 1:
                rests.set()
                await go.wait()

    house = House("continue")
    told = Resting([_answer(), _answer()])
    house.gateway = Gateway(Routes({BOT: told}), continuity=Continuity(house.store, {BOT: "continue"}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.ask, HELLO)
        await rests.wait()
        await house.ask(HELLO, HI, MORE)
        go.set()
    assert [request.conversation_id for request in told.requests] == [None, "c1"]
    assert len(house.store) == 1


async def test_a_conversation_that_is_gone_is_begun_anew_once_and_the_caller_knows_nothing_of_it() -> None:
    house = House("continue", _answer(), [GONE], _answer("Yes", "c2"), _answer("x", "c2"))
    await house.ask(HELLO)
    assert await house.ask(HELLO, HI, MORE) == _answer("Yes", "c2")
    await house.ask(HELLO, HI, MORE, say("assistant", "Yes"), HELLO)
    assert house.sent[1:] == [(["More"], "c1"), (["Hello", "Hi!", "More"], None), (["Hello"], "c2")]


async def test_a_new_conversation_that_is_not_there_either_is_a_failure() -> None:
    house = House("continue", _answer(), [GONE], [GONE])
    await house.ask(HELLO)
    assert failure(await house.ask(HELLO, HI, MORE)) is GONE
    assert len(house.store) == 0


async def test_a_conversation_that_the_caller_named_is_never_another() -> None:
    house = House("continue", [GONE])
    assert failure(await house.ask(HELLO, HI, MORE, conversation_id=ConversationId("mine"))) is GONE
    assert house.sent == [(["More"], "mine")]


async def test_a_bot_that_is_gone_is_no_conversation_that_is() -> None:
    no_bot = NotFound("no bot", code="model_not_found")
    house = House("continue", _answer(), [no_bot], _answer())
    await house.ask(HELLO)
    assert failure(await house.ask(HELLO, HI, MORE)) is no_bot
    await house.ask(HELLO, HI, MORE)
    assert house.sent[2] == (["More"], "c1")


async def test_a_turn_that_failed_after_it_began_is_not_asked_for_again() -> None:
    house = House("continue", _answer(), [_started(), GONE])
    await house.ask(HELLO)
    assert failure(await house.ask(HELLO, HI, MORE)) is GONE
    assert len(house.sent) == 2


async def test_a_turn_that_begins_in_another_conversation_is_left_and_everything_is_sent() -> None:
    """Coze Studio takes an id that it does not know for the wish to begin a conversation."""
    house = House("continue", _answer(), _answer("What?", "other"), _answer("Yes", "c2"), _answer("x", "c2"))
    await house.ask(HELLO)
    assert await house.ask(HELLO, HI, MORE) == _answer("Yes", "c2")
    await house.ask(HELLO, HI, MORE, say("assistant", "Yes"), HELLO)
    assert house.sent[1:] == [(["More"], "c1"), (["Hello", "Hi!", "More"], None), (["Hello"], "c2")]


async def test_a_turn_that_says_its_whole_answer_elsewhere_in_one_go_is_heard_no_further() -> None:
    class AtOnce(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            self.requests.append(request)
            sink.open(NoFlow())
            for event in self.turns[len(self.requests) - 1]:
                assert not isinstance(event, BaseException)
                sink.feed(event)

    told = AtOnce([_answer(), _answer("What?", "other"), _answer("Yes", "c2")])
    house = House("continue")
    house.gateway = Gateway(Routes({BOT: told}), continuity=Continuity(house.store, {BOT: "continue"}))
    await house.ask(HELLO)
    assert await house.ask(HELLO, HI, MORE) == _answer("Yes", "c2")


@pytest.mark.parametrize("error", [RateLimited("x"), UpstreamFailed("x")])
async def test_a_turn_that_was_refused_can_be_asked_for_again_where_it_was(error: RealcozeError) -> None:
    house = House("continue", _answer(), [error], _answer())
    await house.ask(HELLO)
    assert failure(await house.ask(HELLO, HI, MORE)) is error
    await house.ask(HELLO, HI, MORE)
    assert house.sent[1:] == [(["More"], "c1"), (["More"], "c1")]


@pytest.mark.parametrize(
    "turn",
    [
        [Truncated("x")],
        [UpstreamTimeout("x")],
        [UpstreamFailed("x", code="upstream_protocol")],
        [ZeroDivisionError()],
        [_started(), UpstreamFailed("x")],
        [_started(), _text("H"), TurnFailed(error=Truncated("x"))],
        [_started(), ToolCallsRequested(calls=())],
    ],
)
async def test_after_a_turn_that_may_have_been_heard_everything_is_sent_anew(turn: Turn) -> None:
    house = House("continue", _answer(), turn, _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE)
    await house.ask(HELLO, HI, MORE)
    assert house.sent[2] == (["Hello", "Hi!", "More"], None)


@pytest.mark.parametrize("turn", [[_started(), UpstreamFailed("x")], [Truncated("x")], [UpstreamFailed("x")]])
async def test_a_client_that_sends_no_history_goes_on_after_a_failure(turn: Turn) -> None:
    house = House("continue", _answer(), turn, _answer())
    for _ in range(3):
        await house.ask(MORE, thread=SENDS_NEW)
    assert [conversation_id for _, conversation_id in house.sent] == [None, "c1", "c1"]


async def test_a_client_that_sends_no_history_goes_on_after_a_first_turn_that_failed() -> None:
    house = House("continue", [_started(), UpstreamFailed("x")], [UpstreamFailed("x")], _answer())
    for _ in range(3):
        await house.ask(MORE, thread=SENDS_NEW)
    assert [conversation_id for _, conversation_id in house.sent] == [None, "c1", "c1"]


async def test_a_conversation_without_a_history_that_is_gone_is_begun_anew() -> None:
    house = House("continue", _answer(), [GONE], [UpstreamFailed("x")], _answer())
    for _ in range(3):
        await house.ask(MORE, thread=SENDS_NEW)
    assert [conversation_id for _, conversation_id in house.sent] == [None, "c1", None, None]


async def test_a_caller_who_leaves_a_thread_finds_it_again() -> None:
    house = House("continue")
    waits = anyio.Event()

    class Waiting(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            self.requests.append(request)
            sink.open(NoFlow())
            sink.feed(_started())
            if len(self.requests) == 1:
                waits.set()
                await anyio.sleep_forever()
            sink.feed(TurnDone())

    told = Waiting([])
    house.gateway = Gateway(Routes({BOT: told}), continuity=Continuity(house.store, {BOT: "continue"}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: house.ask(MORE, thread=SENDS_NEW))
        await waits.wait()
        tasks.cancel_scope.cancel()
    await house.ask(MORE, thread=SENDS_NEW)
    assert [request.conversation_id for request in told.requests] == [None, "c1"]


async def test_a_caller_who_leaves_while_a_turn_is_given_up_finds_its_conversation_again(tmp_path: Path) -> None:
    waits, may_end = anyio.Event(), anyio.Event()

    class GivenUp(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            self.requests.append(request)
            sink.open(NoFlow())
            sink.feed(_started())
            if len(self.requests) == 1:
                with finishing():  # as a turn is stopped at Coze
                    waits.set()
                    await may_end.wait()
                raise UpstreamTimeout("It is silent.")
            sink.feed(TurnDone())

    told, leaving = GivenUp([]), Leaving()
    asked = Request(messages=(MORE,), bot=BOT, thread=SENDS_NEW)

    def gateway(store: Store) -> Gateway:
        return Gateway(Routes({BOT: told}), continuity=Continuity(store, {BOT: "continue"}))

    async def ask(store: Store) -> None:
        with leaving:
            await gateway(store).relay(asked, Gathered())

    async with open_sqlite(tmp_path / "store.sqlite") as store:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, store)
            await waits.wait()
            leaving.leave()
            await anyio.lowlevel.checkpoint()
            may_end.set()
        await gateway(store).relay(asked, Gathered())
    assert [request.conversation_id for request in told.requests] == [None, "c1"]


@pytest.mark.parametrize("is_left", [True, False])
async def test_a_thread_has_one_turn_at_a_time_and_keeps_its_conversation(
    is_left: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Whether the first one ends, or is left and being stopped."""
    waits, may_end = anyio.Event(), anyio.Event()

    class Stopped(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            self.requests.append(request)
            sink.open(NoFlow())
            if len(self.requests) > 1:
                sink.feed(_started(request.conversation_id or "c2"))
                sink.feed(TurnDone())
                return
            sink.feed(_started())
            waits.set()
            try:
                await may_end.wait()
            finally:
                with finishing():  # it is stopped at Coze
                    await may_end.wait()
            sink.feed(TurnDone())

    told, leaving = Stopped([]), Leaving()
    gateway = Gateway(Routes({BOT: told}), continuity=Continuity(MemoryStore(), {BOT: "continue"}))
    asked = Request(messages=(MORE,), bot=BOT, thread=SENDS_NEW)

    async def ask() -> None:
        with leaving:
            await gateway.relay(asked, Gathered())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await waits.wait()
        if is_left:
            leaving.leave()
        await anyio.lowlevel.checkpoint()
        for _ in range(WAITING):
            tasks.start_soon(gateway.relay, asked, Gathered())
        await anyio.wait_all_tasks_blocked()
        one_more, stranger = Gathered(), Gathered()
        await gateway.relay(asked, one_more)
        assert isinstance(failure(one_more.events), Busy)
        await gateway.relay(replace(asked, user_id=UserId("another")), stranger)
        assert len(told.requests) == 2
        may_end.set()
    assert [request.conversation_id for request in told.requests] == [None, None, *["c1"] * WAITING]


@pytest.mark.parametrize("history", ["replay", "continue"])
@pytest.mark.parametrize("said", ["Which city?", ""])
async def test_a_question_is_answered_by_the_next_turn_of_a_plain_client(history: History, said: str) -> None:
    """Who shows no text shows the question itself."""
    asked: list[Event] = [_started(), *([_text(said)] if said else []), ASKED]
    house = House(history, asked, _answer("Sunny"), _answer())
    await house.ask(HELLO)
    city, question = say("user", "Berlin"), say("assistant", "Which city?")
    await house.ask(HELLO, question, city)
    resumed = house.told.requests[1]
    assert resumed.messages == (city,)
    assert resumed.resume == Resume(event_id="e1", kind="question")
    assert (resumed.conversation_id, resumed.chat_id) == ("c1", "chat1")
    await house.ask(HELLO, question, city, say("assistant", "Sunny"), MORE)
    everything = ["Hello", "Which city?", "Berlin", "Sunny", "More"]
    assert house.sent[2] == ((["More"], "c1") if history == "continue" else (everything, None))
    assert house.told.requests[2].resume is None


@pytest.mark.parametrize("fields", [{"thread": SENDS_NEW}, {"conversation_id": ConversationId("c1")}])
async def test_a_question_in_a_conversation_with_a_name_is_answered_by_its_next_turn(fields: Any) -> None:
    house = House("replay", [_started(), ASKED], _answer(), _answer())
    for _ in range(3):
        await house.ask(MORE, **fields)
    assert [request.resume is not None for request in house.told.requests] == [False, True, False]


@pytest.mark.parametrize("fields", [{"thread": SENDS_NEW}, {"conversation_id": ConversationId("c1")}])
async def test_a_question_that_was_answered_explicitly_is_not_answered_again(fields: Any) -> None:
    house = House("replay", [_started(), ASKED], _answer(), _answer())
    await house.ask(MORE, **fields)
    ids = {"conversation_id": ConversationId("c1"), "chat_id": ChatId("chat1")}
    explicit: Any = {**fields, **ids, "resume": Resume(event_id="e1", kind="question")}
    await house.ask(HELLO, HI, MORE, **explicit)
    assert house.told.requests[1] == Request(messages=(HELLO, HI, MORE), bot=BOT, **explicit)
    await house.ask(MORE, **fields)
    assert house.told.requests[2] == Request(messages=(MORE,), bot=BOT, **fields)


async def test_a_question_that_is_gone_is_replaced_by_a_new_turn_with_everything() -> None:
    house = House("replay", [_started(), ASKED], [GONE], _answer())
    await house.ask(HELLO)
    messages = (HELLO, say("assistant", "Which city?"), MORE)
    assert await house.ask(*messages) == _answer()
    assert house.told.requests[2] == Request(messages=messages, bot=BOT)


async def test_the_results_of_tools_go_through_as_they_are_and_the_conversation_goes_on_after_them() -> None:
    house = House("continue", [_started(), ToolCallsRequested(calls=())], _answer(), _answer())
    await house.ask(HELLO)
    results = (ToolResult(call_id="1", output="sunny"),)
    ids: Any = {"conversation_id": ConversationId("c1"), "chat_id": ChatId("chat1")}
    await house.ask(HELLO, tool_results=results, **ids)
    assert house.told.requests[1] == Request(messages=(HELLO,), bot=BOT, tool_results=results, **ids)
    await house.ask(HELLO, HI, MORE)
    assert house.sent[2] == (["More"], "c1")


async def test_a_store_that_fails_makes_a_bot_that_goes_on_one_that_replays() -> None:
    class Broken(MemoryStore):
        async def take(self, shelf: str, key: str) -> bytes | None:
            raise Internal("the disk is full", code="store_failed")

    house = House("continue", _answer(), _answer(), store=Broken())
    await house.ask(HELLO)
    assert await house.ask(HELLO, HI, MORE) == _answer()
    assert house.sent[1] == (["Hello", "Hi!", "More"], None)


async def test_a_caller_who_reads_slowly_holds_back_the_turn_that_is_heard() -> None:
    house = House("continue", _answer(), [GONE], _answer("Yes", "c2"))
    await house.ask(HELLO)
    sink = Gathered()
    await house.gateway.relay(Request(messages=(HELLO, HI, MORE), bot=BOT), sink)
    sink.flow.pause()
    assert [flow.said for flow in house.told.flows] == [[], [], ["pause"]]


async def test_events_after_the_end_change_nothing() -> None:
    house = House("continue", [*_answer(), _text("x"), TurnDone(), TurnFailed(error=GONE)], _answer())
    assert await house.ask(HELLO) == _answer()
    await house.ask(HELLO, HI, MORE)
    assert house.sent[1] == (["More"], "c1")


async def test_a_turn_without_ids_leaves_no_place() -> None:
    house = House("continue", [_text("Hi!"), TurnDone()], _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE)
    assert house.sent[1] == (["Hello", "Hi!", "More"], None)


async def test_a_bot_that_is_not_named_in_the_table_replays() -> None:
    told = Told([_answer(), _answer()])
    gateway = Gateway(Routes({BOT: told}), continuity=Continuity(MemoryStore(), {}))
    for request in (Request(messages=(HELLO,)), Request(messages=(HELLO, HI, MORE))):
        await gateway.relay(request, Gathered())
    assert told.requests[1] == replace(Request(messages=(HELLO, HI, MORE)), bot=BOT)


AT = ConversationId("c1")


@pytest.mark.parametrize("history", ["replay", "continue"])
@pytest.mark.parametrize("messages", [(MORE,), (HELLO, HI, MORE)], ids=["what is new", "everything"])
async def test_a_question_is_found_by_the_id_of_the_conversation_that_coze_began(
    history: History, messages: Any
) -> None:
    house = House(history, [_started(), _text("Hi!"), ASKED], _answer("Rome"), _answer("b", "c2"))
    await house.ask(HELLO)
    await house.ask(*messages, conversation_id=AT)
    answered = house.told.requests[1]
    assert (answered.resume, answered.conversation_id) == (Resume(event_id="e1", kind="question"), AT)
    await house.ask(HELLO, HI, MORE)
    assert house.told.requests[2].resume is None, "a question is answered once, whichever way"


REFUSED = RateLimited("too fast")


async def test_a_history_that_was_edited_and_refused_changes_nothing() -> None:
    house = House("continue", _answer(), [REFUSED], _answer("Yes"))
    await house.ask(MORE, thread=SENDS_NEW)
    await house.ask(HELLO, HI, MORE, thread=SENDS_NEW)
    await house.ask(MORE, thread=SENDS_NEW)
    assert house.sent[1:] == [(["Hello", "Hi!", "More"], None), (["More"], "c1")]


async def test_an_explicit_answer_that_was_refused_leaves_the_question_where_it_was() -> None:
    house = House("replay", [_started(), _text("Hi!"), ASKED], [REFUSED], _answer("Rome"))
    resume = Resume(event_id="e1", kind="question")
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE, resume=resume, conversation_id=AT)
    await house.ask(HELLO, HI, MORE)
    assert house.told.requests[2].resume == resume


async def test_a_turn_that_begins_with_something_unknown_has_a_place_all_the_same() -> None:
    house = House("continue", [Unknown(name="new", raw="{}"), *_answer()], _answer("Yes"))
    await house.ask(HELLO)
    await house.ask(HELLO, HI, MORE)
    assert house.sent[1] == (["More"], "c1")


CALLS = ToolCallsRequested(
    calls=(ToolCall(call_id="a", name="weather", arguments="{}"), ToolCall(call_id="b", name="remind", arguments="{}"))
)
RESULTS = (ToolResult(call_id="a", output="sunny"), ToolResult(call_id="b", output="done"))
THERE: Any = {"conversation_id": ConversationId("c1"), "chat_id": ChatId("chat1")}


@pytest.mark.parametrize("history", ["replay", "continue"])
async def test_results_find_the_turn_that_waits_for_them(history: History) -> None:
    house = House(history, [_started(), CALLS], _answer())
    assert await house.ask(HELLO) == [_started(), CALLS]
    assert await house.ask(HELLO, tool_results=RESULTS) == _answer()
    assert house.told.requests[1] == Request(messages=(HELLO,), bot=BOT, tool_results=RESULTS, **THERE)


async def test_results_find_their_turn_before_its_upstream_has_returned() -> None:
    rests, go = anyio.Event(), anyio.Event()

    class Resting(Told):
        async def converse(self, request: Request, sink: Sink) -> None:
            await super().converse(request, sink)
            if len(self.requests) == 1:
                rests.set()
                await go.wait()

    house = House("replay")
    told = Resting([[_started(), CALLS], _answer()])
    house.gateway = Gateway(Routes({BOT: told}), continuity=Continuity(house.store, {}))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.ask, HELLO)
        await rests.wait()
        assert await house.ask(HELLO, tool_results=RESULTS) == _answer()
        go.set()
    assert len(house.store) == 0


async def test_after_the_results_the_conversation_goes_on() -> None:
    house = House("continue", [_started(), CALLS], _answer(), _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, tool_results=RESULTS)
    await house.ask(HELLO, HI, MORE)
    assert house.sent[2] == (["More"], "c1")


async def test_a_turn_may_want_tools_again_and_need_not_say_again_where_it_is() -> None:
    again = ToolCallsRequested(calls=(ToolCall(call_id="c", name="weather", arguments="{}"),))
    house = House("replay", [_started(), CALLS], [_text("Hm"), again], _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, tool_results=RESULTS)
    more = (ToolResult(call_id="c", output="rain"),)
    assert await house.ask(HELLO, tool_results=more) == _answer()
    assert house.told.requests[2] == Request(messages=(HELLO,), bot=BOT, tool_results=more, **THERE)


@pytest.mark.parametrize(
    "results",
    [
        (ToolResult(call_id="other", output="x"),),
        (*RESULTS, ToolResult(call_id="other", output="x")),
    ],
)
async def test_results_that_nobody_waits_for_are_refused_and_those_that_wait_can_still_be_handed_in(
    results: tuple[ToolResult, ...],
) -> None:
    house = House("replay", [_started(), CALLS], _answer())
    await house.ask(HELLO)
    refusal = failure(await house.ask(HELLO, tool_results=results))
    assert isinstance(refusal, NotFound)
    assert refusal.code == "not_found"
    assert refusal.hint
    assert len(house.told.requests) == 1
    assert await house.ask(HELLO, tool_results=RESULTS) == _answer()


async def test_results_are_handed_in_once() -> None:
    house = House("replay", [_started(), CALLS], _answer())
    await house.ask(HELLO)
    await house.ask(HELLO, tool_results=RESULTS)
    assert isinstance(failure(await house.ask(HELLO, tool_results=RESULTS)), NotFound)
    assert len(house.store) == 0


async def test_results_of_another_caller_are_not_known() -> None:
    house = House("replay", [_started(), CALLS], _answer())
    await house.ask(HELLO, caller=CallerId("ada"))
    assert isinstance(failure(await house.ask(HELLO, tool_results=RESULTS, caller=CallerId("bob"))), NotFound)
    assert await house.ask(HELLO, tool_results=RESULTS, caller=CallerId("ada")) == _answer()


async def test_a_caller_who_names_the_turn_itself_is_believed_and_leaves_nothing_behind() -> None:
    house = House("replay", [_started(), CALLS], _answer())
    await house.ask(HELLO)
    there: Any = {"conversation_id": ConversationId("c9"), "chat_id": ChatId("chat9")}
    assert await house.ask(HELLO, tool_results=RESULTS, **there) == _answer()
    assert house.told.requests[1] == Request(messages=(HELLO,), bot=BOT, tool_results=RESULTS, **there)
    assert len(house.store) == 0


async def test_results_that_were_refused_before_coze_had_them_can_be_handed_in_again() -> None:
    house = House("replay", [_started(), CALLS], [RateLimited("slow down")], _answer())
    await house.ask(HELLO)
    assert isinstance(failure(await house.ask(HELLO, tool_results=RESULTS)), RateLimited)
    assert await house.ask(HELLO, tool_results=RESULTS) == _answer()


@pytest.mark.parametrize(
    "turn", [[Truncated("x")], [UpstreamTimeout("x")], [_text("H"), UpstreamFailed("x")], [ZeroDivisionError()], [GONE]]
)
async def test_results_that_coze_may_have_had_cannot(turn: Turn) -> None:
    house = House("replay", [_started(), CALLS], turn)
    await house.ask(HELLO)
    await house.ask(HELLO, tool_results=RESULTS)
    assert isinstance(failure(await house.ask(HELLO, tool_results=RESULTS)), NotFound)
    assert len(house.told.requests) == 2


async def test_a_turn_without_ids_cannot_be_handed_results() -> None:
    house = House("replay", [CALLS])
    await house.ask(HELLO)
    assert isinstance(failure(await house.ask(HELLO, tool_results=RESULTS)), NotFound)


async def test_a_turn_that_waits_outlasts_a_restart(tmp_path: Path) -> None:
    told = Told([[_started(), CALLS], _answer()])
    asked = Request(messages=(HELLO,), bot=BOT)
    for request in (asked, replace(asked, tool_results=RESULTS)):
        async with open_sqlite(tmp_path / "store.sqlite") as store:
            gateway = Gateway(Routes({BOT: told}), continuity=Continuity(store, {BOT: "continue"}))
            sink = Gathered()
            await gateway.relay(request, sink)
    assert sink.events == _answer()


async def test_the_instructions_of_a_history_are_a_part_of_it() -> None:
    house = House("continue", _answer(), _answer(), _answer("Yes"))
    await house.ask(HELLO, instructions="Be kind.")
    await house.ask(HELLO, HI, MORE, instructions="Be rude.")
    await house.ask(HELLO, HI, MORE, instructions="Be kind.")
    texts = [[message.text for message in request.messages] for request in house.told.requests]
    assert texts[1:] == [["Be rude.\n\nHello", "Hi!", "More"], ["More"]]


@dataclass
class Album(Told):
    """The same, and it counts what is uploaded to it."""

    uploads: list[bytes] = field(default_factory=list)

    async def upload(self, data: bytes, _name: str, _bot: BotName) -> Image:
        self.uploads.append(data)
        return Image(key=data.decode())


def _shown(text: str) -> Message:
    return Message(role="user", parts=(Inline(data=text.encode()),))


def _album(history: History, *turns: Turn) -> tuple[Album, Gateway]:
    album = Album(list(turns))
    return album, Gateway(Routes({BOT: album}), continuity=Continuity(MemoryStore(), {BOT: history}))


async def _show(gateway: Gateway, *messages: Message, **fields: Any) -> Gathered:
    sink = Gathered()
    await gateway.relay(Request(messages=messages, bot=BOT, **fields), sink)
    return sink


@pytest.mark.parametrize("history", ["replay", "continue"])
async def test_results_of_tools_upload_nothing_of_their_history(history: History) -> None:
    call = ToolCallsRequested(calls=(ToolCall(call_id="c1", name="weather", arguments="{}"),))
    album, gateway = _album(history, [_started(), call], _answer())
    await _show(gateway, _shown("a"))
    await _show(gateway, _shown("a"), tool_results=(ToolResult(call_id="c1", output="warm"),))
    assert album.uploads == [b"a"]
    assert [len(request.messages) for request in album.requests] == [1, 0]


@pytest.mark.parametrize("history", ["replay", "continue"])
async def test_a_picture_is_no_answer_to_a_question_and_is_not_uploaded(history: History) -> None:
    album, gateway = _album(history, [_started(), ASKED])
    await _show(gateway, HELLO)
    sink = await _show(gateway, HELLO, say("assistant", "Which city?"), _shown("a"))
    assert str(failure(sink.events)) == "The answer to a question is words, in the last message."
    assert (album.uploads, len(album.requests)) == ([], 1)


async def test_a_conversation_that_is_gone_is_begun_anew_without_uploading_anything_twice() -> None:
    album, gateway = _album("continue", _answer(), [GONE], _answer(name="c2"))
    await _show(gateway, _shown("a"))
    await _show(gateway, _shown("a"), HI, _shown("b"))
    assert album.uploads == [b"a", b"b", b"a"]
    assert [len(request.messages) for request in album.requests] == [1, 1, 3]


OFFER = Offer(tools=(Tool(name="weather"),))
IN_WORDS = '<tool_call>{"name": "weather"}</tool_call>'


def _called(events: list[Event]) -> tuple[Message, Message]:
    """What a client adds to its history: the bot's calls with what was said before them, and what came of them."""
    [end] = [event for event in events if isinstance(event, ToolCallsRequested)]
    said = [Text(text=event.text) for event in events if isinstance(event, AnswerDone)]
    results = tuple(ToolResult(call_id=call.call_id, output="warm") for call in end.calls)
    return Message(role="assistant", parts=(*said, *end.calls)), Message(role="user", parts=results)


@pytest.mark.parametrize("said", ["", "Wait. "])
async def test_results_of_calls_in_words_go_on_where_the_bot_made_them(said: str) -> None:
    house = House("continue", _answer(said + IN_WORDS), _answer("It is warm."), _answer(), emulates=True)
    history = [HELLO, *_called(await house.ask(HELLO, offer=OFFER))]
    results = tuple(part for part in history[-1].parts if isinstance(part, ToolResult))
    await house.ask(*history, offer=OFFER, tool_results=results)
    await house.ask(*history, say("assistant", "It is warm."), MORE)
    (_, began), (told, went_on), (more, on) = house.sent
    assert (began, went_on, on) == (None, "c1", "c1")
    assert [text.rpartition("\n\n")[2] for text in told] == ['<tool_result name="weather">warm</tool_result>']
    assert more == ["More"]


async def test_a_bot_that_replays_is_sent_the_calls_in_words_and_what_came_of_them() -> None:
    house = House("replay", _answer(IN_WORDS), _answer("It is warm."), emulates=True)
    history = [HELLO, *_called(await house.ask(HELLO, offer=OFFER))]
    await house.ask(*history, offer=OFFER)
    told, conversation_id = house.sent[1]
    assert conversation_id is None
    assert told[:2] == ["Hello", '<tool_call>{"name": "weather", "arguments": {}}</tool_call>']
    assert told[2].endswith('<tool_result name="weather">warm</tool_result>')


async def test_a_call_that_is_mended_leaves_the_conversation_where_it_is() -> None:
    wrong = '<tool_call>{"name": "sun"}</tool_call>'
    house = House("continue", _answer(wrong), _answer(IN_WORDS), _answer("Warm"), emulates=True)
    history = [HELLO, *_called(await house.ask(HELLO, offer=OFFER))]
    await house.ask(*history, offer=OFFER)
    assert [conversation_id for _, conversation_id in house.sent] == [None, "c1", "c1"]
    assert [len(told) for told, _ in house.sent] == [1, 1, 1]
