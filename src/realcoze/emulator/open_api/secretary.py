"""What the secretary wants of its caller before it answers: tools run, or a question answered; pure.

Source: docs/protocol/openapi-v3.md §5.2.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from realcoze.dialects.coze_open.ending import REPLY_MESSAGE
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    TextDelta,
    ToolCallsRequested,
    TurnStarted,
)
from realcoze.domain.ids import MessageId
from realcoze.domain.message import Message
from realcoze.domain.tool import ToolCall
from realcoze.emulator.fault import without_mark
from realcoze.emulator.script import split

NAME = "secretary"
QUESTION, QUESTION_ZH = "What shall I call you?", "我该怎么称呼你？"  # noqa: RUF001 - Chinese

_REMIND = re.compile(r"remind|提醒", re.IGNORECASE)
_WEATHER = re.compile(r"weather|天气", re.IGNORECASE)
_ASK = re.compile(r"ask me|问我", re.IGNORECASE)
_TIME = re.compile(r"\b\d{1,2}(?::\d\d|\s?[ap]m\b)|[一二三四五六七八九十\d]{1,2}点半?", re.IGNORECASE)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Handed:
    """A call, and what came back for it."""

    name: str
    output: str


def demanding(bot: str, history: Sequence[Message], events: Iterable[Event], call_id: str) -> Iterator[Event]:
    """The turn as it is, or, where the secretary needs something, what it needs for an end."""
    text = without_mark(history[-1].text)
    demand = _demand(text, call_id) if bot == NAME else None
    if demand is None:
        yield from events
        return
    yield from (event for event in events if isinstance(event, TurnStarted))
    if isinstance(demand, InputRequested):
        yield from _asked(QUESTION_ZH if _CHINESE.search(text) else QUESTION)
    yield demand


def told(handed: Sequence[Handed]) -> str:
    """The rest of the answer: what the tools gave, or what the user replied."""
    if any(not each.name for each in handed):
        return f"You said: {handed[0].output}"
    return "The tool says: " + "; ".join(each.output for each in handed)


def _demand(text: str, call_id: str) -> ToolCallsRequested | InputRequested | None:
    if _ASK.search(text):
        return InputRequested(interrupt=Interrupt(event_id=call_id, kind=REPLY_MESSAGE, data={}))
    at = _TIME.search(text)
    if not (_REMIND.search(text) or at):
        return None
    arguments = {"time": at.group() if at else "09:00", "what": text[:200]}
    calls = [ToolCall(call_id=call_id, name="add_reminder", arguments=msgspec.json.encode(arguments).decode())]
    if _WEATHER.search(text):
        calls.append(ToolCall(call_id=f"{call_id}_weather", name="get_weather", arguments='{"city":"Berlin"}'))
    return ToolCallsRequested(calls=tuple(calls))


def _asked(question: str) -> Iterator[Event]:
    message_id = MessageId("question")
    yield from (TextDelta(message_id=message_id, text=piece) for piece in split(question))
    yield AnswerDone(message_id=message_id, text=question)
