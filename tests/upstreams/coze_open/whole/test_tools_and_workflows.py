"""Turns that wait for something, workflows and chatflows, against the emulated Coze."""

import logging
from dataclasses import replace
from typing import Any

import anyio
import msgspec
import pytest

from realcoze.domain.event import InputRequested, Step, TurnStarted
from realcoze.domain.fold import Reply
from realcoze.domain.ids import CHATFLOW, WORKFLOW, BotName, ChatId, ConversationId
from realcoze.domain.message import Message
from realcoze.domain.request import Request, Resume, Wants
from realcoze.domain.tool import ToolResult
from realcoze.emulator.account import CHATFLOW as GUIDE
from realcoze.emulator.account import WORKFLOWS
from realcoze.emulator.open_api.settings import OpenSettings as EmulatorSettings
from realcoze.emulator.open_api.settings import Personality
from realcoze.errors import BadRequest, NotFound, Truncated, UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.upstreams.coze_open.settings import Target
from realcoze.upstreams.coze_open.upstream import CozeOpen
from realcoze.upstreams.credentials import Secret
from servers import QUICK_OPEN, TARGETS, Gathered, ask, asking, emulated, outcome, outcomes, reached_openly

pytestmark = pytest.mark.usefixtures("nothing_left")

PERSONALITIES = pytest.mark.parametrize("personality", ["coze", "studio"])
IDS = {each.name: f"{WORKFLOW}{each.workflow_id}" for each in WORKFLOWS}
GUIDED = f"{CHATFLOW}{GUIDE.workflow_id}"
SUBMIT = "/v3/chat/submit_tool_outputs"


def as_(personality: Personality, **settings: Any) -> EmulatorSettings:
    return EmulatorSettings(personality=personality, **{"pace": 0.0, **settings})


def handing_in(reply: Reply, *outputs: str, bot: str = "secretary") -> Request:
    """The results of all tools that a turn asked for."""
    results = tuple(
        ToolResult(call_id=call.call_id, output=output) for call, output in zip(reply.tool_calls, outputs, strict=True)
    )
    named: dict[str, Any] = {"conversation_id": reply.conversation_id, "chat_id": reply.chat_id}
    return Request(messages=(), bot=BotName(bot), tool_results=results, **named)


def answering(reply: Reply, answer: str, bot: str) -> Request:
    """The next turn of a user who was asked something."""
    assert reply.interrupt is not None
    resume = Resume(event_id=reply.interrupt.event_id, kind=reply.interrupt.kind)
    named: dict[str, Any] = {"conversation_id": reply.conversation_id or None, "chat_id": reply.chat_id or None}
    return asking(answer, bot, resume=resume, **named)


async def test_a_tool_of_the_caller_is_asked_for_run_and_told_of_in_the_same_chat() -> None:
    """CLIENTS §5 item 9."""
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        asked = await ask(upstream, asking("Remind me at 18:00 to call Ada", "secretary"))
        [call] = asked.tool_calls
        assert (call.name, "18:00" in call.arguments) == ("add_reminder", True)
        told = await ask(upstream, handing_in(asked, "reminder 7 is set"))
        assert told.text == "The tool says: reminder 7 is set"
        assert (told.chat_id, told.conversation_id) == (asked.chat_id, asked.conversation_id)
        more = await ask(upstream, asking("thank you", "secretary", conversation_id=asked.conversation_id))
        assert more.text
        assert coze.open_api.seen.count("/v3/chat/cancel") == 0


async def test_several_tools_are_answered_with_one_request() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        asked = await ask(upstream, asking("Weather and a reminder at 9 am, please", "secretary"))
        assert [call.name for call in asked.tool_calls] == ["add_reminder", "get_weather"]
        told = await ask(upstream, handing_in(asked, "set", "21 °C"))
        assert told.text == "The tool says: set; 21 °C"
        assert coze.open_api.seen.count(SUBMIT) == 1


async def test_results_are_taken_once_and_of_all_tools_only() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        asked = await ask(upstream, asking("Weather and a reminder at 9 am, please", "secretary"))
        both = handing_in(asked, "set", "21 °C")
        with pytest.raises(BadRequest):
            await upstream.converse(msgspec.structs.replace(both, tool_results=both.tool_results[:1]), Gathered())
        assert (await ask(upstream, both)).text
        with pytest.raises(BadRequest):
            await upstream.converse(both, Gathered())


async def test_a_stream_of_the_rest_that_breaks_off_is_recovered_without_what_was_told_before() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        asked = await ask(upstream, asking("Ask me something", "secretary"))
        assert asked.text == "What shall I call you?"
        told = await ask(upstream, answering(asked, "Captain of the sea [[fault eof after=2]]", "secretary"))
        assert told.text == "You said: Captain of the sea"
        assert coze.open_api.seen.count("/v3/chat/message/list") == 1


async def test_where_nobody_knows_what_was_told_before_nothing_is_told_twice() -> None:
    async with emulated() as coze:
        async with reached_openly(coze.base) as upstream:
            asked = await ask(upstream, asking("Ask me something", "secretary"))
        async with reached_openly(coze.base) as another:
            found = await outcome(another, answering(asked, "Captain [[fault eof after=2]]", "secretary"))
        assert isinstance(found, Truncated)


async def test_studio_has_no_call_for_results() -> None:
    async with emulated(as_("studio")) as coze, reached_openly(coze.base) as upstream:
        results = (ToolResult(call_id="1", output="x"),)
        request = Request(messages=(), bot=BotName("echo"), tool_results=results)
        named: dict[str, Any] = {"conversation_id": ConversationId("1"), "chat_id": ChatId("2")}
        found = await outcome(upstream, msgspec.structs.replace(request, **named))
        assert isinstance(found, NotFound)


async def test_a_question_of_a_bots_workflow_is_answered_in_words() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        asked = await ask(upstream, asking("Ask me something", "secretary"))
        assert asked.interrupt is not None
        assert asked.interrupt.kind == "reply_message"
        told = await ask(upstream, answering(asked, "Captain", "secretary"))
        assert told.text == "You said: Captain"


@PERSONALITIES
async def test_a_workflow_tells_node_by_node(personality: Personality) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        sink = Gathered()
        with anyio.fail_after(10):
            await upstream.converse(asking("the sea", IDS["poem"], wants=Wants(steps=True)), sink)
        reply = sink.reply()
        assert [step.title for step in reply.steps] == ["Title", "Verses"]
        assert reply.text.startswith("About the sea\n\nOf the sea I sing,")
        assert isinstance(sink.events[0], TurnStarted)
        assert isinstance(sink.events[1], Step)
        assert reply.usage is not None


async def test_what_a_workflow_is_given() -> None:
    named = {BotName("poet"): Target(id=WORKFLOWS[0].workflow_id, kind="workflow", input_name="topic", bot_id="1")}
    async with emulated() as coze, reached_openly(coze.base, bots=named) as upstream:
        await ask(upstream, asking("the sea", "poet", parameters={"style": "short"}))
        await ask(upstream, asking('{"input": "the moon"}', IDS["poem"]))
        first, second = coze.open_api.seen.runs
        assert (first.parameters, first.bot_id) == ({"topic": "the sea", "style": "short"}, "1")
        assert second.parameters == {"input": "the moon"}


async def test_a_workflow_is_shown_files() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        part = await upstream.upload(b"plain text", "notes.txt", BotName("echo"))
        reply = await ask(upstream, Request(messages=(Message(role="user", parts=(part,)),), bot=BotName(IDS["files"])))
        assert "10 bytes" in reply.text


@PERSONALITIES
async def test_a_workflow_asks_and_goes_on_with_each_answer(personality: Personality) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        reply = await ask(upstream, asking("begin", IDS["quiz"]))
        for answer in ("Jupiter", "7"):
            assert reply.interrupt is not None
            assert reply.interrupt.kind == "question"
            assert reply.text.endswith("?")
            reply = await ask(upstream, answering(reply, answer, IDS["quiz"]))
        assert reply.interrupt is None
        assert reply.text.startswith("1 of 2 answers are right.")


async def test_a_workflow_that_wants_a_form_says_what_stands_in_it() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        reply = await ask(upstream, asking("begin", IDS["form"]))
        assert reply.interrupt is not None
        assert reply.interrupt.kind == "input"
        assert "guests" in str(reply.interrupt.data)
        told = await ask(upstream, answering(reply, '{"name": "Ada", "guests": 2}', IDS["form"]))
        assert told.text.startswith("Booked for Ada, with 2 guests.")


async def test_z6_an_answer_to_no_question_is_refused() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        found = await outcome(upstream, asking("Jupiter", IDS["quiz"], resume=Resume(event_id="1/2", kind="question")))
        assert isinstance(found, BadRequest | NotFound | UpstreamFailed)


@PERSONALITIES
async def test_z7_a_workflow_that_fails_says_so_and_where_to_look_only_in_the_log(
    personality: Personality, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "realcoze.upstreams")
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        sink = Gathered()
        with pytest.raises(UpstreamFailed) as caught, anyio.fail_after(10):
            await upstream.converse(asking("begin", IDS["broken"]), sink)
        assert "division by zero" in caught.value.message
        assert sink.text.startswith("So far all is well.")
        assert "work_flow?" not in f"{caught.value.message}{caught.value.hint}"
    assert "work_flow?" in caplog.text


async def test_a_workflow_may_be_silent_for_longer_than_a_chat_while_it_shows_that_it_lives() -> None:
    quick = replace(QUICK_OPEN, idle=0.05, workflow_idle=0.2)
    beating = EmulatorSettings(pace=0, beats=4, beat_s=0.1)
    async with emulated(beating) as coze, reached_openly(coze.base, deadlines=quick) as upstream:
        assert (await ask(upstream, asking("x", IDS["quiet"]))).text.startswith("There.")
    silent = EmulatorSettings(pace=0, beats=1, beat_s=1.0)
    async with emulated(silent) as coze, reached_openly(coze.base, deadlines=quick) as upstream:
        assert isinstance(await outcome(upstream, asking("x", IDS["quiet"])), UpstreamTimeout)


@pytest.mark.parametrize("mark", ["eof after=1", "cut after=2", "reset after=1", "torn after=1"])
async def test_a_workflow_whose_stream_breaks_off_is_neither_whole_nor_asked_for_again(mark: str) -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        found = await outcome(upstream, asking(f"the sea [[fault {mark}]]", IDS["poem"]))
        assert isinstance(found, Truncated)
        assert [call.path for call in coze.open_api.seen.calls] == ["/v1/workflow/stream_run"]


@PERSONALITIES
async def test_a_chatflow_is_talked_with_and_keeps_its_conversation(personality: Personality) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        first = await ask(upstream, asking("left or right?", GUIDED))
        assert "left or right?" in first.text
        second = await ask(upstream, asking("and now?", GUIDED, conversation_id=first.conversation_id))
        assert "You have told me 2 things." in second.text


@PERSONALITIES
async def test_a_chatflow_that_asks_goes_on_with_the_answer(personality: Personality) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        begun = asking("please ask me", GUIDED)
        sink = Gathered()
        with anyio.fail_after(10):
            await upstream.converse(begun, sink)
        assert isinstance(sink.events[-1], InputRequested)
        reply = sink.reply()
        assert reply.text == "Where would you like to go?"
        assert (await ask(upstream, answering(reply, "To Lima", GUIDED))).text == "You said: To Lima"


class Renewing:
    """Tokens of which only the newest is good (the port `Tokens`)."""

    def __init__(self, *tokens: str) -> None:
        self.left = [Secret(token) for token in tokens]

    async def current(self) -> Secret:
        return self.left[0]

    def refuse(self, token: Secret) -> bool:
        if self.left[0] is token and len(self.left) > 1:
            self.left.pop(0)
            return True
        return self.left[0] is not token


def with_tokens(upstream: CozeOpen, *tokens: str) -> None:
    upstream.calls.tokens = Renewing(*tokens)


async def test_a_turn_whose_token_has_died_is_asked_for_once_more_with_another() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        with_tokens(upstream, "pat_dead", coze.open_api.settings.token)
        found = await outcomes(upstream, [asking(f"turn {number}") for number in range(20)])
        assert [each.text for each in found if isinstance(each, Reply)] == [f"turn {number}" for number in range(20)]


async def test_a_call_that_is_no_turn_is_made_once_more_with_another_token() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        with_tokens(upstream, "pat_dead", coze.open_api.settings.token)
        assert (await upstream.calls.me()).user_name
        with_tokens(upstream, "pat_dead", "pat_dead_too")
        with pytest.raises(UpstreamDenied):
            await upstream.calls.me()


async def test_a_token_that_stays_refused_costs_two_calls() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        with_tokens(upstream, "pat_dead", "pat_dead_too")
        assert isinstance(await outcome(upstream, asking("hello")), UpstreamDenied)
        assert len(coze.open_api.seen.calls) == 2


async def test_tools_of_a_private_bot_cost_no_call() -> None:
    private = {BotName("secretary"): replace(TARGETS[BotName("secretary")], saves_history=False)}
    async with emulated() as coze, reached_openly(coze.base, bots=private) as upstream:
        asked = Reply(text="", conversation_id=ConversationId("1"))
        request = msgspec.structs.replace(handing_in(asked), tool_results=(ToolResult(call_id="1", output="x"),))
        with pytest.raises(BadRequest, match="private"):
            await upstream.converse(request, Gathered())
        assert not coze.open_api.seen.calls
