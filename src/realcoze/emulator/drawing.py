"""What an emulated bot draws: squares in one colour, mirrored, which a subject always has alike.

Nothing is kept: a picture is made anew of the subject in its address.
"""

import struct
import zlib
from hashlib import sha256
from urllib.parse import quote

ROUTE = "/drawn/{subject}.png"
SQUARES, SQUARE_PX = 8, 16
SIZE_PX = SQUARES * SQUARE_PX

_GROUND = b"\xf4\xf4\xf2"


def path_of(subject: str) -> str:
    """Where a picture of something stands on the emulator."""
    return f"/drawn/{quote(subject, safe='')}.png"


def drawn(subject: str) -> bytes:
    """The picture, a PNG."""
    digest = sha256(subject.encode(errors="replace")).digest()
    colour = bytes(64 + part // 2 for part in digest[:3])
    rows = []
    for pattern in digest[3 : 3 + SQUARES]:
        half = [colour if pattern >> bit & 1 else _GROUND for bit in range(SQUARES // 2)]
        line = b"".join(square * SQUARE_PX for square in (*half, *reversed(half)))
        rows.append((b"\0" + line) * SQUARE_PX)
    head = struct.pack(">IIBBBBB", SIZE_PX, SIZE_PX, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
