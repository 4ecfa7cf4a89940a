from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES
from realcoze.gateway.call_reader import CLOSE, OPEN, CallReader

ADD = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
WRITE = '{"name": "write", "arguments": {"text": "a } \\" { </tool_call> ```\\n", "to": "é中"}}'
PRETTY = '{\n  "name": "add",\n  "arguments": {\n    "a": [1, {"b": {}}]\n  }\n}'
EMPTY = '{"name": "now", "arguments": {}}'
OBJECTS = (ADD, WRITE, PRETTY, EMPTY)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a bot wrote, and what is to be read of it."""

    text: str
    shown: str
    calls: list[str] = field(default_factory=list)
    is_broken: bool = False


def tagged(written: str) -> str:
    return f"{OPEN}{written}{CLOSE}"


def well_formed() -> Iterator[Answer]:
    befores = (("", ""), ("Let me see.\n\n", "Let me see."), ("a < b, `x`:\n", "a < b, `x`:"), ("好的。", "好的。"))
    afters = ("", "\nI have called it.", "\n<tool_result name='add'>3</tool_result>\nIt is 3.", "\n```\nx")
    for (before, shown), after, written in product(befores, afters, OBJECTS):
        yield Answer(before + tagged(written) + after, shown, [written])


def several() -> Iterator[Answer]:
    for first, second in product(OBJECTS, OBJECTS):
        yield Answer(f"Two:\n{tagged(first)}\n{tagged(second)}\nDone.", "Two:", [first, second])
        yield Answer(tagged(f"[{first},\n {second}]"), "", [first, second])
        yield Answer(tagged(f"\n{first}\n{second}\n"), "", [first, second])


def in_code() -> Iterator[Answer]:
    for written, (mark, end) in product(OBJECTS, (("```\n", "\n```"), ("```json\n", "\n```\n"), ("~~~\n\n", "\n~~~"))):
        yield Answer(f"So:\n\n{mark}{tagged(written)}{end}", "So:", [written])
        yield Answer(f"{mark}{tagged(written)}\n{tagged(ADD)}{end}", "", [written, ADD])
        quoted = f"{mark}# as I would\n{tagged(written)}{end}\nIs that right?"
        yield Answer(quoted, quoted)
        yield Answer(quoted + "\n" + tagged(ADD), quoted, [ADD])
    yield Answer(f"Now `{tagged(ADD)}` then", "Now", [ADD])
    for quoted in (f"Write `{OPEN}` and `{CLOSE}`, so to say.", f"`as in {tagged(ADD)}` it goes"):
        yield Answer(quoted, quoted)
    yield Answer(f"it`s a tick\n{tagged(ADD)}", "it`s a tick", [ADD])
    yield Answer(f"in ```code``` a line\n{tagged(ADD)}", "in ```code``` a line", [ADD])


def cut() -> Iterator[Answer]:
    for written in OBJECTS:
        whole = tagged(written)
        for end in range(len("<tool"), len(OPEN + written), 4):
            yield Answer(f"Look: {whole[:end]}", "Look:", is_broken=True)
        for end in (len(whole) - 1, len(whole) - len(CLOSE)):
            yield Answer(f"Look: {whole[:end]}", "Look:", [written])


def broken() -> Iterator[Answer]:
    for written in ("add(1, 2)", "", "null", '"add"', "name: add", "<add>1</add>"):
        yield Answer(f"Well\n{tagged(written)} so be it", "Well", is_broken=True)
    for written in ('{"name": "a"b"}', '{"name": "add"', "{{}"):
        yield Answer(f"Well {tagged(written)}", "Well", is_broken=True)
    yield Answer("<tool_result>3</tool_result>It is 3.", "", is_broken=True)
    yield Answer("It is <tool_result name='x'>", "It is", is_broken=True)
    yield Answer(f"Oh {CLOSE} my", "Oh my")


def plain() -> Iterator[Answer]:
    texts = (
        "",
        " ",
        "Hello",
        "a<b",
        "a <",
        "x <to",
        "<b>bold</b> <tool>",
        "<tool_calls>",
        "1\n\n2\n",
        "`",
        "``` ",
        "~~gone~~",
    )
    for text in (
        *texts,
        "```\ncode\n```",
        "```py\nx = '`'\n",
        "~~~\na\n~~~ b",
        '{"name": "add"}',
        "a ` b\n` c",
        "```a`b\nc",
    ):
        yield Answer(text, text)


ANSWERS = [*well_formed(), *several(), *in_code(), *cut(), *broken(), *plain()]


def read(*pieces: str) -> Answer:
    reader = CallReader()
    shown = "".join([*map(reader.feed, pieces), reader.finish()])
    return Answer("".join(pieces), shown, reader.calls, reader.is_broken)


def test_there_are_two_hundred_answers() -> None:
    assert len({answer.text for answer in ANSWERS}) > 200


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_gives_its_calls_or_plain_text_wherever_it_is_split(answer: Answer) -> None:
    assert read(answer.text) == answer
    assert read(*answer.text) == answer
    for at in range(1, len(answer.text)):
        assert read(answer.text[:at], answer.text[at:]) == answer


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_what_was_shown_is_never_taken_back(answer: Answer) -> None:
    """Whatever the answer would go on with, what is shown of its beginning is the beginning of what is shown."""
    reader, shown = CallReader(), ""
    for letter in answer.text:
        shown += reader.feed(letter)
        assert answer.shown.startswith(shown)


WORDS = st.sampled_from(
    [
        OPEN,
        CLOSE,
        "<tool_result>",
        "</tool_result>",
        ADD,
        "{",
        "}",
        '"',
        "\\",
        "`",
        "```",
        "~~~",
        "\n",
        " ",
        "<",
        "a",
        "[",
        "]",
    ]
)


@PROPERTIES
@given(st.lists(WORDS, max_size=14))
def test_any_answer_is_read_alike_however_it_is_split(words: list[str]) -> None:
    text = "".join(words)
    whole = read(text)
    assert read(*words) == whole
    assert read(*text) == whole
    if "`" not in text and "~" not in text:
        assert OPEN not in whole.shown
        assert CLOSE not in whole.shown
