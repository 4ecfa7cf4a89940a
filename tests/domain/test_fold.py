import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.domain.event import (
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
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.tool import ToolCall
from realcoze.errors import Truncated, UpstreamTimeout

A, B = MessageId("a"), MessageId("b")


def fold(*events: Event) -> Reply:
    gathered = Fold()
    for event in events:
        gathered.feed(event)
    return gathered.finish()


def test_a_turn_becomes_one_reply() -> None:
    step = Step(kind="call", title="weather", body="{}")
    usage = Usage(input=1, output=2, total=3)
    reply = fold(
        TurnStarted(chat_id=ChatId("c"), conversation_id=ConversationId("v")),
        ReasoningDelta(message_id=A, text="Let me "),
        ReasoningDelta(message_id=A, text="think."),
        step,
        TextDelta(message_id=A, text="It is "),
        TextDelta(message_id=A, text="warm."),
        AnswerDone(message_id=A, text="It is warm."),
        AudioDelta(audio=b"\1", format="pcm"),
        AudioDelta(audio=b"\2", format="pcm"),
        Unknown(name="n", raw="r"),
        usage,
        Suggestion(text="And tomorrow?"),
        Suggestion(text="And Paris?"),
        TurnDone(),
    )
    assert reply == Reply(
        text="It is warm.",
        reasoning="Let me think.",
        steps=(step,),
        suggestions=("And tomorrow?", "And Paris?"),
        audio=b"\1\2",
        audio_format="pcm",
        usage=usage,
        chat_id=ChatId("c"),
        conversation_id=ConversationId("v"),
    )


def test_a_turn_that_only_ends_is_an_empty_reply() -> None:
    assert fold(TurnDone()) == Reply(text="")


def test_a_rewrite_takes_the_place_of_what_stood_there() -> None:
    assert fold(
        TextDelta(message_id=A, text="wrong"),
        TextReplaced(message_id=A, text="right"),
        TextDelta(message_id=A, text="!"),
        TurnDone(),
    ) == Reply(text="right!")


def test_messages_stand_in_the_order_they_began_with_an_empty_line_between() -> None:
    assert fold(
        TextDelta(message_id=A, text="one"),
        TextDelta(message_id=B, text="two"),
        TextDelta(message_id=A, text=", still one"),
        AnswerDone(message_id=MessageId("empty"), text=""),
        TurnDone(),
    ) == Reply(text="one, still one\n\ntwo")


def test_an_answer_that_came_without_deltas_is_whole_too() -> None:
    assert fold(AnswerDone(message_id=A, text="all at once"), TurnDone()) == Reply(text="all at once")


def test_a_turn_that_asks_for_tools_says_which() -> None:
    call = ToolCall(call_id="c1", name="add", arguments='{"a":1}')
    assert fold(TextDelta(message_id=A, text="so far"), ToolCallsRequested(calls=(call,))) == Reply(
        text="so far", tool_calls=(call,)
    )


def test_a_turn_that_asks_its_user_says_what() -> None:
    interrupt = Interrupt(event_id="e", kind="question", data={"q": "which?"})
    assert fold(InputRequested(interrupt=interrupt)) == Reply(text="", interrupt=interrupt)


def test_a_question_is_the_text_of_a_turn_that_said_nothing_else() -> None:
    asked = InputRequested(interrupt=Interrupt(event_id="e", kind="question", data={"question": "Which city?"}))
    assert fold(asked).text == "Which city?"
    assert fold(TextDelta(message_id=A, text="One more thing."), asked).text == "One more thing."
    gathering = Fold()
    gathering.feed(asked)
    assert (gathering.text, gathering.words) == ("Which city?", "")


def test_a_turn_that_failed_raises_its_own_error() -> None:
    error = UpstreamTimeout("too late")
    with pytest.raises(UpstreamTimeout) as raised:
        fold(TextDelta(message_id=A, text="half"), TurnFailed(error=error))
    assert raised.value is error


def test_a_turn_that_just_stops_is_never_a_reply() -> None:
    with pytest.raises(Truncated):
        fold(TextDelta(message_id=A, text="half"))


def test_the_text_may_be_read_at_any_time() -> None:
    gathered = Fold()
    assert gathered.text == ""
    gathered.feed(TextDelta(message_id=A, text="ha"))
    gathered.feed(TextDelta(message_id=A, text="lf"))
    assert gathered.text == "half"


@PROPERTIES
@given(st.lists(texts))
def test_the_text_is_the_sum_of_its_deltas(pieces: list[str]) -> None:
    deltas = [TextDelta(message_id=A, text=piece) for piece in pieces]
    assert fold(*deltas, TurnDone()).text == "".join(pieces)
