import json

import pytest

from realcoze.dialects.deltas import DELTA_CHARACTERS, deltas_of, write_deltas


@pytest.mark.parametrize("text", ["", "Hi", '"\\\n\t', "你", "\u2028\u0085", "\x7f\ud7ff"])
def test_a_text_stands_between_the_two_as_a_string_of_json(text: str) -> None:
    delta = deltas_of(b"<", b">\n", text)
    assert json.loads(delta[1:-2]) == text
    assert (delta[:1], delta[-2:]) == (b"<", b">\n")


@pytest.mark.parametrize("line_break", ["\n", "\r", "\u0085", "\u2028", "\u2029"])
def test_no_client_finds_a_line_break_in_it(line_break: str) -> None:
    """RELIABILITY U15."""
    assert len(deltas_of(b"", b"", f"a{line_break}b").decode().splitlines()) == 1


def test_a_long_text_becomes_several_each_written_for_itself() -> None:
    written = list[bytes]()
    text = "a" * DELTA_CHARACTERS + "b" * DELTA_CHARACTERS + "c"
    write_deltas(written.append, b"<", b">", text)
    assert [json.loads(each[1:-1]) for each in written] == ["a" * DELTA_CHARACTERS, "b" * DELTA_CHARACTERS, "c"]
    assert deltas_of(b"<", b">", text) == b"".join(written)
