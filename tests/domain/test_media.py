import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near
from pictures import (
    PDF,
    bmp,
    bmp_of_os2,
    gif,
    jpeg,
    png,
    segment,
    webp,
    webp_extended,
    webp_lossless,
    webp_lossy,
)
from realcoze.domain.media import JPEG_SEGMENTS, Media, media_of, size_in_words

EXIF = segment(0xE1, b"Exif\0\0" + b"\xff\xc0" * 20)
"""What a camera writes, with what looks like a frame inside."""

PICTURES = {
    "png": ("image/png", ".png", png(7, 9), (7, 9)),
    "jpeg": ("image/jpeg", ".jpg", jpeg(640, 480), (640, 480)),
    "progressive jpeg": ("image/jpeg", ".jpg", jpeg(640, 480, start=0xC2), (640, 480)),
    "jpeg of a camera": ("image/jpeg", ".jpg", jpeg(3, 65535, before=EXIF + segment(0xDB, bytes(65))), (3, 65535)),
    "jpeg with fill bytes": ("image/jpeg", ".jpg", jpeg(5, 6, before=b"\xff\xff\xff" + EXIF + b"\xff\xff"), (5, 6)),
    "jpeg with tables": (
        "image/jpeg",
        ".jpg",
        jpeg(5, 6, before=segment(0xC4, bytes(9)) + b"\xff\x01\xff\xd0"),
        (5, 6),
    ),
    "jpeg with a segment of no length": ("image/jpeg", ".jpg", jpeg(5, 6, before=b"\xff\xe0\0\0"), (5, 6)),
    "gif": ("image/gif", ".gif", gif(300, 2), (300, 2)),
    "old gif": ("image/gif", ".gif", gif(300, 2, version=b"87a"), (300, 2)),
    "webp": ("image/webp", ".webp", webp_lossy(400, 301), (400, 301)),
    "lossless webp": ("image/webp", ".webp", webp_lossless(16384, 1), (16384, 1)),
    "extended webp": ("image/webp", ".webp", webp_extended(70_000, 1 << 24), (70_000, 1 << 24)),
    "bmp": ("image/bmp", ".bmp", bmp(12, 34), (12, 34)),
    "bmp from the top down": ("image/bmp", ".bmp", bmp(12, -34), (12, 34)),
    "bmp of OS/2": ("image/bmp", ".bmp", bmp_of_os2(12, 34), (12, 34)),
}


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("name", ["", "picture", "picture.pdf", "picture.png", "../../etc/passwd"])
def test_a_picture_is_what_its_bytes_are_whatever_its_name(kind: str, name: str) -> None:
    """CLIENTS §5 item 16."""
    content_type, extension, data, size_px = PICTURES[kind]
    media = media_of(data, name)
    assert media == Media(content_type=content_type, extension=extension, size_px=size_px)
    assert media.is_picture


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_ends_before_its_size_is_none(kind: str) -> None:
    """Whether it is cut before the size or after it: there is no third."""
    *_, data, size_px = PICTURES[kind]
    sizes = [media_of(data[:length]).size_px for length in range(len(data) + 1)]
    whole = next(length for length, size in enumerate(sizes) if size is not None)
    assert sizes == [None] * whole + [size_px] * (len(data) + 1 - whole)


@pytest.mark.parametrize(
    "data",
    [
        b"BMW is a car maker of Munich, and this is a text of some length.",
        b"BM",
        b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x04CgBI" + bytes(20),
        webp(b"VP8 ", bytes(20)),
        webp(b"VP8L", bytes(20)),
        webp(b"ANIM", bytes(20)),
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8" + b"\xff" * JPEG_SEGMENTS + jpeg(5, 6)[2:],
        b"\xff\xd8" + b"\xff\x01" * JPEG_SEGMENTS + jpeg(5, 6)[2:],
        b"\xff\xd8\xff\xda\0\2 and no frame at all",
        b"GIF90a" + bytes(20),
    ],
)
def test_what_only_begins_like_a_picture_is_none(data: bytes) -> None:
    assert media_of(data, "data.txt") == Media(content_type="application/octet-stream", extension=".txt")


def test_a_pdf_is_known_by_its_bytes() -> None:
    for name in ("", "report.pdf", "report.png"):
        assert media_of(PDF, name) == Media(content_type="application/pdf", extension=".pdf")


@pytest.mark.parametrize("data", [b"", b"hello", "你好".encode()])
@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("notes.txt", ".txt"),
        ("NOTES.TXT", ".txt"),
        ("archive.tar.gz", ".gz"),
        ("a.12345678", ".12345678"),
        ("a.123456789", ".bin"),
        ("notes", ".bin"),
        (".bashrc", ".bin"),
        ("notes.", ".bin"),
        ("notes.t/t", ".bin"),
        ("notes.文", ".bin"),
        ("notes.²", ".bin"),
        ("", ".bin"),
    ],
)
def test_other_files_keep_an_extension_that_is_one(data: bytes, name: str, extension: str) -> None:
    media = media_of(data, name)
    assert media == Media(content_type="application/octet-stream", extension=extension)
    assert not media.is_picture


MAGIC = [data[:30] for *_, data, _ in PICTURES.values()]


@PROPERTIES
@given(st.binary(max_size=64) | bytes_near(*MAGIC, b"\xff\xd8\xff", b"\xff\xc0\0\x0b\x08", b"RIFF", b"WEBP", b"BM"))
def test_any_bytes_are_something(data: bytes) -> None:
    media = media_of(data, "name.bin")
    assert media.is_picture == media.content_type.startswith("image/")


@PROPERTIES
@given(st.sampled_from(MAGIC), st.binary(max_size=40), st.text(max_size=12))
def test_any_bytes_after_any_beginning_are_something(magic: bytes, data: bytes, name: str) -> None:
    assert media_of(magic + data, name).extension.startswith(".")


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(20 << 20, "20 MiB"), (64 << 10, "64 KiB"), ((1 << 20) + 1024, "1025 KiB"), (1000, "1000 bytes"), (0, "0 bytes")],
)
def test_a_size_in_words_is_exact(size_bytes: int, words: str) -> None:
    assert size_in_words(size_bytes) == words


@pytest.mark.parametrize(
    ("data", "content_type", "extension"),
    [
        (b"%PDF-1.7", "application/pdf", ".pdf"),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(20), "audio/wav", ".wav"),
        (b"OggS" + bytes(20), "audio/ogg", ".ogg"),
        (b"ID3\x04" + bytes(20), "audio/mpeg", ".mp3"),
        (b"\xff\xfb\x90" + bytes(20), "audio/mpeg", ".mp3"),
    ],
)
def test_documents_and_sounds_are_known_by_their_first_bytes(data: bytes, content_type: str, extension: str) -> None:
    media = media_of(data, "holiday.jpg")
    assert (media.content_type, media.extension, media.is_picture) == (content_type, extension, False)
