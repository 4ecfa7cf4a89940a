"""What a file is, from its bytes: its type, and the size of a picture in pixels.

A name or a declared type is never believed: Coze refuses a JPEG that is called a PNG.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG segment that holds the size: all starts of frame."""

JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that stand without a length."""

JPEG_SEGMENTS = 1000
"""Looked through for the one that holds the size; a file may be nothing but markers."""

BMP_CORE = 12
"""Length of the oldest header of a BMP, whose numbers are shorter."""

BMP_HEADERS = frozenset({BMP_CORE, 16, 40, 52, 56, 64, 108, 124})


VP8_MARK, VP8L_MARK = b"\x9d\x01\x2a", 0x2F
"""What stands before the size in a WebP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """`extension` with its dot; `size_px` is width and height of a picture, None where it is none."""

    content_type: str
    extension: str
    size_px: tuple[int, int] | None = None

    @property
    def is_picture(self) -> bool:
        return self.size_px is not None


def media_of(data: bytes, name: str = "") -> Media:
    """What `data` is.  For what is no picture, the name's own extension is kept."""
    for content_type, extension, magic, size in _PICTURES:
        if magic(data):
            try:
                size_px = size(data)
            except struct.error:
                break
            if size_px is not None:
                return Media(content_type=content_type, extension=extension, size_px=size_px)
    for content_type, extension, is_it in _OTHERS:
        if is_it(data):
            return Media(content_type=content_type, extension=extension)
    stem, dot, last = name.rpartition(".")
    if dot and stem and last.isalnum() and last.isascii() and len(last) <= 8:
        return Media(content_type="application/octet-stream", extension=f".{last.lower()}")
    return Media(content_type="application/octet-stream", extension=".bin")


def size_in_words(size_bytes: int) -> str:
    """A size, exactly: in the largest of MiB, KiB and bytes in which it is a whole number."""
    for unit, each_bytes in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes and size_bytes % each_bytes == 0:
            return f"{size_bytes // each_bytes} {unit}"
    return f"{size_bytes} bytes"


def _png(data: bytes) -> tuple[int, int] | None:
    kind, width, height = struct.unpack_from(">4sII", data, 12)
    return (width, height) if kind == b"IHDR" else None


def _gif(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _bmp(data: bytes) -> tuple[int, int] | None:
    """Its two letters begin many a text; the length of its header, which comes next, does not."""
    header_bytes = struct.unpack_from("<I", data, 14)[0]
    if header_bytes not in BMP_HEADERS:
        return None
    width, height = struct.unpack_from("<HH" if header_bytes == BMP_CORE else "<ii", data, 18)
    return abs(width), abs(height)


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(JPEG_SEGMENTS):
        if at + 4 > len(data) or data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in JPEG_ALONE:
            at += 2
        elif marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        else:
            at += 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, more, height, rest = struct.unpack_from("<HBHB", data, 24)
        return 1 + (width | more << 16), 1 + (height | rest << 16)
    if kind == b"VP8L":
        mark, bits = struct.unpack_from("<BI", data, 20)
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) if mark == VP8L_MARK else None
    if kind == b"VP8 ":
        mark, width, height = struct.unpack_from("<3sHH", data, 23)
        return (width & 0x3FFF, height & 0x3FFF) if mark == VP8_MARK else None
    return None


_PICTURES: tuple[tuple[str, str, Callable[[bytes], bool], Callable[[bytes], tuple[int, int] | None]], ...] = (
    ("image/png", ".png", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    ("image/jpeg", ".jpg", lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    ("image/gif", ".gif", lambda data: data[:6] in (b"GIF87a", b"GIF89a"), _gif),
    ("image/webp", ".webp", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
    ("image/bmp", ".bmp", lambda data: data.startswith(b"BM"), _bmp),
)

_OTHERS: tuple[tuple[str, str, Callable[[bytes], bool]], ...] = (
    ("application/pdf", ".pdf", lambda data: data.startswith(b"%PDF-")),
    ("audio/wav", ".wav", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WAVE"),
    ("audio/ogg", ".ogg", lambda data: data.startswith(b"OggS")),
    ("audio/mpeg", ".mp3", lambda data: data.startswith((b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"))),
)
