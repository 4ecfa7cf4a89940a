"""What the emulated workflows do: a pure function of their parameters and of the answers so far.

Source: docs/protocol/openapi-v3.md §10.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    Step,
    TextDelta,
    TurnDone,
    TurnFailed,
    Unknown,
    Usage,
)
from realcoze.domain.ids import MessageId
from realcoze.emulator.fault import without_mark
from realcoze.emulator.script import FindFile, described, no_files, split
from realcoze.errors import UpstreamFailed

BEAT = Unknown(name="PING", raw="{}")
"""A sign of life."""

QUESTIONS = (
    ("Which planet is the largest?", "jupiter"),
    ("How many legs has a spider?", "8"),
    ("What is the capital of Peru?", "lima"),
    ("Which metal is liquid in a warm room?", "mercury"),
)
FORM = (
    '[{"name":"name","type":"string","required":true,"description":"Who comes"},'
    '{"name":"guests","type":"integer","required":false,"description":"With how many"}]'
)
CAN_ASK = frozenset({"quiz", "form"})
"""The workflows that ask; Studio runs none of them whole."""

_MEDIA = ("image", "file", "audio")
_OBJECT = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What a workflow goes by; `event_id` is of its next question, `beats` are signs of life while it is silent."""

    given: Mapping[str, Any]
    answers: Sequence[str] = ()
    event_id: str = ""
    beats: int = 0
    find_file: FindFile = no_files


def perform(workflow: str, play: Play) -> tuple[Event, ...]:
    """What is said from the last answer to the next question, or to the end."""
    return tuple(_DO[workflow](play))


def output_of(events: Sequence[Event]) -> str:
    """The JSON text of the end node; empty where it was not reached."""
    last = [event.text for event in events if isinstance(event, AnswerDone)]
    return last[-1] if last and isinstance(events[-1], TurnDone) else ""


def _poem(play: Play) -> Iterator[Event]:
    topic = without_mark(str(play.given.get("input", ""))) or "nothing"
    verses = f"Of {topic} I sing,\na small and quiet thing:\nit came with the tide,\nand stayed by my side."
    yield from _node("Title", f"About {topic}")
    yield from _node("Verses", verses)
    yield from _finish({"output": verses})


def _quiz(play: Play) -> Iterator[Event]:
    wanted = play.given.get("questions")
    count = min(max(wanted, 1), len(QUESTIONS)) if isinstance(wanted, int) else 2
    asked = len(play.answers)
    if asked < count:
        yield from _node("Question", QUESTIONS[asked][0], kind="Question")
        yield _question(play, "question", "Question", "")
        return
    pairs = zip(play.answers, QUESTIONS, strict=False)
    right = sum(answer.strip().lower() == solution for answer, (_, solution) in pairs)
    result = f"{right} of {count} answers are right."
    yield from _node("Result", result)
    yield from _finish({"output": result, "right": right})


def _form(play: Play) -> Iterator[Event]:
    if not play.answers:
        yield _question(play, "input", "Form", FORM)
        return
    filled = read_if_json(play.answers[0], _OBJECT) or {"name": play.answers[0]}
    result = f"Booked for {filled.get('name', 'nobody')}, with {filled.get('guests', 0)} guests."
    yield from _node("Booking", result)
    yield from _finish({"output": result})


def _broken(_play: Play) -> Iterator[Event]:
    yield from _node("Begin", "So far all is well.")
    yield Step(kind="other", title="Code", body="Message")
    yield TextDelta(message_id=MessageId("code"), text="But now ")
    yield TurnFailed(error=UpstreamFailed("The node Code failed: division by zero.", upstream_code=720701013))


def _quiet(play: Play) -> Iterator[Event]:
    yield from (BEAT for _ in range(play.beats))
    yield from _node("Word", "There.")
    yield from _finish({"output": "There."})


def _files(play: Play) -> Iterator[Event]:
    shown = [value for name in _MEDIA for value in _listed(play.given.get(name))]
    seen = [_seen(str(value), play.find_file) for value in shown] or ["I was given no image, file or audio."]
    yield from _node("Looks", "\n\n".join(seen))
    yield from _finish({"output": "\n\n".join(seen)})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _seen(value: str, find_file: FindFile) -> str:
    """A parameter that is a file: JSON text with its id, or a URL."""
    named = read_if_json(value, _OBJECT)
    if named is None:
        return f"I see that there is something at <{value}>, and do not open links."
    key = str(named.get("file_id", ""))
    return described(key, find_file(key))


def _node(title: str, text: str, *, kind: str = "Message") -> Iterator[Event]:
    """One node that speaks; its last word comes with its end."""
    message_id = MessageId(title.lower())
    yield Step(kind="other", title=title, body=kind)
    yield from (TextDelta(message_id=message_id, text=piece) for piece in split(text)[:-1])
    yield AnswerDone(message_id=message_id, text=text)


def _finish(output: Mapping[str, Any]) -> Iterator[Event]:
    text = msgspec.json.encode(output).decode()
    words = len(split(text))
    yield Usage(input=words, output=words, total=2 * words)
    yield AnswerDone(message_id=MessageId("end"), text=text)
    yield TurnDone()


def _question(play: Play, kind: str, title: str, data: str) -> InputRequested:
    return InputRequested(
        interrupt=Interrupt(event_id=play.event_id, kind=kind, data={"node_title": title, "data": data})
    )


_DO: Mapping[str, Callable[[Play], Iterator[Event]]] = {
    "poem": _poem,
    "quiz": _quiz,
    "form": _form,
    "broken": _broken,
    "quiet": _quiet,
    "files": _files,
}
