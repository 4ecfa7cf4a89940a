from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from realcoze.domain.content import Audio, File, Image, Part, Text


def test_a_part_is_a_text_a_picture_a_file_or_a_sound() -> None:
    assert get_args(Part) == (Text, Image, File, Audio)


def test_parts_are_values() -> None:
    assert Image(key="tos/a.jpg") == Image(key="tos/a.jpg")
    assert len({Text(text="a"), Text(text="a"), Text(text="b")}) == 2
    with pytest.raises(FrozenInstanceError):
        Text(text="a").text = "b"  # type: ignore[misc]


def test_a_picture_a_file_and_a_sound_of_one_key_differ() -> None:
    assert len({Image(key="k"), File(key="k"), Audio(key="k")}) == 3
