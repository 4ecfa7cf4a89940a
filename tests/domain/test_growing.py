from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
)
from realcoze.domain.fold import Fold
from realcoze.domain.growing import GrowingText
from realcoze.domain.ids import MessageId
from realcoze.errors import UpstreamFailed

ONE, TWO = MessageId("one"), MessageId("two")


def delta(text: str, message_id: MessageId = ONE) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def replaced(text: str, message_id: MessageId = ONE) -> TextReplaced:
    return TextReplaced(message_id=message_id, text=text)


def complete(text: str, message_id: MessageId = ONE) -> AnswerDone:
    return AnswerDone(message_id=message_id, text=text)


def asks(**data: str) -> InputRequested:
    return InputRequested(interrupt=Interrupt(event_id="e", kind="question", data=data))


def grown(*events: Event) -> list[str]:
    text = GrowingText()
    return [text.feed(event) for event in events]


def test_deltas_are_given_as_they_come() -> None:
    assert grown(delta("a"), delta("b"), complete("ab"), TurnDone()) == ["a", "b", "", ""]


def test_a_message_that_comes_at_once_is_given_at_once() -> None:
    assert grown(complete("card"), TurnDone()) == ["card", ""]
    assert grown(delta("ca"), complete("card")) == ["ca", "rd"]


@pytest.mark.parametrize("again", [["abcd"], ["ab", "cd"], ["a", "b", "c", "d"], ["", "abc", "d"]])
def test_a_text_that_was_taken_back_goes_on_where_it_was(again: list[str]) -> None:
    text = GrowingText()
    events: list[Event] = [delta("ab"), delta("c"), replaced("")]
    assert [text.feed(event) for event in events] == ["ab", "c", ""]
    assert "".join(text.feed(delta(piece)) for piece in again) == "d"
    ending: list[Event] = [delta("e"), complete("abcde"), TurnDone()]
    assert [text.feed(event) for event in ending] == ["e", "", ""]


@pytest.mark.parametrize("other", [["x"], ["ab", "x"], ["x", "bc", "d"], ["abx", "d"]])
def test_a_text_that_is_another_gives_nothing_until_it_is_replaced_again(other: list[str]) -> None:
    text = GrowingText()
    events: list[Event] = [delta("abc"), replaced(""), *map(delta, other)]
    assert "".join(map(text.feed, events)) == "abc"
    assert text.feed(replaced("abcd")) == "d"
    assert text.feed(replaced("x")) == ""
    with pytest.raises(UpstreamFailed, match="took back"):
        text.feed(complete("".join(other)))


def test_between_two_messages_stands_a_blank_line() -> None:
    assert grown(complete("a"), delta("b", TWO), delta("c", TWO)) == ["a", "\n\nb", "c"]
    assert grown(complete(""), delta("", TWO), delta("b", TWO)) == ["", "", "b"]


def test_a_message_waits_until_the_one_before_it_is_complete() -> None:
    assert grown(delta("a"), delta("x", TWO), delta("b"), complete("ab"), delta("y", TWO)) == [
        "a",
        "",
        "b",
        "\n\nx",
        "y",
    ]
    assert grown(delta("a"), complete("x", TWO), TurnDone()) == ["a", "", "\n\nx"]


def test_a_text_that_goes_on_from_what_was_given_is_given() -> None:
    assert grown(replaced("a"), replaced("abc"), delta("d")) == ["a", "bc", "d"]


def test_what_is_taken_back_may_come_again() -> None:
    assert grown(delta("ab"), replaced("a"), delta("b"), delta("c"), TurnDone()) == ["ab", "", "", "c", ""]


@pytest.mark.parametrize("end", [complete("xy"), TurnDone(), ToolCallsRequested(calls=()), asks()])
def test_what_was_taken_back_for_good_cannot_be_said(end: Event) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        grown(delta("ab"), replaced("xy"), end)
    assert caught.value.code == "answer_rewritten"


def test_a_message_that_is_complete_does_not_change() -> None:
    assert grown(complete("a"), complete("a"), complete("b", TWO)) == ["a", "", "\n\nb"]
    for late in (delta("b"), replaced("b"), complete("b"), complete("")):
        with pytest.raises(UpstreamFailed):
            grown(complete("a"), late)


def test_a_question_is_given_where_nothing_was_said() -> None:
    assert grown(asks(question="Where?")) == ["Where?"]
    assert grown(delta("Well:"), asks(question="Where?")) == ["Well:", ""]


def test_other_events_have_no_text() -> None:
    assert grown(ReasoningDelta(message_id=ONE, text="hm"), delta("a")) == ["", "a"]


messages = st.sampled_from([ONE, TWO, MessageId("three")])
lawful = st.lists(
    st.builds(delta, texts, messages) | st.builds(replaced, texts, messages) | st.builds(complete, texts, messages),
    max_size=8,
)


@PROPERTIES
@given(lawful, st.sampled_from([TurnDone(), asks(question="Where?")]))
def test_what_is_given_is_what_a_fold_makes_of_the_same_events_or_the_documented_error(
    events: Iterable[Event], end: Event
) -> None:
    events = [*events, end]
    fold = Fold()
    for event in events:
        fold.feed(event)
    text = GrowingText()
    given = outcome_of(text, events)
    assert given in (fold.text, "answer_rewritten")


def outcome_of(text: GrowingText, events: Iterable[Event]) -> str:
    """All that is given, or the code of the error."""
    try:
        return "".join(map(text.feed, events))
    except UpstreamFailed as error:
        return error.code
