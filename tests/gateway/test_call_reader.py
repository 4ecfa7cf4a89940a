import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES
from realcoze.gateway.call_reader import CLOSE, LOOKAHEAD, OPEN, CallReader

ADD = '{"name": "add", "arguments": {"a": 1, "b": 2}}'
WRITE = '{"name": "write", "arguments": {"text": "a } \\" { </tool_call> ```\\n", "to": "é中"}}'
PRETTY = '{\n  "name": "add",\n  "arguments": {\n    "a": [1, {"b": {}}]\n  }\n}'
EMPTY = '{"name": "now", "arguments": {}}'
TICKED = '{"name": "write", "arguments": {"text": "`a` ```b``` \\"`"}}'
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


def beginning_with_code() -> Iterator[Answer]:
    call, second = tagged(ADD), tagged(EMPTY)
    yield Answer(f"```\n```\n{call}", "```\n```", [ADD])
    yield Answer(f"```py\n\n ```\n{call}\n```\n```\n{second}", "```py\n\n ```", [ADD, EMPTY])
    for code in (f"```{call}```", f"```json {call}\n```", f"``` {call}\n```", f"~~~xml\n{call}\n~~~", f"~~{call}~~"):
        yield Answer(code, "", [ADD])
        yield Answer(f"{code}\n{second}", "", [ADD, EMPTY])
        yield Answer(f"{code}\n```\n# so\n{second}\n```\n{second}", "", [ADD, EMPTY])
    yield Answer(f"as `\n{call}\n`\n{second}", "as", [ADD, EMPTY])
    yield Answer(f"`{call}\nor\n```\n{second}\n```\n{call}", "", [ADD, EMPTY, ADD])
    yield Answer(f"```\n{call}\n~~~ `x`\n{second}\n```\n{call}", "", [ADD, EMPTY, ADD])
    yield Answer(f"```a`b\n{call}", "```a`b", [ADD])
    yield Answer(f"~~~a`b\n# so\n{call}\n~~~", f"~~~a`b\n# so\n{call}\n~~~")


def with_lone_ticks() -> Iterator[Answer]:
    for written in (ADD, WRITE, TICKED, PRETTY):
        yield Answer(f"it`s so: {tagged(written)}", "it`s so:", [written])
        yield Answer(f"it``s `so`: {tagged(written)}\nand that`s it", "it``s `so`:", [written])
        yield Answer(f"it`s {tagged(written)} {tagged(TICKED)}", "it`s", [written, TICKED])
    for written in (ADD, WRITE, TICKED):
        for quoted in (f"`as {tagged(written)}` it goes", f"it`s ``as {tagged(written)}, {tagged(TICKED)}`` so"):
            yield Answer(quoted, quoted)
            yield Answer(f"{quoted}: {tagged(ADD)}", f"{quoted}:", [ADD])
    for quoted in (f"`as {OPEN}{{` begins it", f"`as <b> or {OPEN}`", f'`as {OPEN} "a" {CLOSE}, "` so', "`" * 4):
        yield Answer(quoted, quoted)
    yield Answer(f"it`s {OPEN}add()", "it`s", is_broken=True)


def near_misses() -> Iterator[Answer]:
    for begin, end in (
        ("<tool_call >", "</tool_call >"),
        ("<TOOL_CALL>", "</Tool_Call>"),
        ("<tool_call\n>", "</tool_call\n>"),
    ):
        for before, after in (("", ""), ("```\n", "\n```"), ("`", "`")):
            yield Answer(f"So {begin}{ADD}{end} it", "So", [ADD])
            yield Answer(f"{before}{begin}{ADD}{end}{after}", "", [ADD])
        quoted = f"`as {begin}{TICKED}{end}`" if "\n" not in begin else f"```\nas {begin}{TICKED}{end}\n```"
        yield Answer(quoted, quoted)
        yield Answer(f"Oh {end} my", "Oh my")
    for fence, end in (("```json\n", "\n```\n"), ("```", "```"), ("\n~~~ JSON\n", "\n~~~")):
        for written in OBJECTS:
            fenced = tagged(f"{fence}{written}{end}")
            yield Answer(f"So {fenced}", "So", [written])
            yield Answer(f"{fenced}\n{tagged(ADD)}", "", [written, ADD])
            yield Answer(f"`````\n{fenced}\n`````\n{tagged(ADD)}", "", [written, ADD])
            yield Answer(tagged(f"{fence}{written}{end}{fence}[{ADD}, {ADD}]{end}"), "", [written, ADD, ADD])
    for text in ("<tool_results>3</tool_results>", "<tool_calls>", "<tool_resultats", f"`{OPEN}` {{x}}"):
        yield Answer(text, text)
    for text in ('<tool_call name="add">{}', "<tool_call/>", "<tool_call tag", "<tool_call"):
        yield Answer(f"So {text}", "So", is_broken=True)
    for result in ("<tool_result>", "<tool_result name='x'>", "<TOOL_RESULT >", "<tool_result/>", "<tool_result"):
        yield Answer(f"So {result}", "So", is_broken=True)


def made_up() -> Iterator[Answer]:
    for result in ("<tool_result>3</tool_result>", "<tool_result name='x'>3", "<Tool_Result\nname='x'>3</tool_result>"):
        yield Answer(f"{tagged(ADD)}\n{result}\n{tagged(WRITE)}", "", [ADD])
        yield Answer(f"```\n{tagged(ADD)}\n{result}\n```\n{tagged(WRITE)}", "", [ADD])
        yield Answer(f"So {tagged(ADD)}{tagged(WRITE)}{result}{OPEN}add()", "So", [ADD, WRITE])
        yield Answer(f"So {result} {tagged(ADD)}", "So", is_broken=True)
    yield Answer(f"{tagged(ADD)}\n`as <tool_result>`\n{tagged(WRITE)}", "", [ADD, WRITE])


def unclosed() -> Iterator[Answer]:
    for mark, written in product(("```\n", "~~~py\n"), OBJECTS):
        for call in (tagged(written), f"{OPEN}{written}", OPEN, OPEN[:-2], f"{OPEN} [\n{{"):
            yield Answer(f"So\n{mark}# as I would\n{call}", f"So\n{mark}# as I would\n", is_broken=True)
        yield Answer(f"{tagged(ADD)}\n{mark}# as I would\n{tagged(written)}", "", [ADD])
    for text in (f"```\n# as {OPEN}add()", f"```\n# as {CLOSE}", "```\n# as <too"):
        yield Answer(text, text)
    yield Answer(f"Write `{OPEN}", "Write", is_broken=True)


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


ANSWERS = [
    *well_formed(),
    *several(),
    *in_code(),
    *beginning_with_code(),
    *with_lone_ticks(),
    *near_misses(),
    *made_up(),
    *unclosed(),
    *cut(),
    *broken(),
    *plain(),
]


def read(*pieces: str) -> Answer:
    reader = CallReader()
    shown = "".join([*map(reader.feed, pieces), reader.finish()])
    return Answer("".join(pieces), shown, reader.calls, reader.is_broken)


def test_there_are_four_hundred_answers() -> None:
    assert len({answer.text for answer in ANSWERS}) > 400


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
        tagged(EMPTY),
        tagged(f"```json\n{TICKED}\n```"),
        "<TOOL_CALL\n>",
        "<tool_result",
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
        "a\nb",
        "x" * (LOOKAHEAD - 200),
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
        assert not re.search(r"</?tool_call\b|<tool_result\b", whole.shown, re.IGNORECASE)


WAITS = [
    *(
        ("", "<"),
        ("a", " "),
        ("a", "`"),
        ("a", "~"),
        ("", "~"),
        ("```", "\n"),
        ("```", "x"),
        ("it`s ", "x"),
        ("it`s ", "`` "),
    ),
    *(
        (OPEN, " "),
        (OPEN[:-1], "\n"),
        (tagged(ADD), "\n"),
        (OPEN + ADD, ","),
        (OPEN + "```json", "\n"),
        (OPEN + "```", "`"),
    ),
    *((OPEN + '{"a": "', "x"), (OPEN + '{"a": "', "\\"), (OPEN + "{", "{"), (OPEN + "[", "[")),
    *((f"```\n# so\n{OPEN}{{", "x"), (f'it`s {OPEN}{{"', "x"), (f"`as {tagged(TICKED)}", "x"), (f"`as {OPEN}", '"')),
]


@pytest.mark.parametrize(("begin", "more"), WAITS)
def test_what_waits_is_not_read_again_from_the_first_letter_on(begin: str, more: str) -> None:
    reader = CallReader()
    reader.feed(begin)
    for letter in more * (3 * LOOKAHEAD):
        reader.feed(letter)
        assert len(reader._text) - reader._at <= LOOKAHEAD


@pytest.mark.parametrize("begin", ["it`s ", "```", "~~~", "a ``b`", "x <"])
def test_words_do_not_wait_for_long(begin: str) -> None:
    reader, words = CallReader(), begin + "one or another " * LOOKAHEAD
    shown = "".join(map(reader.feed, words))
    assert words.startswith(shown)
    assert len(words) - len(shown) <= LOOKAHEAD


@pytest.mark.parametrize("more", [0, 1])
def test_code_within_a_line_is_no_longer_than_what_is_looked_at(more: int) -> None:
    within = f"as {tagged(ADD)}"
    within += "x" * (LOOKAHEAD - len(within) - 1 + more)
    shown, calls = ("`as", [ADD]) if more else (f"`{within}`", [])
    answer = Answer(f"`{within}`", shown, calls)
    assert read(answer.text) == read(*answer.text) == answer
