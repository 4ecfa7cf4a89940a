import logging
from collections.abc import Sequence
from typing import Any

import anyio
import pytest

import shortcuts
from realcoze.domain.content import File, Image, Inline
from realcoze.domain.event import (
    AnswerDone,
    Event,
    Suggestion,
    TextDelta,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
)
from realcoze.domain.ids import BotName, ChatId, ConversationId, MessageId, RequestId
from realcoze.domain.message import MOST_PARTS, Message, say
from realcoze.domain.ports import Chats, Sink, Sound, Speech
from realcoze.domain.request import Request, Thread
from realcoze.domain.shortcut import Shortcut, shortcut_of
from realcoze.domain.tool import Form, Offer, Tool
from realcoze.errors import BadRequest, Internal, NotFound, Overloaded, Truncated, UpstreamFailed
from realcoze.gateway.chat import QUEUED_EVENTS, Gateway, TurnStream
from realcoze.gateway.continued import Continuity
from realcoze.gateway.route import Onward, Routes
from realcoze.stores.memory import MemoryStore
from servers import PATIENCE_S, Failing, Gathered, NoFlow, asking, failure

pytestmark = pytest.mark.usefixtures("nothing_left")

STARTED = TurnStarted(chat_id=ChatId("chat"), conversation_id=ConversationId("conversation"))
ANSWER: tuple[Event, ...] = (
    STARTED,
    TextDelta(message_id=MessageId("m"), text="Hel"),
    TextDelta(message_id=MessageId("m"), text="lo"),
    AnswerDone(message_id=MessageId("m"), text="Hello"),
    TurnDone(),
)


def _gateway(chats: Chats) -> Gateway:
    return Gateway(Routes({BotName("bot"): chats}))


async def _relay(chats: Chats, request: Request | None = None) -> list[Event]:
    sink = Gathered()
    with anyio.fail_after(PATIENCE_S):
        await _gateway(chats).relay(request or asking("hello", "bot"), sink, request_id=RequestId("req_1"))
    assert len(sink.ends) == 1
    assert len(sink.flows) == 1
    return sink.events


class Lingering:
    """A fake at the port: feeds some events and then waits until it is cancelled, or for ever."""

    def __init__(self, *events: Event) -> None:
        self.events = events
        self.flow = NoFlow()
        self.left = anyio.Event()
        self.fed = anyio.Event()

    async def converse(self, _request: Request, sink: Sink) -> None:
        sink.open(self.flow)
        for event in self.events:
            sink.feed(event)
        self.fed.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.left.set()


class Taking(Failing):
    """A fake at both ports: takes every file, and notes it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[bytes, str, BotName]] = []

    async def upload(self, data: bytes, name: str, bot: BotName) -> Image | File:
        self.taken.append((data, name, bot))
        return Image(key="tos/1.png")


class Flowing:
    """A fake at the port that keeps to its flow: while paused it holds events back, and `resume` feeds them."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = list(events)
        self._sink: Sink | None = None
        self._paused = False
        self._done = anyio.Event()
        self.pauses = 0

    def pause(self) -> None:
        self.pauses += 1
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._go_on()

    async def converse(self, _request: Request, sink: Sink) -> None:
        self._sink = sink
        sink.open(self)
        self._go_on()
        await self._done.wait()

    def _go_on(self) -> None:
        assert self._sink is not None
        while self._events and not self._paused:
            self._sink.feed(self._events.pop(0))
        if not self._events:
            self._done.set()


async def test_events_pass_as_they_are() -> None:
    assert await _relay(Failing(*ANSWER)) == list(ANSWER)


async def test_the_upstream_gets_the_bots_own_name() -> None:
    chats = Failing(*ANSWER)
    await _relay(chats, asking("hello", ""))
    assert chats.requests == [asking("hello", "bot")]


async def test_an_unknown_bot_is_a_failed_turn_and_no_upstream_is_asked() -> None:
    chats = Failing(*ANSWER)
    error = failure(await _relay(chats, asking("hello", "nobody")))
    assert isinstance(error, NotFound)
    assert chats.requests == []


async def test_a_flood_of_messages_is_refused_and_no_upstream_is_asked() -> None:
    chats, flood = Failing(*ANSWER), Request(messages=(say("user", "x"),) * (MOST_PARTS + 1), bot=BotName("bot"))
    error = failure(await _relay(chats, flood))
    assert isinstance(error, BadRequest)
    assert error.code == "too_many_messages"
    with pytest.raises(BadRequest, match="more than"):
        await _gateway(chats).check(flood)
    assert chats.requests == []


@pytest.mark.parametrize("events", [(), ANSWER[:1], ANSWER[:3]])
async def test_an_error_of_the_upstream_is_the_end_of_the_turn(events: tuple[Event, ...]) -> None:
    gone = UpstreamFailed("gone")
    fed = await _relay(Failing(*events, error=gone))
    assert fed == [*events, TurnFailed(error=gone)]


async def test_an_upstream_that_returns_without_an_end_has_a_defect() -> None:
    assert isinstance(failure(await _relay(Failing(*ANSWER[:3]))), Internal)


@pytest.mark.parametrize("defect", [ZeroDivisionError("secret"), ExceptionGroup("x", [KeyError("y")]), OSError(5, "z")])
async def test_a_defect_in_an_upstream_becomes_internal_and_is_logged(
    defect: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    error = failure(await _relay(Failing(*ANSWER[:2], error=defect)))
    assert isinstance(error, Internal)
    assert "secret" not in error.message
    assert "req_1" in caplog.text
    assert type(defect).__name__ in caplog.text


async def test_nothing_comes_after_the_end(caplog: pytest.LogCaptureFixture) -> None:
    late = (TextDelta(message_id=MessageId("m"), text="more"), TurnDone(), TurnFailed(error=Truncated("x")))
    assert await _relay(Failing(*ANSWER, *late)) == list(ANSWER)
    assert "3 events came out of place" in caplog.text


async def test_there_is_a_short_way_only_within_the_turn() -> None:
    ways = list[Shortcut | None]()

    class Trying:
        async def converse(self, request: Request, sink: Sink) -> None:
            sink.open(NoFlow())
            like = TextDelta(message_id=MessageId("m"), text="Hel")
            for event in (STARTED, like, TurnDone()):
                ways.append(shortcut_of(sink, like))
                sink.feed(event)
            ways.append(shortcut_of(sink, like))

    await _gateway(Trying()).relay(asking("hello", "bot"), shortcuts.Noted())
    assert [way is not None for way in ways] == [False, True, True, False]
    await _gateway(Trying()).relay(asking("hello", "bot"), Gathered())
    assert ways[4:] == [None] * 4


async def test_an_error_after_the_end_changes_nothing() -> None:
    assert await _relay(Failing(*ANSWER, error=UpstreamFailed("late"))) == list(ANSWER)


class Breaking(Gathered):
    """A sink that cannot take the end of a turn, unless it is a failure."""

    def feed(self, event: Event) -> None:
        if event == TurnDone():
            raise RuntimeError("cannot be told")
        super().feed(event)


async def test_an_end_that_breaks_the_sink_is_told_as_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    sink = Breaking()
    with caplog.at_level(logging.INFO):
        await _gateway(Failing(STARTED, *ANSWER)).relay(asking("hello", "bot"), sink)
    assert [end.error.code for end in sink.ends if isinstance(end, TurnFailed)] == ["internal_error"]
    assert len(sink.ends) == 1
    assert "ended well" not in caplog.text


async def test_a_turn_starts_once() -> None:
    assert await _relay(Failing(STARTED, *ANSWER)) == list(ANSWER)


async def test_every_kind_of_end_is_one() -> None:
    calls = ToolCallsRequested(calls=())
    assert await _relay(Failing(STARTED, calls, TurnDone())) == [STARTED, calls]


async def test_a_caller_who_leaves_ends_the_turn_of_the_upstream(caplog: pytest.LogCaptureFixture) -> None:
    chats, sink = Lingering(STARTED), Gathered()
    with caplog.at_level(logging.INFO):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_gateway(chats).relay, asking("hello", "bot"), sink)
            await sink.until(lambda: bool(sink.events))
            tasks.cancel_scope.cancel()
    assert chats.left.is_set()
    assert sink.ends == []
    assert "given up" in caplog.text


async def test_a_turn_is_logged_with_its_outcome_and_never_with_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await _relay(Failing(*ANSWER), asking("my-question", "bot"))
        await _relay(Failing(error=Overloaded("x")), asking("my-question", "bot"))
    assert "request req_1: bot bot, ended well after" in caplog.text
    assert "request req_1: bot bot, overloaded after" in caplog.text
    assert "my-question" not in caplog.text
    assert "Hello" not in caplog.text


async def test_the_bots_are_listed_in_their_order() -> None:
    gateway = Gateway(Routes({BotName("b"): Failing(), BotName("a"): Failing()}))
    assert gateway.bots == ("b", "a")


async def test_the_bot_that_answers_to_a_name_can_be_found() -> None:
    bots = {BotName(name): Failing() for name in ("first", "second")}
    gateway = Gateway(Routes(bots))
    assert [await gateway.find(BotName(name)) for name in ("", "second")] == ["first", "second"]
    with pytest.raises(NotFound, match="no bot 'nobody'"):
        await gateway.find(BotName("nobody"))
    assert await Gateway(Routes(bots, catches_all=True)).find(BotName("nobody")) == "first"
    assert await Gateway(Onward(Failing())).find(BotName("nobody")) == "nobody"


async def test_what_goes_onward_keeps_its_name_and_knows_no_bots() -> None:
    chats, sink = Failing(*ANSWER), Gathered()
    gateway = Gateway(Onward(chats))
    for name in ("", "nobody"):
        await gateway.relay(asking("hello", name), sink)
    assert chats.requests == [asking("hello", ""), asking("hello", "nobody")]
    assert gateway.bots == ()


async def test_a_file_goes_to_the_upstream_of_its_bot() -> None:
    first, second = Taking(), Taking()
    gateway = Gateway(Routes({BotName("first"): first, BotName("second"): second}))
    assert await gateway.upload(b"one", "1.png") == Image(key="tos/1.png")
    await gateway.upload(b"two", "", bot=BotName("second"))
    assert first.taken == [(b"one", "1.png", "first")]
    assert second.taken == [(b"two", "", "second")]


async def test_an_upstream_that_takes_no_files() -> None:
    with pytest.raises(BadRequest) as caught:
        await _gateway(Failing()).upload(b"x", "x")
    assert caught.value.code == "not_supported_by_upstream"


async def test_ask_gives_the_whole_reply() -> None:
    reply = await _gateway(Failing(*ANSWER)).ask(asking("hello", "bot"))
    assert (reply.text, reply.chat_id, reply.conversation_id) == ("Hello", "chat", "conversation")


@pytest.mark.parametrize(
    "chats", [Failing(error=UpstreamFailed("gone")), Failing(*ANSWER[:2], error=Truncated("gone"))]
)
async def test_ask_raises_the_turns_error(chats: Failing) -> None:
    with pytest.raises((UpstreamFailed, Truncated), match="gone"):
        await _gateway(chats).ask(asking("hello", "bot"))


async def test_say_iterates_the_events_and_ends_after_the_last() -> None:
    async with _gateway(Failing(*ANSWER)).say(asking("hello", "bot")) as turn:
        assert [event async for event in turn] == list(ANSWER)
        assert [event async for event in turn] == []


async def test_say_ends_with_the_failure() -> None:
    async with _gateway(Failing(*ANSWER[:2], error=UpstreamFailed("gone"))).say(asking("hello", "bot")) as turn:
        events = [event async for event in turn]
    assert isinstance(failure(events), UpstreamFailed)


async def test_leaving_a_say_block_stops_the_turn() -> None:
    chats = Lingering(STARTED, Suggestion(text="x"))
    with anyio.fail_after(PATIENCE_S):
        async with _gateway(chats).say(asking("hello", "bot")) as turn:
            async for event in turn:
                assert event == STARTED
                break
    assert chats.left.is_set()


async def test_leaving_a_say_block_before_anything_came_stops_the_turn() -> None:
    chats = Lingering()
    async with _gateway(chats).say(asking("hello", "bot")):
        await chats.fed.wait()
    assert chats.left.is_set()


async def test_what_is_raised_in_a_say_block_comes_out_as_it_is() -> None:
    """Not as the group that a task group makes of it."""
    chats = Lingering(STARTED)

    async def break_down() -> None:
        async with _gateway(chats).say(asking("hello", "bot")) as turn:
            async for _ in turn:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_down()
    assert chats.left.is_set()


async def test_cancelling_a_say_block_stops_the_turn() -> None:
    chats = Lingering(STARTED)

    async def follow() -> None:
        async with _gateway(chats).say(asking("hello", "bot")) as turn:
            async for _ in turn:
                pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await chats.fed.wait()
        tasks.cancel_scope.cancel()
    assert chats.left.is_set()


def _numbered(count: int) -> list[Event]:
    return [*(Unknown(name=str(number), raw="") for number in range(count)), TurnDone()]


async def test_a_slow_reader_holds_the_upstream_back_and_misses_nothing() -> None:
    events = _numbered(10 * QUEUED_EVENTS)
    chats = Flowing(events)
    with anyio.fail_after(PATIENCE_S):
        async with _gateway(chats).say(asking("hello", "bot")) as turn:
            got = []
            async for event in turn:
                got.append(event)
                assert len(turn._events) <= QUEUED_EVENTS
    assert got == events
    assert chats.pauses == 10


async def test_a_reader_that_keeps_up_is_never_paused() -> None:
    chats = Flowing(_numbered(QUEUED_EVENTS - 2))
    async with _gateway(chats).say(asking("hello", "bot")) as turn:
        assert len([event async for event in turn]) == QUEUED_EVENTS - 1
    assert chats.pauses == 0


async def test_a_stream_without_a_flow_keeps_everything() -> None:
    stream = TurnStream()
    events = _numbered(2 * QUEUED_EVENTS)
    for event in events:
        stream.feed(event)
    assert [event async for event in stream] == events


async def test_a_closed_stream_ends_for_who_waits_on_it() -> None:
    stream = TurnStream()
    got: list[Event] = []
    waits = anyio.Event()

    async def follow() -> None:
        async for event in stream:
            got.append(event)
            waits.set()

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            stream.feed(STARTED)
            await waits.wait()
            stream.close()
    assert got == [STARTED]


async def test_a_closed_stream_gives_nothing_that_was_not_read() -> None:
    stream = TurnStream()
    stream.feed(STARTED)
    stream.close()
    stream.close()
    assert [event async for event in stream] == []


async def test_who_iterates_on_after_the_block_finds_the_end() -> None:
    chats = Lingering(STARTED, Suggestion(text="x"))
    with anyio.fail_after(PATIENCE_S):
        async with _gateway(chats).say(asking("hello", "bot")) as turn:
            assert await anext(turn) == STARTED
        assert [event async for event in turn] == []


class Speaking(Failing):
    """A fake at the ports `Speaks` and `Transcribes`: says back what it was asked."""

    async def speak(self, speech: Speech, bot: BotName) -> Sound:
        return Sound(data=f"{speech.text} {bot} {speech.voice}".encode(), content_type=f"audio/{speech.format}")

    async def transcribe(self, data: bytes, name: str, bot: BotName) -> str:
        return f"{data!r} {name} {bot}"


async def test_speech_and_recordings_go_to_the_account_of_the_bot() -> None:
    gateway = Gateway(Routes({BotName("first"): Failing(), BotName("second"): Speaking()}))
    sound = await gateway.speak(Speech(text="hello", voice="7", format="wav"), bot=BotName("second"))
    assert sound == Sound(data=b"hello second 7", content_type="audio/wav")
    assert await gateway.transcribe(b"RIFF", "a.wav", bot=BotName("second")) == "b'RIFF' a.wav second"


async def test_an_upstream_without_a_voice() -> None:
    gateway = _gateway(Failing())
    for call in (gateway.speak(Speech(text="hello")), gateway.transcribe(b"x", "x")):
        with pytest.raises(BadRequest) as caught:
            await call
        assert caught.value.code == "not_supported_by_upstream"
        assert caught.value.hint == "Bots of Coze's open API can; name one of them."


TASK = '### Task:\nTag it.\n### Output:\nJSON format: { "tags": ["tag1"] }\n### Chat History:\nUSER: Hello'
OTHER = BotName("other")


async def _in_background(background: str, *bots: Failing, **fields: Any) -> str:
    store = MemoryStore()
    names = (BotName("bot"), OTHER)
    gateway = Gateway(
        Routes(dict(zip(names, bots, strict=False))),
        continuity=Continuity(store, dict.fromkeys(names, "continue")),
        backgrounds={BotName("bot"): background},
    )
    reply = await gateway.ask(Request(messages=(say("user", TASK),), **fields))
    assert len(store) == 0
    return reply.text


async def test_a_background_request_is_answered_here() -> None:
    bot = Failing(*ANSWER)
    assert await _in_background("local", bot) == '{"tags": ["General"]}'
    assert bot.requests == []


async def test_a_background_request_may_be_for_the_bot_after_all_and_belongs_to_no_conversation() -> None:
    bot = Failing(*ANSWER)
    fields: Any = {"conversation_id": ConversationId("c"), "thread": Thread(id="t", is_whole=False)}
    assert await _in_background("pass", bot, **fields) == "Hello"
    assert bot.requests == [Request(messages=(say("user", TASK),), bot=BotName("bot"))]


async def test_a_background_request_may_be_for_another_bot() -> None:
    bot, other = Failing(*ANSWER), Failing(*ANSWER)
    assert await _in_background("other", bot, other, instructions="Be kind.") == "Hello"
    assert bot.requests == []
    assert other.requests == [Request(messages=(say("user", f"Be kind.\n\n{TASK}"),), bot=OTHER)]


async def test_who_hands_on_to_another_realcoze_leaves_background_requests_to_it() -> None:
    bot = Failing(*ANSWER)
    reply = await Gateway(Onward(bot)).ask(Request(messages=(say("user", TASK),)))
    assert reply.text == "Hello"


async def test_instructions_go_by_the_policy_of_the_bot() -> None:
    bot, other = Failing(*ANSWER), Failing(*ANSWER)
    gateway = Gateway(Routes({BotName("bot"): bot, OTHER: other}), policies={OTHER: "drop"})
    for name in ("", "other"):
        await gateway.ask(Request(messages=(say("user", "Hi"),), bot=BotName(name), instructions="Be kind."))
    assert [request.messages[0].text for request in (*bot.requests, *other.requests)] == ["Be kind.\n\nHi", "Hi"]


async def test_a_file_that_comes_with_a_question_is_uploaded_first() -> None:
    taking = Taking()
    question = Message(role="user", parts=(Inline(data=b"data", name="x.png"),))
    await _relay(taking, Request(messages=(question,), bot=BotName("bot")))
    assert taking.taken == [(b"data", "x.png", "bot")]
    assert taking.requests[0].messages[0].parts == (Image(key="tos/1.png"),)


async def test_the_further_names_of_bots_are_known() -> None:
    gateway = Gateway(Routes({BotName("bot"): Failing(*ANSWER)}, aliases={BotName("claude-bot"): BotName("bot")}))
    assert gateway.aliases == {"claude-bot": "bot"}
    assert gateway.bots == ("bot",)
    assert await gateway.find(BotName("claude-bot")) == "bot"


async def test_tools_are_heeded_by_whoever_answers_to_the_name() -> None:
    bot, other, catching = Failing(), Failing(), BotName("told")
    routes = Routes({catching: bot, BotName("plain"): other}, catches_all=True, aliases={BotName("gpt"): catching})
    any_bot = Routes(routes.bots, catches_all=True, any_bot=other)
    offer = Offer(tools=(Tool(name="f"),))

    def heeds(name: str, where: Routes = routes, offer: Offer | None = offer) -> bool:
        asked = Request(messages=(say("user", "Hi"),), bot=BotName(name), offer=offer)
        return Gateway(where, emulating={catching}).heeds_offer(asked)

    assert heeds("told")
    assert heeds("gpt")
    assert heeds("")
    assert heeds("whatever")
    assert not heeds("told", offer=None)
    assert not heeds("bot-7", any_bot)
    assert not heeds("123456789012345678", any_bot)
    assert not heeds("none", Routes({BotName("plain"): other}))


async def test_what_is_wrong_can_be_known_before_anybody_is_asked() -> None:
    bot = Failing()
    gateway = Gateway(Routes({BotName("told"): bot, BotName("plain"): bot}), emulating={BotName("told")})
    form = Form(schema='{"type": "objec"}')
    for name, asked, error in (
        ("none", None, NotFound),
        ("plain", Form(), BadRequest),
        ("told", form, BadRequest),
    ):
        with pytest.raises(error):
            await gateway.check(Request(messages=(say("user", "Hi"),), bot=BotName(name), form=asked))
    for name, asked in (("plain", None), ("told", Form()), ("", Form(schema="true"))):
        await gateway.check(Request(messages=(say("user", "Hi"),), bot=BotName(name), form=asked))
