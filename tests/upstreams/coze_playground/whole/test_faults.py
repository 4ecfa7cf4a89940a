"""Rows W1 to W9 of docs/faults.md: what can go wrong on the one websocket, and what must happen.

The emulator makes the faults, by a mark in the last message; the answers are the echo bot's, which says
exactly what it was told, so that each turn knows its own.
"""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from realcoze.dialects.coze_playground.push import Ext, Push, PushMessage, encode_push
from realcoze.domain.event import TextDelta
from realcoze.domain.fold import Reply
from realcoze.domain.request import Request, Wants
from realcoze.emulator.delivery import STRANGERS_TEXT, Send
from realcoze.emulator.fault import PUSH_FAULTS
from realcoze.errors import Overloaded, Truncated, UpstreamDenied, UpstreamTimeout
from realcoze.upstreams.coze_playground.settings import Deadlines, Heart
from realcoze.upstreams.coze_playground.upstream import Playground
from servers import LIVELY, Gathered, ask, asking, emulated, folders_of_one_device, outcome, outcomes, reached, soon

WORDS = "one two three four five six seven eight nine ten"
SHORT = Deadlines(first_event=1, idle=1, socket=0.2)
NEVER_AGAIN = Heart(backoff=1e6, backoff_max=1e6)

pytestmark = pytest.mark.usefixtures("nothing_left")


def _told(number: int, mark: str = "") -> Request:
    return asking(f"{number} {WORDS} {number} {mark}")


def _is_whole(result: Reply | Exception, number: int) -> bool:
    return isinstance(result, Reply) and result.text == f"{number} {WORDS} {number}"


def _broken(results: Sequence[Reply | Exception]) -> list[tuple[int, Reply | Exception]]:
    """Those that are not their own whole answer."""
    return [(number, result) for number, result in enumerate(results) if not _is_whole(result, number)]


async def test_w1_a_socket_that_is_closed_comes_back_and_its_turns_go_on(tmp_path: Path) -> None:
    async with emulated(pace=10) as coze, reached(coze, tmp_path) as playground:
        requests = [_told(0, "[[fault cut after=3]]"), *(_told(number) for number in range(1, 10))]
        results = await outcomes(playground, requests)
        assert coze.server.seen.cuts == 1
        assert coze.server.seen.sockets == 2
    assert _broken(results) == []


async def test_w1_a_short_answer_goes_on_too_when_it_is_paced(tmp_path: Path) -> None:
    """It would be over before anybody could be back."""
    async with emulated(pace=1000) as coze, reached(coze, tmp_path, deadlines=SHORT) as playground:
        assert (await ask(playground, asking("one two three [[fault cut]]"))).text == "one two three"
        assert (coze.server.seen.cuts, len(coze.server.seen.lost)) == (1, 1)


async def test_w1_a_turn_whose_last_push_fell_into_the_gap_is_called_push_lost(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, deadlines=SHORT) as playground:
        await ask(playground, asking("warm"))
        sink = Gathered()
        with pytest.raises(Truncated) as caught:
            await playground.converse(_told(0, "[[fault cut after=999]]"), sink)
        assert caught.value.code == "push_lost"
        assert sink.ends == []
        assert sink.text == f"0 {WORDS} 0"  # all of it came, and still it was not called whole
        assert list(coze.server.seen.lost) == [coze.server.seen.executions[-1].push_uuid]
        assert (await ask(playground, asking("and the next one"))).text == "and the next one"


async def test_w1_new_turns_wait_for_a_lost_socket_and_then_get_a_503(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, deadlines=SHORT, heart=NEVER_AGAIN) as playground:
        assert isinstance(await outcome(playground, asking("x [[fault cut after=999]]")), Truncated)
        assert playground.socket.state == "waiting"
        called = len(coze.server.seen.executions)
        with pytest.raises(Overloaded) as caught:
            await ask(playground, asking("is anybody there?"))
        assert caught.value.code == "socket_unavailable"
        assert caught.value.retryable
        assert len(coze.server.seen.executions) == called
        assert playground.health() == {"socket": "waiting", "turns": 0}


async def test_w1_new_turns_that_wait_go_on_when_the_socket_is_back(tmp_path: Path) -> None:
    slowly = Heart(backoff=0.2, backoff_max=0.2)
    async with emulated() as coze, reached(coze, tmp_path, heart=slowly) as playground:
        await ask(playground, asking("warm"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome, playground, asking("x [[fault cut after=1]]"))
            await soon(lambda: playground.socket.state == "waiting")
            results = await outcomes(playground, [_told(number) for number in range(10)])
            tasks.cancel_scope.cancel()
        assert _broken(results) == []


async def test_w2_a_half_open_socket_is_noticed_by_its_silence(tmp_path: Path) -> None:
    heart = Heart(beat=0.05, silence=0.3, backoff=0.01, backoff_max=0.05)
    long = " ".join(f"word{number}" for number in range(40))
    async with emulated(pace=40) as coze, reached(coze, tmp_path, heart=heart) as playground:
        reply = await ask(playground, asking(f"{long} [[fault deaf after=2]]"))
        assert reply.text == long
        assert coze.server.seen.sockets >= 2
        assert coze.server.seen.cuts == 0


async def test_w2_a_socket_that_echoes_is_not_silent(tmp_path: Path) -> None:
    heart = Heart(beat=0.02, silence=1)
    async with emulated() as coze, reached(coze, tmp_path, heart=heart) as playground:
        await ask(playground, asking("warm"))
        await coze.wire.until_count("heartbeat", 60)
        assert coze.server.seen.sockets == 1


async def test_w3_a_push_of_somebody_else_is_dropped(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        results = await outcomes(playground, [_told(number, "[[fault stranger after=3]]") for number in range(10)])
        assert _broken(results) == []
        assert STRANGERS_TEXT not in str(results)
        assert playground.socket.strays == 10


async def test_w3_a_push_for_a_finished_turn_is_dropped(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        sink = Gathered()
        await playground.converse(_told(0, "[[fault late]]"), sink)
        number, strays = len(sink.events), playground.socket.strays
        execution = coze.server.seen.executions[-1]
        more = PushMessage(content="more", reply_type=1, ext=Ext(push_uuid=execution.push_uuid, is_finish="1"))
        await coze.server._push(execution, Send(encode_push(Push(event_type=1, message=more))))
        assert (await ask(playground, _told(1))).text.startswith("1 ")
        assert playground.socket.strays >= strays + 1
        assert len(sink.events) == number


async def test_w3_a_hundred_turns_at_once_get_each_their_own(tmp_path: Path) -> None:
    async with emulated(pace=200, frame_form="mixed") as coze, reached(coze, tmp_path) as playground:
        results = await outcomes(playground, [_told(number, "[[fault stranger after=2]]") for number in range(100)])
    assert _broken(results) == []


async def test_w3_two_programs_with_one_device_do_not_read_each_others_answers(tmp_path: Path) -> None:
    """Coze pushes to every socket of a device; only the push_uuid tells whose an answer is."""
    folders = folders_of_one_device(tmp_path)
    async with emulated() as coze, reached(coze, folders[0]) as first, reached(coze, folders[1]) as second:
        await ask(first, asking("warm"))
        await ask(second, asking("warm"))
        one = await outcomes(first, [_told(number) for number in range(10)])
        two = await outcomes(second, [_told(number) for number in range(10, 20)])
        assert _broken(one + two) == []
        assert first.socket.strays > 0
        assert second.socket.strays > 0


BROKEN_FRAMES = ["truncated", "badlength", "badtype", "badgzip", "text"]


@pytest.mark.parametrize("name", BROKEN_FRAMES)
async def test_w4_a_frame_that_cannot_be_read_is_made_good_by_the_next(tmp_path: Path, name: str) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        requests = [_told(number, f"[[fault {name} after={number}]]" if number % 2 else "") for number in range(10)]
        results = await outcomes(playground, requests)
        assert _broken(results) == []
        assert coze.server.seen.sockets == 1


@pytest.mark.parametrize("name", ["truncated", "badtype", "badgzip"])
async def test_w4_if_it_was_the_last_one_the_turn_is_no_whole_answer(tmp_path: Path, name: str) -> None:
    async with emulated() as coze, reached(coze, tmp_path, deadlines=SHORT) as playground:
        results = await outcomes(playground, [_told(0, f"[[fault {name} after=999]]"), _told(1), _told(2)])
        assert isinstance(results[0], UpstreamTimeout)
        assert results[0].code == "upstream_timeout"
        assert _is_whole(results[1], 1)
        assert _is_whole(results[2], 2)
        assert playground.socket.turns_in_flight == 0


@pytest.mark.parametrize("name", ["badlength", "text"])
async def test_w4_some_broken_frames_can_be_read_all_the_same(tmp_path: Path, name: str) -> None:
    """The JSON is whole inside them, from the first brace to the last."""
    async with emulated() as coze, reached(coze, tmp_path, deadlines=SHORT) as playground:
        assert _is_whole(await outcome(playground, _told(0, f"[[fault {name} after=999]]")), 0)


@pytest.mark.parametrize(("name", "code"), [("huge", 1009), ("garbage", 1002)])
async def test_w4_too_large_a_message_or_no_websocket_closes_it_and_it_comes_back(
    tmp_path: Path, name: str, code: int
) -> None:
    async with emulated(pace=10) as coze, reached(coze, tmp_path) as playground:
        requests = [_told(0, f"[[fault {name} after=2]]"), *(_told(number) for number in range(1, 10))]
        results = await outcomes(playground, requests)
        assert _broken(results) == []
        await coze.wire.until_count("closed", 1)
        assert coze.server.seen.closes[0] == code
        assert coze.server.seen.sockets == 2


@pytest.mark.parametrize("name", ["drop", "duplicate", "reorder", "rewrite"])
@pytest.mark.parametrize("frame_form", ["json", "gzip", "bare", "mixed"])
async def test_w5_gaps_repeats_and_wrong_order_are_harmless(tmp_path: Path, name: str, frame_form: str) -> None:
    async with emulated(frame_form=frame_form) as coze, reached(coze, tmp_path) as playground:
        requests = [_told(number, f"[[fault {name} after={number}]]") for number in range(10)]
        results = await outcomes(playground, requests)
        assert _broken(results) == []


async def test_w5_what_was_said_is_said_once(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        for name in ("duplicate", "reorder"):
            sink = Gathered()
            await playground.converse(_told(0, f"[[fault {name} after=4]]"), sink)
            said = [event.text for event in sink.events if isinstance(event, TextDelta)]
            assert "".join(said) == f"0 {WORDS} 0"


async def test_w6_an_accepted_call_without_an_answer_has_an_end_and_frees_its_place(tmp_path: Path) -> None:
    deadlines = Deadlines(first_event=0.5, idle=60)
    async with emulated() as coze, reached(coze, tmp_path, deadlines=deadlines, max_turns=1) as playground:
        with pytest.raises(UpstreamTimeout, match="accepted the question and pushed nothing") as caught:
            await ask(playground, asking("hello [[fault silent]]"))
        assert caught.value.code == "upstream_timeout"
        assert playground.socket.turns_in_flight == 0
        assert (await ask(playground, asking("hello"))).text == "hello"


async def test_w6_a_call_that_is_never_answered_has_an_end_too(tmp_path: Path) -> None:
    deadlines = Deadlines(first_event=60, reply=0.5)
    async with emulated() as coze, reached(coze, tmp_path, deadlines=deadlines, max_turns=1) as playground:
        with pytest.raises(UpstreamTimeout, match=r"127\.0\.0\.1 did not answer in time"):
            await ask(playground, asking("hello [[fault stall]]"))
        assert (await ask(playground, asking("hello"))).text == "hello"


async def test_w7_an_answer_before_the_call_is_answered_is_taken(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        results = await outcomes(playground, [_told(number, "[[fault early]]") for number in range(10)])
        assert _broken(results) == []
        assert playground.socket.strays == 0


async def _refused(playground: Playground, request: Request) -> UpstreamDenied:
    with pytest.raises(UpstreamDenied) as caught:
        await ask(playground, request)
    return caught.value


async def test_w8_an_ended_session_is_not_asked_again(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, heart=LIVELY) as playground:
        await ask(playground, asking("warm"))
        assert playground.health() == {"socket": "open", "turns": 0}
        error = await _refused(playground, asking("hello [[fault session]]"))
        assert error.code == "upstream_auth"
        assert error.upstream_code == 700012006
        assert error.hint is not None
        assert "sessionid" in error.hint
        for _ in range(3):
            assert (await _refused(playground, asking("hello"))).code == "upstream_auth"
        assert len(coze.server.seen.executions) == 2
        assert coze.server.seen.launches == 1
        assert "700012006" in str(playground.health()["refused"])


async def test_w8_a_wrong_session_is_asked_once_at_launch(tmp_path: Path) -> None:
    async with emulated(session_id="another") as coze, reached(coze, tmp_path) as playground:
        for _ in range(3):
            assert (await _refused(playground, asking("hello"))).code == "upstream_auth"
        assert coze.server.seen.launches == 1
        assert coze.server.seen.sockets == 0
        assert list(coze.server.seen.executions) == []
        assert playground.health()["socket"] == "idle"
        assert playground.health()["refused"]


async def test_w8_a_lost_socket_is_not_opened_for_an_ended_session(tmp_path: Path) -> None:
    """The turns that still waited on it are told why, and nothing more is sent."""
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        await ask(playground, asking("warm"))
        results: list[Reply | Exception] = []

        async def wait_for_nothing() -> None:
            results.append(await outcome(playground, asking("hello [[fault silent]]")))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait_for_nothing)
            await soon(lambda: playground.socket.turns_in_flight)
            await coze.wire.until_count("execute", 2)
            await _refused(playground, asking("hello [[fault session]]"))
            device, sockets = next(iter(coze.server._sockets.items()))
            coze.server._cut(device, sockets[0])
        assert isinstance(results[0], UpstreamDenied)
        assert results[0].code == "upstream_auth"
        assert coze.server.seen.sockets == 1
        assert coze.server.seen.launches == 1
        assert playground.socket.state == "idle"


async def test_w9_unusual_traffic_keeps_the_account_quiet(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        error = await _refused(playground, asking("hello [[fault risk]]"))
        assert error.code == "upstream_blocked"
        assert error.upstream_code == 700012014
        for _ in range(3):
            again = await _refused(playground, asking("hello"))
            assert again.code == "upstream_blocked"
            assert again.retry_after_s is not None
            assert 0 < again.retry_after_s <= 60
        assert len(coze.server.seen.executions) == 1
        assert "unusual traffic" in str(playground.health()["refused"])


async def test_w9_turns_that_waited_their_turn_are_not_sent_after_a_refusal(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, max_turns=1) as playground:
        requests = [asking("hello [[fault risk]]"), *(asking("hello") for _ in range(9))]
        results = await outcomes(playground, requests)
        assert {getattr(result, "code", "") for result in results} == {"upstream_blocked"}
        assert len(coze.server.seen.executions) == 1


async def test_w9_a_minute_later_it_is_tried_again(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        await _refused(playground, asking("hello [[fault risk]]"))
        assert playground._standing._until is not None
        playground._standing._until -= 60
        assert (await ask(playground, asking("hello"))).text == "hello"
        assert "refused" not in playground.health()


async def test_every_fault_of_a_push_leaves_other_turns_alone(tmp_path: Path) -> None:
    """All of them at once, beside turns without any; those that cut the socket apart."""
    names = [name for name in PUSH_FAULTS if name not in ("cut", "deaf", "huge", "garbage")]
    deadlines = Deadlines(idle=2)
    async with emulated(pace=100) as coze, reached(coze, tmp_path, deadlines=deadlines) as playground:
        faulty = [_told(number, f"[[fault {name} after=3]]") for number, name in enumerate(names)]
        results = await outcomes(playground, [*(_told(number) for number in range(50)), *faulty])
        assert _broken(results[:50]) == []
        for name, result in zip(names, results[50:], strict=True):
            assert isinstance(result, UpstreamTimeout if name == "unfinished" else Reply), name


async def test_suggestions_and_usage_survive_a_cut(tmp_path: Path) -> None:
    wants = Wants(suggestions=True, usage=True, steps=True)
    async with emulated(pace=40) as coze, reached(coze, tmp_path) as playground:
        reply = await ask(playground, asking("Berlin [[fault cut after=6]]", "tools", wants=wants))
        assert len(reply.suggestions) == 2
        assert reply.usage is not None
        assert coze.server.seen.cuts == 1
