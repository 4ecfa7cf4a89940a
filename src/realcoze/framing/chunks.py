"""Chunks of HTTP/1.1 (RFC 9112, 7.1) of usual sizes, one at a time, both ways.

A token of a streamed answer comes as one chunk and goes as one.  A parser reads any chunk, with a dozen objects
of its own for each connection, none of which a token finds in the caches (docs/decisions/0022).
"""

USUAL_BYTES = 4096

_END = b"\r\n"
_HEADS = tuple(b"%x\r\n" % size for size in range(USUAL_BYTES))


def _heads_by_length() -> tuple[bytes | None, ...]:
    heads: list[bytes | None] = [None] * (USUAL_BYTES + len(_HEADS[-1]) + len(_END))
    for size, head in enumerate(_HEADS[1:], start=1):  # one of no bytes ends the body
        heads[len(head) + size + len(_END)] = head
    return tuple(heads)


_HEADS_BY_LENGTH = _heads_by_length()
"""Length of a whole chunk → what it begins with; None for a length that none has."""


def chunk_of(data: bytes) -> bytes:
    """The chunk that carries `data`, which must not be empty."""
    size = len(data)
    return b"".join((_HEADS[size] if size < USUAL_BYTES else b"%x\r\n" % size, data, _END))


def only_chunk(received: bytes) -> bytes | None:
    """What `received` carries, if it is one whole chunk and nothing else.

    None also for a chunk that is none of the usual ones, and is for a parser to read: a large or an empty one, one
    with extensions, capital letters or leading zeros.
    """
    length = len(received)
    head = _HEADS_BY_LENGTH[length] if length < len(_HEADS_BY_LENGTH) else None
    if head is None:
        return None
    carried = received.removeprefix(head).removesuffix(_END)
    return carried if len(carried) + len(head) + len(_END) == length else None
