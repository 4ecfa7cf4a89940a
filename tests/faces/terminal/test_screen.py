"""What stands on a terminal of a given size after each step, as pyte sees it; no process, no time."""

import io
from collections.abc import Sequence
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from codec_properties import PROPERTIES
from pty_terminal import drawn
from realcoze.domain.event import Step
from realcoze.emulator.script import _ARTICLE, split
from realcoze.faces.terminal.markdown import Answer
from realcoze.faces.terminal.printable import printable
from realcoze.faces.terminal.screen import REWRITTEN, AnswerScreen


class Paper(io.StringIO):
    """Standard output that is a terminal."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__()
        self.screen = pyte.HistoryScreen(columns, lines, history=10_000, ratio=0.5)
        self._stream = pyte.Stream(self.screen)
        self.console = Console(file=self, force_terminal=True, width=columns, height=lines, _environ={"TERM": "xterm"})

    def write(self, text: str) -> int:
        self._stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    @property
    def lines(self) -> list[str]:
        return drawn(self.screen)


def rendered(text: str, columns: int) -> list[str]:
    paper = io.StringIO()
    Console(file=paper, width=columns).print(Answer(text), end="")
    lines = [line.rstrip() for line in paper.getvalue().split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def show(paper: Paper, texts: Sequence[str]) -> None:
    """The answer at several moments, the last one whole."""
    with AnswerScreen(paper.console) as screen:
        for text in texts:
            screen.show(text)
        screen.finish(texts[-1])


def growing(text: str) -> list[str]:
    """As a terminal draws it: a few tokens more each time."""
    pieces = split(text)
    return ["".join(pieces[:end]) for end in range(4, len(pieces), 4)] + [text]


def test_a_spinner_until_there_is_something() -> None:
    paper = Paper(40, 10)
    with AnswerScreen(paper.console) as screen:
        screen.show("")
        assert paper.lines != []
        assert paper.screen.cursor.hidden
        screen.show("Hello")
        assert paper.lines == ["Hello"]
        screen.finish("Hello")
    assert paper.lines == ["Hello"]
    assert not paper.screen.cursor.hidden


def test_nothing_remains_of_an_answer_that_never_came() -> None:
    paper = Paper(40, 10)
    show(paper, [""])
    assert paper.lines == []


@pytest.mark.parametrize(("columns", "lines"), [(80, 100), (80, 24), (40, 10), (20, 3)])
def test_at_its_end_there_stands_what_the_whole_answer_is_rendered_to(columns: int, lines: int) -> None:
    paper = Paper(columns, lines)
    show(paper, growing(_ARTICLE))
    assert paper.lines == rendered(_ARTICLE, columns)


def test_at_every_moment_its_end_is_on_the_screen() -> None:
    paper = Paper(60, 12)
    with AnswerScreen(paper.console) as screen:
        for text in growing(_ARTICLE):
            screen.show(text)
            assert paper.lines[-5:] == rendered(text, 60)[-5:]
        screen.finish(_ARTICLE)


def test_what_has_scrolled_away_is_never_printed_twice() -> None:
    paper = Paper(60, 8)
    answer = "\n\n".join(f"Paragraph {number}." for number in range(100))
    show(paper, growing(answer))
    assert paper.lines == rendered(answer, 60)


def test_one_block_that_is_longer_than_the_screen() -> None:
    paper = Paper(60, 8)
    answer = "```\n" + "\n".join(f"line {number}" for number in range(40)) + "\n```\n"
    with AnswerScreen(paper.console) as screen:
        for text in growing(answer):
            screen.show(text)
        assert len(paper.lines) <= 8, "the block is not finished, so nothing is printed for good"
        screen.finish(answer)
    assert paper.lines == rendered(answer, 60)


def test_a_bot_that_takes_its_words_back() -> None:
    paper = Paper(40, 10)
    with AnswerScreen(paper.console) as screen:
        screen.show("I think so.")
        screen.show("On second thought")
        assert paper.lines == ["On second thought"]
        screen.finish("On second thought, no.")
    assert paper.lines == ["On second thought, no."]


def test_words_that_have_scrolled_away_cannot_be_taken_back() -> None:
    paper = Paper(40, 6)
    first = "\n\n".join(f"First {number}." for number in range(6))
    show(paper, [first, "Second."])
    assert paper.lines == [*rendered(first, 40)[:-2], REWRITTEN, "Second."]


def test_steps_stand_above_the_answer() -> None:
    paper = Paper(40, 10)
    with AnswerScreen(paper.console) as screen:
        screen.show("")
        screen.step(Step(kind="call", title="weather.lookup", body='{"city":\n "Berlin"}'))
        screen.show("")
        screen.step(Step(kind="recall", title="notes", body="\x1b[2Jsix"))
        screen.show("It is")
        screen.show("It is cold")
        assert paper.lines == ['→ weather.lookup {"city": "Berlin"}', "≡ notes [2Jsix", "", "It is cold"]
        screen.step(Step(kind="other", title="late", body=""))
        screen.finish("It is cold.")
    assert paper.lines[-2:] == ["", "It is cold."]
    assert "· late" in paper.lines


def test_a_bot_cannot_move_the_cursor() -> None:
    paper = Paper(40, 10)
    show(paper, ["safe\x1b[2J\x1b]0;title\x07\x9b31m"])
    assert paper.lines == ["safe[2J]0;title31m"]


def test_an_answer_that_does_not_change_is_not_drawn_again() -> None:
    paper = Paper(40, 10)
    written: list[str] = []
    write = paper.write
    paper.write = lambda text: written.append(text) or write(text)  # type: ignore[method-assign, func-returns-value]
    with AnswerScreen(paper.console) as screen:
        screen.show("Hello")
        written.clear()
        screen.show("Hello")
        assert written == []
        screen.finish("Hello")


def test_on_paper_there_is_only_the_answer() -> None:
    out = io.StringIO()
    with AnswerScreen(Console(file=out, width=40)) as screen:
        screen.show("")
        screen.show("Hel")
        screen.finish("Hello")
    assert out.getvalue() == "Hello\n"


def test_a_screen_that_becomes_wider_and_narrower() -> None:
    paper = Paper(60, 30)
    with AnswerScreen(paper.console) as screen:
        for place, text in enumerate(growing(_ARTICLE)):
            columns = (60, 90, 45)[place % 3]
            paper.console.width = columns
            paper.screen.resize(30, columns)
            screen.show(text)
        paper.console.width = 80
        paper.screen.resize(30, 80)
        screen.finish(_ARTICLE)
    assert paper.lines[-6:] == rendered(_ARTICLE, 80)[-6:]


def test_a_list_that_goes_on_after_an_empty_line_is_numbered_alike() -> None:
    paper = Paper(40, 5)
    answer = "# Head\n\n" + "\n\n".join(f"1. line {number}" for number in range(10))
    show(paper, [answer[:end] for end in range(1, len(answer))] + [answer])
    assert paper.lines == rendered(answer, 40)
    assert paper.lines[2] == "  1 line 0", "there is room for the two digits of the last number"


BLOCKS: Any = st.sampled_from(
    [
        "A paragraph of some words that is longer than one line.",
        "# Head",
        "## Second head",
        "- one\n- two\n  - three",
        "1. one\n2. two",
        "```python\ndef f() -> None:\n    pass\n```",
        "```\nnever closed",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "> quoted\n> more",
        "---",
        "    indented",
        "一个停下来的流从来不是成功。" * 3,
        "line\nline\nline",
        "<div>no html</div>",
        "\x0c\u2028\r\n\u0085",
        "[a](http://b) ![c](http://d)",
    ]
)


@settings(PROPERTIES, max_examples=60)
@given(
    st.lists(BLOCKS, min_size=1, max_size=6).map("\n\n".join),
    st.integers(3, 20),
    st.integers(20, 70),
    st.integers(7, 40),
)
def test_however_it_comes_the_lines_are_those_of_the_whole(text: str, lines: int, columns: int, bite: int) -> None:
    paper = Paper(columns, lines)
    show(paper, [text[:end] for end in range(bite, len(text), bite)] + [text])
    clean = printable(text)
    assert paper.lines == rendered(clean, columns)
