import logging
import math

import anyio
import pytest

from realcoze.dialects.coze_playground.push import (
    ACK,
    ANSWER,
    CALL,
    MESSAGE_EVENT,
    SUGGEST,
    SUGGESTIONS,
    Ext,
    Push,
    PushMessage,
)
from realcoze.domain.event import AnswerDone, Event, Step, Suggestion, TextDelta, TurnDone, TurnStarted
from realcoze.errors import Internal, Truncated, UpstreamFailed, UpstreamTimeout
from realcoze.upstreams.coze_playground import turn as turn_module
from realcoze.upstreams.coze_playground.settings import Deadlines
from realcoze.upstreams.coze_playground.turn import HELD_PUSHES, Turn
from servers import Gathered

SOON = Deadlines(first_event=0.02, idle=0.02)
NEVER = Deadlines(first_event=math.inf, idle=math.inf)

pytestmark = pytest.mark.usefixtures("nothing_left")


class Socket:
    """How often the socket was lost, as the turn is told."""

    losses = 0


def _turn(
    sink: Gathered, *, deadlines: Deadlines = NEVER, wants_suggestions: bool = False, socket: Socket | None = None
) -> Turn:
    told = socket or Socket()
    return Turn(sink, deadlines, wants_suggestions=wants_suggestions, losses=lambda: told.losses)


def _push(text: str, *, last: bool = False, message_id: str = "m", reply_type: int = ANSWER, **ext: str) -> Push:
    more = Ext(push_uuid="u", is_finish="1" if last else "0", **ext)
    message = PushMessage(content=text, reply_type=reply_type, message_id=message_id, ext=more)
    return Push(event_type=MESSAGE_EVENT, message=message)


def _suggestion(text: str) -> Push:
    ext = Ext(push_uuid="u", is_finish="1")
    message = PushMessage(content=text, reply_type=SUGGEST, content_type=SUGGESTIONS, ext=ext)
    return Push(event_type=MESSAGE_EVENT, message=message)


async def _wait(turn: Turn) -> None:
    with anyio.fail_after(5):
        await turn.wait()


async def test_a_turn_is_the_flow_of_its_sink() -> None:
    sink = Gathered()
    turn = _turn(sink)
    assert sink.flows == [turn]


async def test_pushes_become_events_at_once() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.take(_push("Hello"), 1)
    assert [type(event) for event in sink.events] == [TurnStarted, TextDelta]
    turn.take(_push("Hello world", last=True), 2)
    assert [type(event) for event in sink.events[2:]] == [TextDelta, AnswerDone, TurnDone]
    await _wait(turn)
    assert sink.text == "Hello world"


async def test_after_its_end_a_turn_takes_nothing_more() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.take(_push("a", last=True), 1)
    before = list(sink.events)
    turn.take(_push("b", message_id="other", last=True), 2)
    turn.fail(UpstreamFailed("too late"))
    await _wait(turn)
    assert sink.events == before


async def test_waiting_ends_with_the_last_push() -> None:
    sink = Gathered()
    turn = _turn(sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait, turn)
        await anyio.wait_all_tasks_blocked()
        turn.take(_push("half"), anyio.current_time())
        await anyio.wait_all_tasks_blocked()
        assert not tasks.cancel_scope.cancel_called
        turn.take(_push("half and whole", last=True), anyio.current_time())
    assert sink.reply().text == "half and whole"


async def test_a_failure_is_raised_by_the_wait_and_is_no_event() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.take(_push("half"), 1)
    turn.fail(UpstreamFailed("gone"))
    turn.fail(UpstreamFailed("a second one"))
    with pytest.raises(UpstreamFailed, match="gone"):
        await _wait(turn)
    assert sink.ends == []


async def test_without_a_first_push_the_turn_times_out() -> None:
    turn = _turn(Gathered(), deadlines=Deadlines(first_event=0.02, idle=math.inf))
    with pytest.raises(UpstreamTimeout, match=r"accepted the question and pushed nothing for 0\.02 s"):
        await _wait(turn)


async def test_the_first_push_is_waited_for_from_the_call_on_and_not_from_the_queue() -> None:
    turn = _turn(Gathered(), deadlines=Deadlines(first_event=5, idle=math.inf))
    turn._last_at -= 1000  # it stood in a queue that long
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait, turn)
        await anyio.wait_all_tasks_blocked()
        turn.take(_push("a", last=True), anyio.current_time())


async def test_a_pause_between_pushes_has_an_end() -> None:
    turn = _turn(Gathered(), deadlines=Deadlines(first_event=math.inf, idle=0.02))
    turn.take(_push("half"), anyio.current_time())
    with pytest.raises(UpstreamTimeout, match=r"nothing more for 0\.02 s"):
        await _wait(turn)


async def test_the_idle_time_counts_from_the_first_push_on_though_the_first_might_have_taken_longer() -> None:
    turn = _turn(Gathered(), deadlines=Deadlines(first_event=1000, idle=0.02))
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            with pytest.raises(UpstreamTimeout, match="nothing more"):
                await _wait(turn)

        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        turn.take(_push("half"), anyio.current_time())


async def test_every_push_starts_the_idle_time_again() -> None:
    turn = _turn(Gathered(), deadlines=Deadlines(first_event=1, idle=1000))
    turn.take(_push("a"), 5)
    assert turn._deadline() == 1005
    turn.take(_push("ab"), 9)
    assert turn._deadline() == 1009


async def test_a_last_push_that_fell_into_a_gap_is_called_so() -> None:
    socket = Socket()
    turn = _turn(Gathered(), deadlines=SOON, socket=socket)
    turn.take(_push("half"), anyio.current_time())
    socket.losses += 1
    with pytest.raises(Truncated, match="was lost") as caught:
        await _wait(turn)
    assert caught.value.code == "push_lost"
    assert caught.value.hint


async def test_all_pushes_in_the_gap_are_called_so_too() -> None:
    socket = Socket()
    turn = _turn(Gathered(), deadlines=Deadlines(first_event=0.02), socket=socket)
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            with pytest.raises(Truncated):
                await _wait(turn)

        tasks.start_soon(wait)
        await anyio.lowlevel.checkpoint()
        socket.losses += 1


async def test_a_loss_before_the_call_or_before_the_newest_push_explains_nothing() -> None:
    socket = Socket()
    early = _turn(Gathered(), deadlines=SOON, socket=socket)
    socket.losses += 1
    with pytest.raises(UpstreamTimeout):
        await _wait(early)
    healed = _turn(Gathered(), deadlines=SOON, socket=socket)
    socket.losses += 1
    healed.take(_push("half"), anyio.current_time())
    with pytest.raises(UpstreamTimeout):
        await _wait(healed)


async def test_a_finished_answer_waits_a_little_for_its_suggestions() -> None:
    sink = Gathered()
    turn = _turn(sink, deadlines=SOON, wants_suggestions=True)
    now = anyio.current_time()
    turn.take(_push("whole", last=True, has_suggest="1"), now)
    assert turn._deadline() == now + 3
    turn.take(_suggestion("and then?"), now)
    assert turn._deadline() == now + 0.5
    await _wait(turn)
    assert sink.reply().suggestions == ("and then?",)


async def test_the_third_suggestion_ends_the_turn() -> None:
    sink = Gathered()
    turn = _turn(sink, wants_suggestions=True)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait, turn)
        await anyio.wait_all_tasks_blocked()
        now = anyio.current_time()
        turn.take(_push("whole", last=True, has_suggest="1"), now)
        for text in "abc":
            turn.take(_suggestion(text), now)
    assert sink.reply().suggestions == ("a", "b", "c")


async def test_a_defect_of_the_sink_ends_its_own_turn_only(caplog: pytest.LogCaptureFixture) -> None:
    def break_down(_event: Event) -> None:
        raise ZeroDivisionError

    turn = _turn(Gathered(break_down))
    with caplog.at_level(logging.ERROR):
        turn.take(_push("a"), 1)
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(Internal):
        await _wait(turn)


async def test_a_defect_of_the_decoder_ends_its_own_turn_only(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that the decoder trips over must not end the task that reads the socket for all turns."""
    turn = _turn(Gathered())

    def trip(_push: Push, _now: float) -> list[Event]:
        raise ValueError("a number with 5000 digits")

    monkeypatch.setattr(turn._decoder, "feed", trip)
    with caplog.at_level(logging.ERROR):
        turn.take(_push("a"), 1)
    with pytest.raises(Internal):
        await _wait(turn)


async def test_a_paused_turn_keeps_the_newest_snapshot_only() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.take(_push("one"), 1)
    turn.pause()
    turn.pause()
    fed = len(sink.events)
    for text in ("one two", "one two three", "one two three four"):
        turn.take(_push(text), 2)
    assert len(sink.events) == fed
    turn.resume()
    assert [event.text for event in sink.events[fed:] if isinstance(event, TextDelta)] == [" two three four"]
    turn.resume()
    turn.take(_push("one two three four five", last=True), 3)
    assert sink.reply().text == "one two three four five"


async def test_a_paused_turn_loses_nothing_of_the_final_text() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    turn.take(_push("a"), 1)
    turn.take(_push("a b"), 1)
    turn.take(_push("a b c", last=True), 1)
    assert sink.events == []
    turn.resume()
    await _wait(turn)
    assert sink.reply().text == "a b c"
    assert len([event for event in sink.events if isinstance(event, TextDelta)]) == 1


async def test_while_paused_a_late_snapshot_does_not_take_the_place_of_the_finished_one() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    turn.take(_push("a b c", last=True), 1)
    turn.take(_push("a b"), 1)
    turn.resume()
    await _wait(turn)
    assert sink.reply().text == "a b c"


async def test_a_paused_turn_keeps_every_suggestion() -> None:
    """They are messages of their own, though none has an id."""
    sink = Gathered()
    turn = _turn(sink, wants_suggestions=True)
    turn.pause()
    now = anyio.current_time()
    turn.take(_push("whole", last=True, has_suggest="1"), now)
    for text in "abc":
        turn.take(_suggestion(text), now)
    turn.resume()
    await _wait(turn)
    assert sink.reply().suggestions == ("a", "b", "c")


async def test_a_paused_turn_is_not_ended_before_its_suggestions_are_fed() -> None:
    sink = Gathered()
    turn = _turn(sink, wants_suggestions=True)
    long_ago = anyio.current_time() - 100
    turn.take(_push("whole", last=True, has_suggest="1"), long_ago)
    turn.pause()
    turn.take(_suggestion("a"), long_ago)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait, turn)
        await anyio.wait_all_tasks_blocked()
        assert sink.ends == []
        turn.resume()
    assert sink.reply().suggestions == ("a",)


async def test_a_slow_reader_is_not_a_silent_coze() -> None:
    sink = Gathered()
    turn = _turn(sink, deadlines=SOON)
    turn.pause()
    turn.take(_push("a", last=True), anyio.current_time() - 100)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_wait, turn)
        await anyio.wait_all_tasks_blocked()
        assert turn._deadline() == math.inf
        turn.resume()
    assert sink.reply().text == "a"


async def test_paused_with_nothing_held_the_idle_time_counts() -> None:
    turn = _turn(Gathered(), deadlines=SOON)
    turn.take(_push("half"), anyio.current_time())
    turn.pause()
    with pytest.raises(UpstreamTimeout):
        await _wait(turn)


async def test_a_sink_that_pauses_while_it_is_fed_gets_the_rest_later() -> None:
    turns: list[Turn] = []

    def pause_again(event: Event) -> None:
        if isinstance(event, TextDelta):
            turns[0].pause()

    sink = Gathered(pause_again)
    turns.append(_turn(sink))
    turns[0].pause()
    for message_id in "abc":
        turns[0].take(_push(message_id, message_id=message_id), 1)
    texts = []
    for _ in range(3):
        turns[0].resume()
        texts.append(sink.text)
    assert texts == ["a", "a\n\nb", "a\n\nb\n\nc"]


async def test_what_a_paused_turn_keeps_is_bounded_and_the_answer_is_kept_longest() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    turn.take(_push("the answer"), 1)
    for number in range(3 * HELD_PUSHES):
        turn.take(_push(f"step {number}", message_id=f"s{number}", reply_type=CALL, last=True), 1)
    assert len(turn._held) == HELD_PUSHES
    turn.take(_push("the answer, whole", last=True), 1)
    turn.resume()
    await _wait(turn)
    assert sink.reply().text == "the answer, whole"
    steps = [event.body for event in sink.events if isinstance(event, Step)]
    assert steps == [f"step {number}" for number in range(2 * HELD_PUSHES + 1, 3 * HELD_PUSHES)]


async def test_what_a_paused_turn_keeps_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_module, "STREAM_BYTES", 25)
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    for number in range(5):
        turn.take(_push(f"step no. {number}", message_id=f"s{number}", reply_type=CALL, last=True), 1)
    turn.take(_push("whole", last=True), 1)
    turn.resume()
    await _wait(turn)
    assert [event.body for event in sink.events if isinstance(event, Step)] == ["step no. 3", "step no. 4"]
    assert sink.reply().text == "whole"


async def test_more_answers_than_can_be_kept_are_no_whole_answer() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    for number in range(HELD_PUSHES + 1):
        turn.take(_push("text", message_id=f"m{number}"), 1)
    with pytest.raises(Truncated, match="more than can be kept"):
        await _wait(turn)


async def test_an_end_without_text_is_an_end_while_paused_too() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    end = Push(
        event_type=MESSAGE_EVENT, message=PushMessage(content=None, reply_type=ANSWER, ext=Ext("u", is_finish="1"))
    )
    turn.take(end, 1)
    turn.take(_push("stale", message_id=""), 1)
    turn.resume()
    await _wait(turn)
    assert sink.reply().text == ""


async def test_an_answer_that_is_too_large_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the decoder is the turn's own, no defect of ours."""
    turn = _turn(Gathered())

    def refuse(_push: Push, _now: float) -> list[Event]:
        raise UpstreamFailed("too large", code="event_too_large")

    monkeypatch.setattr(turn._decoder, "feed", refuse)
    turn.take(_push("a"), 1)
    with pytest.raises(UpstreamFailed, match="too large"):
        await _wait(turn)


async def test_pushes_without_text_are_not_kept() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.pause()
    turn.take(Push(event_type=2), 1)
    turn.resume()
    turn.take(Push(event_type=2), 1)
    turn.take(Push(event_type=MESSAGE_EVENT, message=PushMessage(message_type=ACK)), 1)
    assert sink.events == []


async def test_a_suggestion_that_comes_before_the_wait_is_counted() -> None:
    sink = Gathered()
    turn = _turn(sink, wants_suggestions=True)
    turn.take(_suggestion("early"), 1)
    turn.take(_push("whole", last=True), 2)
    await _wait(turn)
    assert [event.text for event in sink.events if isinstance(event, Suggestion)] == ["early"]


async def test_a_turn_that_was_left_takes_what_it_held_along() -> None:
    sink = Gathered()
    turn = _turn(sink)
    turn.take(_push("one"), 1)
    turn.pause()
    turn.take(_push("one two"), 2)
    fed = len(sink.events)
    turn.leave()
    turn.take(_push("one two three"), 3)
    turn.resume()
    assert len(sink.events) == fed
