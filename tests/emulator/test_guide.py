import pytest

from realcoze.domain.event import AnswerDone, InputRequested, Interrupt, TurnDone
from realcoze.domain.message import say
from realcoze.emulator.guide import QUESTION, Asks, guide

BY_TOOL = Asks(by="reply_message", event_id="call_1")


def told(text: str, *, was_asked: bool = False, **parameters: object) -> str:
    events = guide([say("user", "one"), say("user", text)], parameters, BY_TOOL, was_asked=was_asked)
    assert events[-1] == TurnDone()
    return next(event.text for event in events if isinstance(event, AnswerDone))


def test_it_counts_what_it_is_told_and_names_its_parameters() -> None:
    assert told("two [[fault cut]]", b=2, a=1) == "Follow me: “two”. You have told me 2 things. a is 1. b is 2."


@pytest.mark.parametrize("text", ["Please ask me something", "问我"])
def test_told_to_ask_it_asks(text: str) -> None:
    events = guide([say("user", text)], {}, BY_TOOL, was_asked=False)
    assert AnswerDone(message_id=events[1].message_id, text=QUESTION) in events  # type: ignore[union-attr]
    assert events[-1] == InputRequested(interrupt=Interrupt(event_id="call_1", kind="reply_message", data={}))


def test_an_answer_to_its_question_is_taken_for_one() -> None:
    assert told("ask me not", was_asked=True) == "You said: ask me not"
