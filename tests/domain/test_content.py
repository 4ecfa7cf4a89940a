from typing import get_args

import pytest

from realcoze.domain.content import Audio, File, Image, Inline, Part, Text, written
from realcoze.domain.tool import ToolCall, ToolResult


def test_a_part_is_a_text_a_picture_a_file_a_sound_what_is_to_be_uploaded_or_of_a_tool() -> None:
    assert get_args(Part) == (Text, Image, File, Audio, Inline, ToolCall, ToolResult)


def test_parts_are_values() -> None:
    assert Image(key="tos/a.jpg") == Image(key="tos/a.jpg")
    assert len({Text(text="a"), Text(text="a"), Text(text="b")}) == 2
    with pytest.raises(AttributeError, match="immutable"):
        Text(text="a").text = "b"  # type: ignore[misc]


def test_a_picture_a_file_and_a_sound_of_one_key_differ() -> None:
    assert len({Image(key="k"), File(key="k"), Audio(key="k")}) == 3


def test_a_file_that_came_with_a_question_shows_its_name_and_not_its_bytes() -> None:
    assert repr(Inline(data=b"secret", name="x.png")) == "Inline(name='x.png')"


@pytest.mark.parametrize("part", [Inline(data=b"x"), ToolResult(call_id="c", output="o")])
def test_what_no_protocol_has_a_place_for_is_never_written(part: Part) -> None:
    parts = (Text(text="Look"), Image(key="k"))
    assert written(iter(parts)) == parts
    with pytest.raises(TypeError, match="no protocol"):
        written((*parts, part))
