import io
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from codec_properties import PROPERTIES
from realcoze.faces.terminal.markdown import Answer, finished_blocks


def rendered(text: str) -> list[str]:
    paper = io.StringIO()
    Console(file=paper, width=60).print(Answer(text))
    return [line.rstrip() for line in paper.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a `vector<int>` of <b>bold</b> <T>", ["a vector<int> of <b>bold</b> <T>"]),
        ("<div>\nnot HTML\n</div>", ["<div>", "not HTML", "</div>"]),
        ("床前明月光\n疑是地上霜", ["床前明月光", "疑是地上霜"]),
        ("[here](http://a/b?c=d)", ["here (http://a/b?c=d)"]),
        ("![a cat](http://a/cat.png)", ["a cat (http://a/cat.png)"]),
        ("![](http://a/cat.png)", ["image (http://a/cat.png)"]),
        ("[![thumb](http://t)](http://full)", ["thumb (http://t) (http://full)"]),
        ("<http://a/b>", ["http://a/b"]),
        ("see [one]\n\n[one]: http://a/b", ["see one (http://a/b)"]),
        ("~~gone~~ **here** &amp; \\*so\\*", ["gone here & *so*"]),
        ("", []),
    ],
)
def test_nothing_that_a_bot_wrote_is_lost(text: str, lines: list[str]) -> None:
    assert rendered(text) == lines


def test_marks_become_what_they_mean() -> None:
    lines = rendered(
        "## Head\n\n| a | b |\n|---|--:|\n| 1 | 二 |\n\n```python\nx = 1\n```\n\n- one\n  1. two\n\n> said"
    )
    text = "\n".join(lines)
    assert not any(mark in text for mark in ("##", "|", "```", "- one"))
    for part in ("Head", " 1 ", "二", " x = 1", " • one", "1 two", "▌ said"):
        assert part in text


def test_all_blocks_but_the_last_are_finished() -> None:
    text = "# Head\n\npara\ngraph\n\n- one\n\n- two\n\n```\ncode\n\n"
    assert list(finished_blocks(text)) == ["# Head\n\n", "para\ngraph\n\n", "- one\n\n- two\n\n"]


def test_one_block_is_not_finished() -> None:
    assert list(finished_blocks("para")) == []
    assert list(finished_blocks("")) == []


def test_line_ends_that_markdown_does_not_know_are_no_line_ends() -> None:
    text = "```\none\x0btwo\u2028three\x85\n```\n\nlast"
    assert list(finished_blocks(text)) == ["```\none\x0btwo\u2028three\x85\n```\n\n"]


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("1. one\n\n1", ". two"),
        ("- one\n***", "two***"),
        ("one\n#", "two"),
        ("- one\n---", "-two"),
        ("one\n```", "two```"),
    ],
)
def test_a_line_that_may_yet_be_another_kind_of_line_finishes_nothing(text: str, more: str) -> None:
    assert list(finished_blocks(text)) == []
    assert list(finished_blocks(f"{text}{more}\n")) == []


def test_a_line_that_begins_with_a_letter_finishes_what_is_above_it() -> None:
    assert list(finished_blocks("- one\n\ntwo")) == ["- one\n\n"]
    assert list(finished_blocks("- one\n\n二")) == ["- one\n\n"]


MARKS = [*"1.#-*`>|=a一 \n", "    ", "\n\n", "```", "---", "|-|", "- a", "1. a"]


@settings(PROPERTIES, max_examples=300)
@given(st.lists(st.sampled_from(MARKS), min_size=4, max_size=12))
def test_nothing_more_is_added_to_a_finished_block(marks: list[str]) -> None:
    texts = ["".join(marks[:end]) for end in range(1, len(marks) + 1)]
    for before, after in pairwise(list(finished_blocks(text)) for text in texts):
        assert after[: len(before)] == before


@given(st.text(alphabet="ab\n #-`>|1.\u2028\t[]():", max_size=60))
def test_blocks_and_what_is_left_are_the_text(text: str) -> None:
    assert text.startswith("".join(finished_blocks(text)))
