"""Rounds over a bot at the port `Chats` that wants tools as often as a test says."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

import realcoze
from native_server import Bot, Turn
from realcoze.domain.event import Event, TextDelta, ToolCallsRequested, TurnDone, TurnFailed, TurnStarted, Usage
from realcoze.domain.fold import Fold
from realcoze.domain.ids import BotName, ConversationId, UserId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import BadRequest, UpstreamFailed
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from realcoze.rounds import MOST_ROUNDS, say_with_tools
from realcoze.toolbox import Toolbox
from servers import PATIENCE_S, soon

pytestmark = pytest.mark.usefixtures("nothing_left")

QUESTION = Request(
    messages=(say("user", "What time is it?"),),
    bot=BotName("bot"),
    user_id=UserId("ada"),
    parameters={"a": 1},
    wants=Wants(steps=True),
)


def clock(zone: str = "here") -> str:
    return f"noon {zone}"


def wanting(rounds: int) -> Bot:
    """A bot that wants the tool `clock` twice in each of so many rounds, and then answers."""

    async def script(turn: Turn) -> None:
        number = len(bot.turns)
        turn.start()
        if number <= rounds:
            turn.say(f"{number}. ")
            turn.feed(ToolCallsRequested(calls=(called(f"{number}a"), called(f"{number}b", '{"zone": "there"}'))))
        else:
            turn.say("; ".join(result.output for result in turn.request.tool_results))
            turn.done()

    bot = Bot(script)
    return bot


def used(question: int, answer: int) -> Usage:
    return Usage(input=question, output=answer, total=question + answer)


def called(call_id: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(call_id=call_id, name="clock", arguments=arguments)


async def events(bot: Bot, *functions: Callable[..., Any], request: Request = QUESTION) -> list[Event]:
    gateway = Gateway(Routes({BotName("bot"): bot}))
    with anyio.fail_after(PATIENCE_S):
        async with say_with_tools(gateway, request, Toolbox(functions)) as turn:
            return [event async for event in turn]


async def test_all_calls_of_a_round_are_answered_in_one_request_and_the_turn_goes_on() -> None:
    bot = wanting(1)
    seen = await events(bot, clock)
    assert [type(event) for event in seen] == [TurnStarted, TextDelta, ToolCallsRequested, TextDelta, TurnDone]
    assert isinstance(seen[3], TextDelta)
    assert seen[3].text == "noon here; noon there"
    first, second = (turn.request for turn in bot.turns)
    assert first == QUESTION
    assert second == Request(
        messages=(),
        bot=BotName("bot"),
        user_id=UserId("ada"),
        conversation_id=second.conversation_id,
        chat_id=second.chat_id,
        tool_results=(
            ToolResult(call_id="1a", output="noon here"),
            ToolResult(call_id="1b", output="noon there"),
        ),
        wants=Wants(steps=True),
    )
    assert (second.conversation_id, second.chat_id) == ("conversation-1", "chat-1")


async def test_a_bot_that_wants_no_tool_is_asked_once() -> None:
    bot = wanting(0)
    assert [type(event) for event in await events(bot, clock)] == [TurnStarted, TextDelta, TurnDone]
    assert len(bot.turns) == 1


async def test_a_bot_that_wants_tools_for_ever_ends_with_what_it_wants() -> None:
    bot = wanting(MOST_ROUNDS + 10)
    seen = await events(bot, clock)
    assert len(bot.turns) == MOST_ROUNDS + 1
    assert isinstance(seen[-1], ToolCallsRequested)
    assert sum(isinstance(event, TurnStarted) for event in seen) == 1


async def test_a_round_that_fails_ends_the_turn() -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        if turn.request.tool_results:
            raise UpstreamFailed("No.")
        turn.feed(ToolCallsRequested(calls=(called("1"),)))

    seen = await events(Bot(script), clock)
    assert isinstance(seen[-1], TurnFailed)


async def test_a_wish_for_no_tool_at_all_ends_the_turn() -> None:
    async def script(turn: Turn) -> None:
        turn.feed(ToolCallsRequested(calls=()))

    assert await events(Bot(script), clock) == [ToolCallsRequested(calls=())]


async def test_without_a_start_the_ids_are_those_that_were_asked_with() -> None:
    async def script(turn: Turn) -> None:
        if turn.request.tool_results:
            turn.done()
        else:
            turn.feed(ToolCallsRequested(calls=(called("1"),)))

    bot = Bot(script)
    await events(bot, clock, request=replace(QUESTION, conversation_id=ConversationId("8")))
    assert [turn.request.conversation_id for turn in bot.turns] == ["8", "8"]
    assert bot.turns[1].request.chat_id is None


async def test_the_usage_of_a_turn_is_that_of_all_its_rounds() -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        # Some upstreams count as they go; the last word of a round counts.
        turn.feed(used(1, 1), used(len(bot.turns), 10))
        if len(bot.turns) < 3:
            turn.feed(ToolCallsRequested(calls=(called("1"),)))
        else:
            turn.done()

    bot = Bot(script)
    fold = Fold()
    for event in await events(bot, clock):
        fold.feed(event)
    assert fold.finish().usage == used(6, 30)


async def test_leaving_while_a_tool_runs_stops_the_tool_and_asks_nothing_more() -> None:
    bot, has_begun, was_cancelled = wanting(1), anyio.Event(), anyio.Event()

    async def forever() -> None:
        has_begun.set()
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            was_cancelled.set()
            raise

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(events, bot, realcoze.tool("clock")(forever))
        with anyio.fail_after(PATIENCE_S):
            await has_begun.wait()
        tasks.cancel_scope.cancel()
    assert was_cancelled.is_set()
    assert len(bot.turns) == 1


async def test_what_a_tool_raises_on_purpose_comes_out_and_nothing_more_is_asked() -> None:
    def gives_up() -> None:
        raise BadRequest("Not today.")

    gives_up.__name__ = "clock"
    bot = wanting(1)
    with pytest.raises(BadRequest, match="Not today"):
        await events(bot, gives_up)
    assert len(bot.turns) == 1


async def test_leaving_stops_the_round_that_runs() -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        if turn.request.tool_results:
            turn.say("one")
            await turn.go.wait()
        turn.feed(ToolCallsRequested(calls=(called("1"),)))

    bot = Bot(script)
    gateway = Gateway(Routes({BotName("bot"): bot}))
    async with say_with_tools(gateway, QUESTION, Toolbox([clock])) as turn:
        async for event in turn:
            if isinstance(event, TextDelta):
                break
    await soon(lambda: bot.turns[1].is_cancelled)
    assert [event async for event in turn] == []
