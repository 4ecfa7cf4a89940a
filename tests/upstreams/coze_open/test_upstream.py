import asyncio
import gc
import logging
import os
import random
import time
import weakref
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import anyio
import msgspec
import pytest

from realcoze.domain.event import Event, TextDelta, TurnStarted
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, ConversationId, UserId
from realcoze.domain.message import say
from realcoze.domain.ports import Published
from realcoze.domain.request import Request, Wants
from realcoze.domain.tool import ToolResult
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.settings import OpenSettings as EmulatorSettings
from realcoze.emulator.open_api.settings import SeenCall, SeenEnd
from realcoze.errors import (
    BadRequest,
    Busy,
    Misconfigured,
    NotFound,
    QuotaExhausted,
    RateLimited,
    RealcozeError,
    TooLarge,
    Truncated,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
)
from realcoze.upstreams.coze_open.settings import OpenSettings
from realcoze.upstreams.coze_open.upstream import CozeOpen, open_coze
from realcoze.upstreams.credentials import Secret
from servers import (
    PATIENCE_S,
    QUICK_OPEN,
    TARGETS,
    Coze,
    Gathered,
    ask,
    asking,
    emulated,
    outcome,
    outcomes,
    reached_openly,
    soon,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

CHAT, CANCEL = "/v3/chat", "/v3/chat/cancel"
PERSONALITIES = pytest.mark.parametrize("personality", ["coze", "studio"])


def as_(personality: Any, **settings: Any) -> EmulatorSettings:
    return EmulatorSettings(personality=personality, **{"pace": 0.0, **settings})


async def leave_in_the_middle(upstream: CozeOpen, request: Request) -> None:
    """Ask, and be gone when the answer has begun."""
    sink = Gathered()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(upstream.converse, request, sink)
        await sink.until(lambda: bool(sink.text))
        tasks.cancel_scope.cancel()


async def test_a_turn_that_failed_does_not_wait_for_the_collector_of_cycles() -> None:
    sinks: list[weakref.ref[Gathered]] = []

    async def fail(upstream: CozeOpen) -> None:
        sink = Gathered()
        sinks.append(weakref.ref(sink))
        with suppress(UpstreamFailed):
            await upstream.converse(asking("one two [[fault failed]]"), sink)

    async with emulated(as_("coze")) as coze, reached_openly(coze.base) as upstream:
        gc.disable()
        try:
            await fail(upstream)
            await soon(lambda: sinks[0]() is None)
        finally:
            gc.enable()
        assert coze.open_api.seen.count(CHAT) == 1


@PERSONALITIES
async def test_a_turn_gives_answer_steps_suggestions_and_usage(personality: str) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        wants = Wants(steps=True, suggestions=True, usage=True)
        reply = await ask(upstream, asking("What is the weather in Berlin?", "tools", wants=wants))
    assert "Berlin" in reply.text
    assert [step.kind for step in reply.steps] == ["call", "result", "call", "result", "recall"]
    assert [step.title for step in reply.steps[:2]] == ["weather.lookup", "weather.lookup"]
    assert reply.suggestions == ("And tomorrow?", "What about Paris?")
    assert (reply.usage is not None) == (personality == "coze")
    assert reply.chat_id.isdigit()
    assert reply.conversation_id.isdigit()


async def test_what_coze_is_told_of_a_turn() -> None:
    """CLIENTS §5 item 17: the user may have any name."""
    request = Request(
        messages=(say("user", "My name is Bob."), say("assistant", "Hello."), say("user", "Hi")),
        bot=BotName("memory"),
        user_id=UserId("bob/" * 125),
        custom_variables={"city": "Berlin"},
        parameters={"n": 1},
        meta_data={"from": "test"},
        extra_params={"latitude": "1"},
        shortcut_command={"command_id": "7"},
    )
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        await ask(upstream, request)
        await ask(upstream, msgspec.structs.replace(request, user_id=None, bot=BotName(f"bot-{BOTS[0].bot_id}")))
        first, second = coze.open_api.seen.chats
        assert [call.query for call in coze.open_api.seen.calls] == [{}, {}]
    assert (first.bot_id, first.stream, first.auto_save_history) == (BOTS[0].bot_id, True, True)
    assert [(each.role, each.type) for each in first.additional_messages or ()] == [
        ("user", "question"),
        ("assistant", "answer"),
        ("user", "question"),
    ]
    assert (first.custom_variables, first.parameters, first.meta_data) == (
        {"city": "Berlin"},
        {"n": 1},
        {"from": "test"},
    )
    assert (first.extra_params, first.shortcut_command) == ({"latitude": "1"}, {"command_id": "7"})
    assert len(str(first.user_id)) == 32
    assert "bob" not in str(first.user_id)
    assert second.bot_id == first.bot_id
    assert second.user_id != first.user_id


@PERSONALITIES
async def test_a_conversation_goes_on_by_its_id(personality: str) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        first = await ask(upstream, asking("My name is Ada.", "memory"))
        second = await ask(upstream, asking("What is my name?", "memory", conversation_id=first.conversation_id))
    assert second.conversation_id == first.conversation_id
    assert "Ada" in second.text


@PERSONALITIES
async def test_a_caller_that_leaves_closes_the_stream_and_stops_the_chat_before_the_next_turn(personality: str) -> None:
    """CLIENTS §5 item 7."""
    async with emulated(as_(personality, pace=20)) as coze, reached_openly(coze.base) as upstream:
        reply = await ask(upstream, asking("hello"))
        for _ in range(3):
            await leave_in_the_middle(
                upstream, asking("one two three four five six seven", conversation_id=reply.conversation_id)
            )
            again = await ask(upstream, asking("again", conversation_id=reply.conversation_id))
            assert (again.text, again.conversation_id) == ("again", reply.conversation_id)
        told = [_told(each) for each in coze.open_api.seen.order]
    left = [CHAT, "left", CANCEL, CHAT, "whole"]
    swapped = [CHAT, CANCEL, "left", CHAT, "whole"]
    assert told[:2] == [CHAT, "whole"]
    assert all(told[at : at + 5] in (left, swapped) for at in range(2, 17, 5)), told


def _told(seen: SeenCall | SeenEnd) -> str:
    return seen.path if isinstance(seen, SeenCall) else seen.how


async def test_a_new_conversation_is_waited_for_too() -> None:
    """Who was told its id may go on with it before the turn that began it is stopped."""
    async with emulated(as_("coze", pace=20)) as coze, reached_openly(coze.base) as upstream:
        sink = Gathered()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.converse, asking("one two three four five"), sink)
            await sink.until(lambda: bool(sink.text))
            tasks.cancel_scope.cancel()
            [started] = [event for event in sink.events if isinstance(event, TurnStarted)]
            with anyio.CancelScope(shield=True):
                reply = await ask(upstream, asking("again", conversation_id=started.conversation_id))
        assert (reply.text, reply.conversation_id) == ("again", started.conversation_id)
        paths = [call.path for call in coze.open_api.seen.calls]
    assert paths == [CHAT, CANCEL, CHAT]


async def test_a_stream_that_ended_too_soon_is_stopped_at_coze() -> None:
    async with emulated(as_("coze", pace=20)) as coze, reached_openly(coze.base, recovery_calls=0) as upstream:
        assert isinstance(await outcome(upstream, asking("one two three four [[fault eof after=2]]")), Truncated)
        assert coze.open_api.seen.count(CANCEL) == 1


async def test_what_one_turn_is_refused_those_that_wait_are_not_asked_for() -> None:
    wrong = Secret("pat_wrong")
    async with emulated() as coze, reached_openly(coze.base, token=wrong, max_turns=1) as upstream:
        found = await outcomes(upstream, [asking(f"turn {number}") for number in range(20)])
        assert all(isinstance(each, UpstreamDenied) for each in found)
        assert len(coze.open_api.seen.calls) == 1


async def test_one_that_leaves_before_the_chat_has_a_name_stops_nothing() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.converse, asking("hi [[fault stall]]"), Gathered())
            await coze.wire.until(lambda: coze.open_api.seen.count(CHAT) == 1)
            tasks.cancel_scope.cancel()
        assert coze.open_api.seen.count(CANCEL) == 0


async def test_turns_of_one_conversation_are_never_asked_at_once() -> None:
    async with emulated(as_("coze", pace=200)) as coze, reached_openly(coze.base) as upstream:
        first = await ask(upstream, asking("hello"))
        same = [asking(f"turn {n}", conversation_id=first.conversation_id) for n in range(5)]
        found = await outcomes(upstream, same)
        assert [each.text for each in found if isinstance(each, Reply)] == [f"turn {n}" for n in range(5)]
        assert len(coze.open_api.seen.chats) == 6
        too_many = await outcomes(upstream, [*same, *same])
    assert sum(isinstance(each, Busy) for each in too_many) == 5


async def test_a_conversation_that_is_busy_elsewhere_is_asked_again() -> None:
    async with (
        emulated(as_("coze", pace=10)) as coze,
        reached_openly(coze.base) as one,
        reached_openly(coze.base) as two,
    ):
        first = await ask(one, asking("hello"))
        sink = Gathered()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(one.converse, asking("a b c d e f", conversation_id=first.conversation_id), sink)
            await sink.until(lambda: bool(sink.text))
            reply = await ask(two, asking("me too", conversation_id=first.conversation_id))
        assert reply.text == "me too"
        assert coze.open_api.seen.count(CHAT) == 4


@pytest.mark.parametrize("mark", ["limit value=1", "code value=4009", "code value=4020", "code value=4013"])
async def test_what_was_not_executed_is_asked_once_more(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        assert isinstance(await outcome(upstream, asking(f"hello [[fault {mark}]]")), RealcozeError)
        assert coze.open_api.seen.count(CHAT) == 2


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("broken", UpstreamFailed),
        ("quota", QuotaExhausted),
        ("code value=4000", BadRequest),
        ("code value=4015", NotFound),
        ("limit value=60", RateLimited),
        ("eof", Truncated),
        ("eof after=2", Truncated),
        ("cut after=2", Truncated),
        ("reset after=2", Truncated),
        ("failed", UpstreamFailed),
        ("failed value=4013", UpstreamFailed),
        ("error after=2", UpstreamFailed),
        ("truncated after=2", UpstreamFailed),
        ("canceled", Truncated),
    ],
)
async def test_what_may_have_been_executed_is_asked_once(mark: str, kind: type[RealcozeError]) -> None:
    async with emulated() as coze, reached_openly(coze.base, recovery_calls=0) as upstream:
        found = await outcome(upstream, asking(f"one two three four [[fault {mark}]]"))
        assert type(found) is kind, found
        assert coze.open_api.seen.count(CHAT) == 1


async def test_retries_are_paid_from_a_budget() -> None:
    async with reached_openly("http://127.0.0.1:1") as upstream:
        while upstream._budget.take():
            pass
        with anyio.fail_after(PATIENCE_S), pytest.raises(UpstreamFailed) as caught:
            await upstream.converse(asking("hello"), Gathered())
    assert caught.value.code == "upstream_unreachable"


@pytest.mark.parametrize(("mark", "said"), [("silent", "nothing for"), ("deaf after=2", "nothing more for")])
async def test_a_turn_that_falls_silent_is_given_up(mark: str, said: str) -> None:
    deadlines = replace(QUICK_OPEN, first_event=0.1, idle=0.1)
    told: dict[str, Any] = {"deadlines": deadlines, "recovery_calls": 0}
    async with emulated() as coze, reached_openly(coze.base, **told) as upstream:
        found = await outcome(upstream, asking(f"one two three four [[fault {mark}]]"))
        assert isinstance(found, UpstreamTimeout)
        assert said in found.message
        assert coze.open_api.seen.count(CANCEL) == (1 if "deaf" in mark else 0)


async def test_an_end_that_is_not_marked_is_an_end_all_the_same() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        for mark in ("undone", "hasty", "abrupt", "ending value=empty", "ending value=plain"):
            assert (await ask(upstream, asking(f"hello [[fault {mark}]]"))).text == "hello", mark


async def test_a_sink_that_is_paused_is_not_late() -> None:
    deadlines = replace(QUICK_OPEN, idle=0.1)
    async with emulated(as_("coze", pace=50)) as coze, reached_openly(coze.base, deadlines=deadlines) as upstream:
        words = " ".join(f"w{number}" for number in range(40))
        sink = Gathered(lambda event: sink.flow.pause() if isinstance(event, TextDelta) else None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.converse, asking(words), sink)
            await sink.until(lambda: bool(sink.text))
            while not sink.ends:
                await ask(upstream, asking("time passes"))
                sink.flow.resume()
        assert sink.reply().text == words


async def test_a_refused_account_is_left_alone() -> None:
    async with emulated() as coze, reached_openly(coze.base, token=Secret("pat_wrong")) as upstream:
        for _ in range(3):
            found = await outcome(upstream, asking("hello"))
            assert isinstance(found, UpstreamDenied)
            assert found.code == "upstream_auth"
        assert len(coze.open_api.seen.calls) == 1
        assert "4100" in str(upstream.health()["refused"])


async def test_what_one_bot_is_refused_says_nothing_about_the_others() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        found = await outcome(upstream, asking("hello [[fault code value=4101]]"))
        assert isinstance(found, UpstreamDenied)
        assert (await ask(upstream, asking("hello"))).text == "hello"
        found = await outcome(upstream, asking("hello [[fault risk]]"))
        assert isinstance(found, UpstreamDenied)
        again = await outcome(upstream, asking("hello"))
        assert isinstance(again, UpstreamDenied)
        assert 0 < (again.retry_after_s or 0) <= 60


async def test_a_token_that_may_not_cancel_costs_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """See openapi-v3 §6.3, Scopes: a missing permission switches its feature off and never fails a turn."""
    async with emulated(as_("coze", pace=20)) as coze, reached_openly(coze.base) as upstream:

        async def refuse(*_: object) -> None:
            raise UpstreamDenied("Coze answered code 4101: cancelChat", code="upstream_forbidden", upstream_code=4101)

        monkeypatch.setattr(upstream.calls, "cancel", refuse)
        with caplog.at_level(logging.INFO, "realcoze.upstreams"):
            for _ in range(2):
                await leave_in_the_middle(upstream, asking("one two three four"))
        assert coze.open_api.seen.count(CANCEL) == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_private_bot_keeps_nothing_at_coze_and_is_neither_stopped_nor_asked_for() -> None:
    private = {BotName("echo"): replace(TARGETS[BotName("echo")], saves_history=False)}
    told: dict[str, Any] = {"bots": private, "saves_history": False}
    async with emulated(as_("coze", pace=20)) as coze, reached_openly(coze.base, **told) as upstream:
        for bot in ("echo", f"bot-{TARGETS[BotName('echo')].id}"):
            await leave_in_the_middle(upstream, asking("one two three four", bot))
        assert isinstance(await outcome(upstream, asking("one two three [[fault eof after=2]]")), Truncated)
        assert [chat.auto_save_history for chat in coze.open_api.seen.chats] == [False, False, False]
        assert {call.path for call in coze.open_api.seen.calls} == {CHAT}


@pytest.mark.parametrize("bot", ["nobody", "bot-", ""])
async def test_an_unknown_bot_costs_no_call(bot: str) -> None:
    async with emulated() as coze, reached_openly(coze.base, takes_any_bot=False) as upstream:
        for name in (bot, "bot-1"):
            with pytest.raises(NotFound):
                await upstream.converse(asking("hello", name), Gathered())
        assert not coze.open_api.seen.calls


async def test_what_is_over_a_limit_of_coze_costs_no_call() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        pairs = tuple(say(role, "x") for _ in range(51) for role in ("user", "assistant"))
        with pytest.raises(TooLarge, match="Coze takes 15000000"):
            await upstream.converse(asking("x" * 15_000_000), Gathered())
        for request in (
            Request(messages=(*pairs, say("user", "x")), bot=BotName("echo")),
            asking("hello", meta_data={str(n): "x" for n in range(17)}),
            asking("hello", tool_results=(ToolResult(call_id="1", output="x"),)),
        ):
            with pytest.raises(BadRequest):
                await upstream.converse(request, Gathered())
        assert not coze.open_api.seen.calls


@pytest.mark.parametrize("token", ["", "pat with spaces", "pat\n"])
async def test_a_token_that_no_header_can_carry_is_refused_at_the_start(token: str) -> None:
    with pytest.raises(Misconfigured, match="COZE_API_TOKEN"):
        async with open_coze(OpenSettings(token=Secret(token), bots={})):
            pytest.fail("opened")


async def test_an_answer_of_200_000_characters_arrives_whole() -> None:
    text = "".join(f"{number:09} " for number in range(20_000))
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        assert (await ask(upstream, asking(text))).text == text.strip()


async def test_one_event_of_a_mebibyte_arrives_whole(coze: Coze) -> None:
    """CLIENTS §5 item 3."""
    async with reached_openly(coze.base) as upstream:
        reply = await ask(upstream, asking(f"hi [[fault large value={1 << 20}]]"))
        assert len(reply.text) >= 1 << 20


async def test_a_thousand_turns_a_hundred_at_a_time_get_each_their_own() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        for batch in range(10):
            asked = [f"n-{batch}-{number} one two three n-{batch}-{number}" for number in range(100)]
            found = await outcomes(upstream, [asking(text) for text in asked])
            assert [each.text if isinstance(each, Reply) else each for each in found] == asked
        assert len(coze.open_api.seen.chats) == 1000
        assert coze.open_api.seen.open_streams == 0


async def test_a_conversation_id_of_one_who_does_not_have_it() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        found = await outcome(upstream, asking("hello", conversation_id=ConversationId("123")))
    assert isinstance(found, NotFound)


async def test_published_bots_are_told_and_reached_by_their_ids_from_then_on() -> None:
    echo = next(bot for bot in BOTS if bot.name == "echo")
    by_id = asking("Hello", f"bot-{echo.bot_id}")
    async with emulated(as_("coze")) as coze, reached_openly(coze.base, bots={}, takes_any_bot=False) as upstream:
        with pytest.raises(NotFound):
            await ask(upstream, by_id)
        assert await upstream.published() == tuple(Published(id=bot.bot_id, name=bot.name) for bot in BOTS)
        assert (await ask(upstream, by_id)).text == "Hello"
        with pytest.raises(NotFound):
            await ask(upstream, asking("Hello", "bot-1"))


async def test_an_account_that_was_refused_is_not_asked_for_its_bots() -> None:
    async with emulated(as_("coze")) as coze, reached_openly(coze.base, token=Secret("pat_wrong")) as upstream:
        for _ in range(2):
            with pytest.raises(UpstreamDenied):
                await upstream.published()
        assert [call.path for call in coze.open_api.seen.calls] == ["/v1/workspaces"]


class Halting(asyncio.Protocol):
    """A Coze that says the beginning of an answer, and the rest when it is told to, though the loop stands still."""

    BEGINNING = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        b'event:conversation.chat.created\ndata:{"id":"1","conversation_id":"2"}\n\n'
        b'event:conversation.message.delta\ndata:{"id":"3","type":"answer","content":"ab"}\n\n'
    )
    REST = (
        b'event:conversation.message.completed\ndata:{"id":"3","type":"answer","content":"abcd"}\n\n'
        b'event:conversation.chat.completed\ndata:{"id":"1","status":"completed"}\n\nevent:done\ndata:"[DONE]"\n\n'
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self.BEGINNING)

    def go_on(self) -> None:
        os.write(self._transport.get_extra_info("socket").fileno(), self.REST)

    def end(self) -> None:
        self._transport.close()


async def test_what_arrived_while_we_stood_still_counts_before_the_deadline() -> None:
    loop, coze, idle_s = asyncio.get_running_loop(), Halting(), 0.05

    def stand_still(event: Event) -> None:
        if isinstance(event, TextDelta) and event.text == "ab":
            coze.go_on()
            begun = time.monotonic()
            while time.monotonic() < begun + 2 * idle_s:
                """The rest is in the socket, and the deadline goes by."""
        if isinstance(event, TextDelta) and event.text == "cd":
            coze.end()

    server = await loop.create_server(lambda: coze, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    deadlines = replace(QUICK_OPEN, idle=idle_s)
    gathered = Gathered(stand_still)
    async with reached_openly(base, deadlines=deadlines, recovery_calls=0) as upstream:
        await upstream.converse(asking("Hello"), gathered)
    server.close()
    await server.wait_closed()
    assert gathered.reply().text == "abcd"
