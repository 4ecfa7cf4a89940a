from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby, islice
from typing import Any

import anyio
import msgspec
import pytest

from realcoze.domain.event import TextDelta, ToolCallsRequested
from realcoze.domain.fold import Reply
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.emulator.open_api.settings import OpenSettings as EmulatorSettings
from realcoze.emulator.open_api.settings import Personality, SeenEnd
from realcoze.errors import Truncated, UpstreamFailed, UpstreamTimeout
from realcoze.upstreams.coze_open.recovery import _waits
from realcoze.upstreams.coze_open.upstream import CozeOpen
from servers import QUICK_OPEN, Coze, Gathered, ask, asking, emulated, outcome, reached_openly, soon

pytestmark = pytest.mark.usefixtures("nothing_left")

CHAT, CANCEL = "/v3/chat", "/v3/chat/cancel"
RETRIEVE, LIST = "/v3/chat/retrieve", "/v3/chat/message/list"
AT_ONCE = replace(QUICK_OPEN, recovery=0.001)
SAID = "one two three four five six"
EVERYTHING = Wants(steps=True, suggestions=True, usage=True)
PERSONALITIES = pytest.mark.parametrize("personality", ["coze", "studio"])


def as_(personality: Personality, **settings: Any) -> EmulatorSettings:
    return EmulatorSettings(personality=personality, **{"pace": 0.0, **settings})


def paths(coze: Coze) -> list[str]:
    return [call.path for call in coze.open_api.seen.calls]


async def test_coze_is_asked_at_one_two_four_and_eight_times_the_first_wait() -> None:
    assert list(islice(accumulate(_waits(1.0)), 7)) == [1, 2, 4, 8, 16, 32, 64]


@PERSONALITIES
@pytest.mark.parametrize("how", ["eof", "torn", "cut", "reset", "deaf", "half"])
async def test_a_stream_that_breaks_off_is_ended_with_what_coze_tells(personality: Personality, how: str) -> None:
    deadlines = replace(QUICK_OPEN, idle=0.1)
    async with emulated(as_(personality)) as coze, reached_openly(coze.base, deadlines=deadlines) as upstream:
        for after in range(6):
            sink = Gathered()
            with anyio.fail_after(10):
                await upstream.converse(asking(f"{SAID} [[fault {how} after={after}]]"), sink)
            assert sink.reply().text == SAID
            assert "".join(event.text for event in sink.events if isinstance(event, TextDelta)) == SAID
        # A busy machine may not have ended the chat when it is first asked for: then it is asked again.
        assert [path for path, _ in groupby(paths(coze))] == [CHAT, RETRIEVE, LIST] * 6


@PERSONALITIES
async def test_cut_at_every_byte_the_answer_is_whole_once_coze_has_named_the_chat(personality: Personality) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base, deadlines=AT_ONCE) as upstream:
        sizes, expected = await told(coze, upstream, asking("上海 ok"))
        cuts = range(sizes[0], sum(sizes))
        assert len(cuts) > 1_000
        await cut_and_compare(coze, upstream, asking("上海 ok"), cuts, expected)


@PERSONALITIES
async def test_cut_after_each_of_its_events_a_turn_loses_nothing(personality: Personality) -> None:
    """Neither its steps nor its suggestions."""
    for bot, question in (("tools", "上海的天气怎么样？"), ("memory", "我叫什么？")):
        async with emulated(as_(personality)) as coze, reached_openly(coze.base, deadlines=AT_ONCE) as upstream:
            request = asking(question, bot, wants=EVERYTHING)
            sizes, expected = await told(coze, upstream, request)
            await cut_and_compare(coze, upstream, request, [*accumulate(sizes)][:-1], expected)


async def told(coze: Coze, upstream: CozeOpen, request: Request) -> tuple[list[int], Reply]:
    """The sizes of the events of a stream that is whole, in bytes, and what it tells."""
    reply = await ask(upstream, request)
    return [note.size for note in coze.wire.notes if note.kind == "event"], reply


async def cut_and_compare(
    coze: Coze, upstream: CozeOpen, request: Request, cuts: Sequence[int], expected: Reply
) -> None:
    """Each cut gives the same reply, to who can only append as well; ten run beside each other."""
    places, calls = iter(cuts), len(coze.open_api.seen.calls)
    question = request.messages[-1].text

    async def cut() -> None:
        for place in places:
            sink = Gathered()
            marked = say("user", f"{question} [[fault eof value={place}]]")
            await upstream.converse(msgspec.structs.replace(request, messages=(marked,)), sink)
            reply = sink.reply()
            text = "".join(event.text for event in sink.events if isinstance(event, TextDelta))
            assert text == reply.text == expected.text, place
            assert (reply.steps, reply.suggestions) == (expected.steps, expected.suggestions), place

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(cut)
    assert len(coze.open_api.seen.calls) - calls <= (1 + 8) * len(cuts), "the calls are within the budget"


@PERSONALITIES
async def test_a_chat_that_goes_on_is_asked_for_until_it_has_ended(personality: Personality) -> None:
    deadlines = replace(QUICK_OPEN, recovery=0.05)
    async with (
        emulated(as_(personality, pace=20)) as coze,
        reached_openly(coze.base, deadlines=deadlines) as upstream,
    ):
        reply = await ask(upstream, asking(f"{SAID} [[fault eof after=1]]"))
        assert reply.text == SAID
        retrieved = paths(coze).count(RETRIEVE)
        assert 2 <= retrieved <= 7
        assert paths(coze) == [CHAT, *[RETRIEVE] * retrieved, LIST]
        again = await ask(upstream, asking("again", conversation_id=reply.conversation_id))
        assert again.text == "again"


@pytest.mark.parametrize("most", [2, 3, 8])
async def test_a_chat_that_never_ends_costs_no_more_calls_than_may_be_and_is_stopped(most: int) -> None:
    told: dict[str, Any] = {"deadlines": replace(QUICK_OPEN, idle=0.1), "recovery_calls": most}
    async with emulated() as coze, reached_openly(coze.base, **told) as upstream:
        stuck = await outcome(upstream, asking(f"{SAID} [[fault stuck after=2]]"))
        assert isinstance(stuck, UpstreamTimeout)
        assert "asked for the rest" in str(stuck.hint)
        assert paths(coze) == [CHAT, *[RETRIEVE] * (most - 1), CANCEL]


@pytest.mark.parametrize("most", [0, 1])
async def test_without_calls_to_spend_nothing_is_asked(most: int) -> None:
    async with emulated() as coze, reached_openly(coze.base, recovery_calls=most) as upstream:
        assert isinstance(await outcome(upstream, asking(f"{SAID} [[fault eof after=2]]")), Truncated)
        assert RETRIEVE not in paths(coze)


async def test_before_coze_has_named_the_chat_there_is_nothing_to_ask_for() -> None:
    deadlines = replace(QUICK_OPEN, first_event=0.1)
    async with emulated() as coze, reached_openly(coze.base, deadlines=deadlines) as upstream:
        assert isinstance(await outcome(upstream, asking(f"{SAID} [[fault silent]]")), UpstreamTimeout)
        assert paths(coze) == [CHAT]


@PERSONALITIES
@pytest.mark.parametrize("mark", ["error after=2", "failed after=2", "truncated after=2"])
async def test_a_chat_that_coze_has_said_an_error_of_is_never_asked_for(personality: Personality, mark: str) -> None:
    async with emulated(as_(personality)) as coze, reached_openly(coze.base) as upstream:
        assert isinstance(await outcome(upstream, asking(f"{SAID} [[fault {mark}]]")), UpstreamFailed)
        assert RETRIEVE not in paths(coze)


async def test_a_chat_that_waits_for_a_tool_is_recovered_as_one() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        sink = Gathered()
        request = asking("remind me to call Ada at 18:00 [[fault eof value=600]]", "secretary")
        with anyio.fail_after(10):
            await upstream.converse(request, sink)
        [end] = sink.ends
        assert isinstance(end, ToolCallsRequested)
        assert end.calls
        assert paths(coze) == [CHAT, RETRIEVE, LIST]


async def test_a_caller_that_leaves_meanwhile_stops_the_chat() -> None:
    deadlines = replace(QUICK_OPEN, recovery=30)
    async with emulated(as_("coze", pace=10)) as coze, reached_openly(coze.base, deadlines=deadlines) as upstream:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(upstream.converse, asking(f"{SAID} [[fault eof after=1]]"), Gathered())
            await soon(lambda: any(isinstance(each, SeenEnd) for each in coze.open_api.seen.order))
            tasks.cancel_scope.cancel()
        assert paths(coze)[-1] == CANCEL


async def test_a_refusal_of_the_question_ends_it_at_once() -> None:
    forbidden = frozenset({RETRIEVE})
    async with emulated(as_("coze", forbidden=forbidden)) as coze, reached_openly(coze.base) as upstream:
        assert isinstance(await outcome(upstream, asking(f"{SAID} [[fault eof after=2]]")), Truncated)
        assert paths(coze) == [CHAT, RETRIEVE, CANCEL]


async def test_a_chat_that_is_gone_is_asked_for_once_and_not_stopped() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        sink = Gathered(lambda event: coze.open_api.state.chats.clear() if isinstance(event, TextDelta) else None)
        with pytest.raises(Truncated), anyio.fail_after(10):
            await upstream.converse(asking(f"{SAID} [[fault eof after=2]]"), sink)
        assert paths(coze) == [CHAT, RETRIEVE]


async def test_one_failed_question_is_followed_by_the_next() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        sink = Gathered(lambda event: coze.open_api.refuse_next(5000) if isinstance(event, TextDelta) else None)
        with anyio.fail_after(10):
            await upstream.converse(asking(f"{SAID} [[fault eof after=1]]"), sink)
        assert sink.reply().text == SAID
        assert paths(coze)[:3] == [CHAT, RETRIEVE, RETRIEVE]


async def test_the_history_of_a_recovered_turn_is_coze_s() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        first = await ask(upstream, asking("My name is Ada. [[fault eof after=2]]", "memory"))
        second = await ask(upstream, asking("What is my name?", "memory", conversation_id=first.conversation_id))
    assert "Ada" in second.text
