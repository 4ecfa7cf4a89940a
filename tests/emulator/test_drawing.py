import zlib

from realcoze.domain.media import Media, media_of
from realcoze.emulator.drawing import SIZE_PX, drawn, path_of


def test_a_drawing_is_a_picture_that_every_reader_takes() -> None:
    data = drawn("a cat")
    assert media_of(data) == Media(content_type="image/png", extension=".png", size_px=(SIZE_PX, SIZE_PX))
    body = data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8]
    assert len(zlib.decompress(body)) == SIZE_PX * (1 + 3 * SIZE_PX)


def test_a_subject_always_looks_alike_and_no_two_do() -> None:
    assert drawn("a cat") == drawn("a cat")
    assert len({drawn(subject) for subject in ("a cat", "a dog", "猫", "")}) == 4


def test_its_address_has_the_subject() -> None:
    assert path_of("a cat/dog?") == "/drawn/a%20cat%2Fdog%3F.png"
    assert path_of("猫") == "/drawn/%E7%8C%AB.png"
