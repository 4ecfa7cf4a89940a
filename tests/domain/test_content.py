from typing import get_args

import pytest

from realcoze.domain.content import Audio, File, Image, Inline, Part, Text, uploaded


def test_a_part_is_a_text_a_picture_a_file_a_sound_or_what_is_to_be_uploaded() -> None:
    assert get_args(Part) == (Text, Image, File, Audio, Inline)


def test_parts_are_values() -> None:
    assert Image(key="tos/a.jpg") == Image(key="tos/a.jpg")
    assert len({Text(text="a"), Text(text="a"), Text(text="b")}) == 2
    with pytest.raises(AttributeError, match="immutable"):
        Text(text="a").text = "b"  # type: ignore[misc]


def test_a_picture_a_file_and_a_sound_of_one_key_differ() -> None:
    assert len({Image(key="k"), File(key="k"), Audio(key="k")}) == 3


def test_a_file_that_came_with_a_question_shows_its_name_and_not_its_bytes() -> None:
    assert repr(Inline(data=b"secret", name="x.png")) == "Inline(name='x.png')"


def test_what_is_to_be_uploaded_is_never_written() -> None:
    parts = (Text(text="Look"), Image(key="k"))
    assert uploaded(iter(parts)) == parts
    with pytest.raises(TypeError, match="not uploaded"):
        uploaded((*parts, Inline(data=b"x")))
