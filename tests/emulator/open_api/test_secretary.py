import json

import pytest

from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    TextDelta,
    ToolCallsRequested,
    TurnDone,
    TurnStarted,
)
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import say
from realcoze.emulator.open_api.secretary import NAME, QUESTION, QUESTION_ZH, Handed, demanding, told

STARTED = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
TURN = (STARTED, TurnDone())


def wanted(text: str, bot: str = NAME) -> list[Event]:
    return list(demanding(bot, [say("user", text)], TURN, "call_1"))


def calls(text: str) -> list[tuple[str, str, object]]:
    started, end = wanted(text)
    assert started == STARTED
    assert isinstance(end, ToolCallsRequested)
    return [(call.call_id, call.name, json.loads(call.arguments)) for call in end.calls]


@pytest.mark.parametrize(
    ("text", "time"),
    [("Remind me to eat", "09:00"), ("eat at 18:00", "18:00"), ("eat at 6 pm", "6 pm"), ("六点提醒我浇花", "六点")],
)
def test_a_reminder_is_a_call_of_the_callers_tool(text: str, time: str) -> None:
    assert calls(text) == [("call_1", "add_reminder", {"time": time, "what": text})]


def test_the_weather_and_a_reminder_are_two_calls_at_once() -> None:
    found = calls("Weather and reminder, please [[fault cut]]")
    assert [(call_id, name) for call_id, name, _ in found] == [
        ("call_1", "add_reminder"),
        ("call_1_weather", "get_weather"),
    ]


@pytest.mark.parametrize(("text", "question"), [("ask me", QUESTION), ("问我", QUESTION_ZH)])
def test_told_to_ask_it_asks_and_waits(text: str, question: str) -> None:
    started, *pieces, done, end = wanted(text)
    assert started == STARTED
    assert "".join(piece.text for piece in pieces if isinstance(piece, TextDelta)) == question
    assert isinstance(done, AnswerDone)
    assert done.text == question
    assert end == InputRequested(interrupt=Interrupt(event_id="call_1", kind="reply_message", data={}))


def test_anything_else_and_any_other_bot_go_on_as_they_are() -> None:
    assert tuple(wanted("hello")) == TURN
    assert tuple(wanted("remind me", "echo")) == TURN


def test_it_tells_what_came_back() -> None:
    assert told([Handed("add_reminder", "set"), Handed("get_weather", "fine")]) == "The tool says: set; fine"
    assert told([Handed("", "Ada")]) == "You said: Ada"
