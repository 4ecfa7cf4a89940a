from typing import get_args

import pytest

from realcoze.domain.event import (
    ENDS,
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.turn import NEXT, Phase, TurnLife
from realcoze.errors import Truncated

M = MessageId("m")

ONE_OF_EACH: tuple[Event, ...] = (
    TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("")),
    TextDelta(message_id=M, text="a"),
    TextReplaced(message_id=M, text="b"),
    ReasoningDelta(message_id=M, text="c"),
    AnswerDone(message_id=M, text="b"),
    Step(kind="call", title="t", body="{}"),
    ToolCallsRequested(calls=()),
    InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={})),
    Suggestion(text="s"),
    AudioDelta(audio=b"\0", format="pcm"),
    Usage(input=1, output=2, total=3),
    TurnDone(),
    TurnFailed(error=Truncated("m")),
    Unknown(name="n", raw="r"),
)


def expected(phase: Phase, event: Event) -> Phase | None:
    """The drawing in the docstring of the module, once more."""
    if phase is Phase.ENDED:
        return None
    if isinstance(event, TurnStarted):
        return Phase.STARTED if phase is Phase.ASKED else None
    return Phase.ENDED if isinstance(event, ENDS) else Phase.STARTED


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
@pytest.mark.parametrize("event", ONE_OF_EACH, ids=lambda event: type(event).__name__)
def test_every_event_in_every_phase_has_its_place_or_is_dropped(phase: Phase, event: Event) -> None:
    life = TurnLife(phase)
    after = expected(phase, event)
    assert life.accepts(event) == (after is not None)
    assert life.phase is (after or phase)
    assert life.dropped == (after is None)
    assert NEXT[phase].get(type(event)) is after


def test_the_examples_have_one_event_of_each_kind() -> None:
    assert {type(event) for event in ONE_OF_EACH} == set(get_args(Event))


def test_a_turn_ends_once_and_what_comes_after_is_counted() -> None:
    life = TurnLife()
    events = (*ONE_OF_EACH[:2], TurnDone(), TurnDone(), TextDelta(message_id=M, text="late"))
    assert [life.accepts(event) for event in events] == [True, True, True, False, False]
    assert life.dropped == 2
