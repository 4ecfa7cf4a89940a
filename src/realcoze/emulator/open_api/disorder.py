"""Streams whose events come otherwise than they should, or look otherwise; pure.

Source: docs/protocol/openapi-v3.md §6; the WHATWG's rules of server-sent events for the framings.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from realcoze.dialects.coze_open.stream import COMPLETED, ENDS, ERROR, MESSAGE
from realcoze.dialects.coze_open.template import DELTA
from realcoze.dialects.coze_open.workflow_stream import DONE
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import GAP, Block
from realcoze.emulator.open_api.fault import number

Chunk = tuple[bytes, int]
"""Bytes, and to how many blocks the chat must have come before they go out."""

TINY = 100_000
ELSEWHERE = "7399999999999999999"
STRANGERS_TEXT = "This was said to somebody else."
_IDS = re.compile(rb'"((?:\w+_)?id)":"(\d+)"')
_SPARE = frozenset({"meta_data", "last_error", "usage", "section_id", "created_at", "updated_at", "completed_at"})
_CONVERSATION = re.compile(rb'"conversation_id":"\d+"')


def disordered(blocks: Sequence[Block], at: int, fault: Fault) -> Iterator[Chunk]:
    """What goes out instead; `at` is the place of the fault."""
    chunks = [(block.data, place) for place, block in enumerate(blocks, start=1)]
    if fault.name in _LOOKS:
        for place, (data, due) in enumerate(chunks):
            yield _LOOKS[fault.name](data, place, fault), due
    elif fault.name in _ORDERS:
        yield from _ORDERS[fault.name](chunks, blocks, at, fault)
    else:
        yield from chunks


def _crlf(data: bytes, _place: int, _fault: Fault) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _cr(data: bytes, _place: int, _fault: Fault) -> bytes:
    return data.replace(b"\n", b"\r")


def _spaces(data: bytes, _place: int, _fault: Fault) -> bytes:
    return data.replace(b"event:", b"event: ", 1).replace(b"\ndata:", b"\ndata: ", 1)


def _bom(data: bytes, place: int, _fault: Fault) -> bytes:
    return data if place else b"\xef\xbb\xbf" + data


def _comments(data: bytes, _place: int, _fault: Fault) -> bytes:
    return b": keep-alive\n\n" + data.replace(b"\ndata:", b"\n: in between\ndata:", 1)


def _fields(data: bytes, place: int, _fault: Fault) -> bytes:
    return b"id:%d\nretry:3000\nnonsense:x\nflag\n%b" % (place, data)


def _lines(data: bytes, _place: int, _fault: Fault) -> bytes:
    return data.replace(b',"', b',\ndata:"', 1)


def _elsewhere(data: bytes, _place: int, _fault: Fault) -> bytes:
    return _CONVERSATION.sub(b'"conversation_id":"%b"' % ELSEWHERE.encode(), data)


def _numbers(data: bytes, _place: int, _fault: Fault) -> bytes:
    return _IDS.sub(rb'"\1":\2', data)


def _sparse(data: bytes, _place: int, _fault: Fault) -> bytes:
    name, _, told = data.partition(b"\ndata:")
    if not told.startswith(b"{"):
        return data
    kept = {key: value for key, value in msgspec.json.decode(told).items() if key not in _SPARE}
    return b"%b\ndata:%b\n\n" % (name, msgspec.json.encode(kept))


_LOOKS: dict[str, Callable[[bytes, int, Fault], bytes]] = {
    "spaces": _spaces,
    "crlf": _crlf,
    "cr": _cr,
    "bom": _bom,
    "comments": _comments,
    "fields": _fields,
    "lines": _lines,
    "elsewhere": _elsewhere,
    "numbers": _numbers,
    "sparse": _sparse,
}
"""The same events, each looking otherwise."""


def _before(chunks: Sequence[Chunk], at: int, *more: bytes) -> Iterator[Chunk]:
    """The chunks, with some more before one of them."""
    yield from chunks[:at]
    yield from ((data, at) for data in more)
    yield from chunks[at:]


def _tiny(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, fault: Fault) -> Iterator[Chunk]:
    return _before(chunks, at, b"event:ping\ndata:{}\n\n" * number(fault, TINY))


def _drop(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, _fault: Fault) -> Iterable[Chunk]:
    return [*chunks[:at], *chunks[at + 1 :]]


def _duplicate(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, _fault: Fault) -> Iterable[Chunk]:
    return [*chunks[: at + 1], *chunks[at:]]


def _twice(chunks: Sequence[Chunk], blocks: Sequence[Block], _at: int, _fault: Fault) -> Iterator[Chunk]:
    for chunk, block in zip(chunks, blocks, strict=True):
        yield chunk
        if block.name in (MESSAGE, COMPLETED):
            yield chunk


def _reorder(chunks: Sequence[Chunk], blocks: Sequence[Block], at: int, _fault: Fault) -> Iterable[Chunk]:
    if at + 1 >= len(blocks) or blocks[at + 1].name != DELTA:
        at -= 1
    (one, _), (other, due) = chunks[at], chunks[at + 1]
    return [*chunks[:at], (other, due), (one, due), *chunks[at + 2 :]]


def _late(chunks: Sequence[Chunk], blocks: Sequence[Block], at: int, _fault: Fault) -> Iterator[Chunk]:
    complete = [place for place, block in enumerate(blocks) if block.name == MESSAGE and place > at]
    return _before(chunks, complete[0] + 1 if complete else len(chunks), blocks[at].data)


def _hasty(chunks: Sequence[Chunk], blocks: Sequence[Block], _at: int, _fault: Fault) -> Iterable[Chunk]:
    end = [block.name for block in blocks].index(COMPLETED)
    return [*chunks[:end], *((data, end) for data, _ in chunks[end + 1 :]), chunks[end]]


def _stranger(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, _fault: Fault) -> Iterator[Chunk]:
    said = {"id": "7300000000000000001", "chat_id": "7300000000000000002", "conversation_id": ELSEWHERE}
    words = {"role": "assistant", "type": "answer", "content": STRANGERS_TEXT, "content_type": "text"}
    return _before(chunks, at, _event(DELTA, {**said, **words}))


def _truncated(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, _fault: Fault) -> Iterable[Chunk]:
    data, due = chunks[at]
    return [*chunks[:at], (data[: -len(data) // 3].rstrip(b"\\") + GAP, due), *chunks[at + 1 :]]


def _unknown(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, _fault: Fault) -> Iterator[Chunk]:
    dream = {"id": "7300000000000000003", "role": "assistant", "type": "dream", "content": "sheep"}
    return _before(
        chunks,
        at,
        _event("conversation.message.dreamt", {"of": "sheep"}),
        _event(MESSAGE, dream),
        _event("conversation.chat.dreaming", {"status": "dreaming"}),
        _event("weather", "fine"),
    )


def _error(chunks: Sequence[Chunk], _blocks: Sequence[Block], at: int, fault: Fault) -> Iterator[Chunk]:
    told: object = {"code": number(fault, 4013), "msg": "asked for"}
    if fault.value == "empty":
        told = {}
    elif fault.value == "word":
        told = {"code": "4013", "msg": "asked for"}
    yield from chunks[:at]
    yield _event(ERROR, told), at


def _without(names: frozenset[str]) -> Callable[[Sequence[Chunk], Sequence[Block], int, Fault], Iterator[Chunk]]:
    def without(chunks: Sequence[Chunk], blocks: Sequence[Block], _at: int, _fault: Fault) -> Iterator[Chunk]:
        return (chunk for chunk, block in zip(chunks, blocks, strict=True) if block.name not in names)

    return without


def _abrupt(chunks: Sequence[Chunk], _blocks: Sequence[Block], _at: int, _fault: Fault) -> Iterable[Chunk]:
    data, due = chunks[-1]
    return [*chunks[:-1], (data.rstrip(b"\n"), due)]


def _ending(chunks: Sequence[Chunk], _blocks: Sequence[Block], _at: int, fault: Fault) -> Iterable[Chunk]:
    told = {"empty": b"{}", "plain": b"[DONE]"}.get(fault.value, b'{"debug_url":"https://www.coze.com/debug"}')
    name = chunks[-1][0].partition(b"\n")[0]
    return [*chunks[:-1], (b"%b\ndata:%b\n\n" % (name, told), chunks[-1][1])]


_ORDERS: dict[str, Callable[[Sequence[Chunk], Sequence[Block], int, Fault], Iterable[Chunk]]] = {
    "tiny": _tiny,
    "drop": _drop,
    "duplicate": _duplicate,
    "twice": _twice,
    "reorder": _reorder,
    "late": _late,
    "hasty": _hasty,
    "stranger": _stranger,
    "truncated": _truncated,
    "unknown": _unknown,
    "error": _error,
    "unfinished": _without(frozenset({COMPLETED})),
    "undone": _without(ENDS | DONE),
    "abrupt": _abrupt,
    "ending": _ending,
}
"""Events missing, out of their order, or that do not belong here."""


def _event(name: str, data: object) -> bytes:
    return b"event:%b\ndata:%b\n\n" % (name.encode(), msgspec.json.encode(data))
