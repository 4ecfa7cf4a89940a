"""Frontier: the protobuf `Frame` around each push of Coze's 2024 websocket, both ways.

One websocket message is one Frame.  `FrontierReader` never raises: whatever a server sends, it
gives payloads or counts what it ignored, so that no message can end the task that reads the socket.
Above it the playground dialect reads the payload; below it a websocket delivers the messages.

Source: docs/protocol/playground-2024.md §4.2 and §4.3.  The field numbers are certain for Frontier
and inferred for Coze, hence the fallback: the bytes from the first `{` to the last `}`.
"""

import zlib
from collections import OrderedDict
from dataclasses import dataclass

from realcoze.framing.limits import INFLATED_BYTES, SOCKET_MESSAGE_BYTES

HEARTBEAT = "hi"
"""The text message by which either side shows that it is there."""

SEEN_SEQ_IDS = 4096
PARTIAL_MESSAGES = 16
PARTS = 1024
"""The most frames that one payload may be split over."""

_CONTROL = 0
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_UINT64 = (1 << 64) - 1


class BadFrame(ValueError):
    """The bytes are no Frame; only this module's callers in tests ever see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """proto2 `Frame`.  Fields 1 to 4 are required and written even when 0; the rest may be absent."""

    seq_id: int
    log_id: int
    service: int
    method: int
    headers: tuple[tuple[str, str], ...] = ()
    payload_encoding: str | None = None
    payload_type: str | None = None
    payload: bytes | None = None
    log_id_new: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What one push carries: the text of one JSON object, not yet parsed.

    `seq_id` is None where the message was no Frame.
    """

    seq_id: int | None
    data: bytes


def encode_frame(frame: Frame) -> bytes:
    """The bytes of one websocket message."""
    out = bytearray()
    for number, value in enumerate((frame.seq_id, frame.log_id, frame.service, frame.method), start=1):
        _put_varint(out, number << 3 | _VARINT)
        _put_varint(out, value & _UINT64)
    for key, text in frame.headers:
        header = bytearray()
        _put_bytes(header, 1, key.encode())
        _put_bytes(header, 2, text.encode())
        _put_bytes(out, 5, bytes(header))
    for number, optional in (
        (6, _utf8(frame.payload_encoding)),
        (7, _utf8(frame.payload_type)),
        (8, frame.payload),
        (9, _utf8(frame.log_id_new)),
    ):
        if optional is not None:
            _put_bytes(out, number, optional)
    return bytes(out)


def decode_frame(data: bytes) -> Frame:
    """The Frame in one websocket message.  Raises `BadFrame`; unknown fields are passed over."""
    numbers: dict[int, int] = {}
    texts: dict[int, bytes] = {}
    headers: list[tuple[str, str]] = []
    at, end = 0, len(data)
    while at < end:
        number, value, at = _field(data, at)
        if number == 5 and isinstance(value, bytes):
            headers.append(_header(value))
        elif isinstance(value, int):
            numbers[number] = value
        else:
            texts[number] = value
    try:
        seq_id, log_id, service, method = (numbers[number] for number in (1, 2, 3, 4))
    except KeyError as missing:
        raise BadFrame(f"field {missing} is missing") from None
    return Frame(
        seq_id=seq_id,
        log_id=log_id,
        service=_int32(service),
        method=_int32(method),
        headers=tuple(headers),
        payload_encoding=_text(texts.get(6)),
        payload_type=_text(texts.get(7)),
        payload=texts.get(8),
        log_id_new=_text(texts.get(9)),
    )


class FrontierReader:
    """Reads the messages of one socket; a new socket wants a new reader.

    A SeqID that was seen is dropped (0 means that the server numbers nothing).  A payload that is
    split over several frames (headers `sum`, `seq`, `message_id`) is put together, with room for
    the parts of `PARTIAL_MESSAGES` of them, and has the SeqID of the part that completed it.
    """

    def __init__(self) -> None:
        self.heartbeats = 0
        self.ignored = 0
        """Messages that held nothing we can use."""
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._parts: OrderedDict[str, dict[int, bytes]] = OrderedDict()

    def feed(self, message: bytes | str) -> list[Payload]:
        """Read one websocket message, binary or text; gives no payload or one."""
        if isinstance(message, str):
            if message in ("", HEARTBEAT):
                self.heartbeats += 1
                return []
            message = message.encode(errors="replace")
        try:
            frame = decode_frame(message)
        except BadFrame:
            return self._sliced(message)
        if frame.method == _CONTROL:
            self.heartbeats += 1
            return []
        return self._payload(frame, message)

    def finish(self) -> list[Payload]:
        """The socket is gone: parts still waiting for their others are dropped."""
        self.ignored += len(self._parts)
        self._parts.clear()
        return []

    def _payload(self, frame: Frame, message: bytes) -> list[Payload]:
        headers = dict(frame.headers)
        payload = frame.payload or b""
        if headers.get("sum", "1") not in ("", "0", "1"):
            joined = self._join(headers, payload)
            if joined is None:
                return []
            payload = joined
        if self._is_repeated(frame.seq_id):
            return []
        if frame.payload_encoding == "gzip" or payload.startswith(_GZIP_MAGIC):
            payload = _gunzip(payload) or b""
        text = payload.strip()
        if text.startswith(b"{") and text.endswith(b"}"):
            return [Payload(seq_id=frame.seq_id, data=text)]
        return self._sliced(message)

    def _is_repeated(self, seq_id: int) -> bool:
        if seq_id == 0:
            return False
        if seq_id in self._seen:
            self.ignored += 1
            return True
        self._seen[seq_id] = None
        if len(self._seen) > SEEN_SEQ_IDS:
            self._seen.popitem(last=False)
        return False

    def _join(self, headers: dict[str, str], part: bytes) -> bytes | None:
        """Keep one part of a split payload; the whole when it was the last one missing."""
        try:
            key, count, index = headers["message_id"], int(headers["sum"]), int(headers["seq"])
        except (KeyError, ValueError):
            self.ignored += 1
            return None
        parts = self._parts.setdefault(key, {})
        parts[index] = part
        if not 0 <= index < count <= PARTS:
            del self._parts[key]
            self.ignored += 1
            return None
        while self._is_overfull():
            self._parts.popitem(last=False)
            self.ignored += 1
        if len(parts) < count or key not in self._parts:
            return None
        del self._parts[key]
        return b"".join(parts[index] for index in sorted(parts))

    def _is_overfull(self) -> bool:
        waiting = (part for parts in self._parts.values() for part in parts.values())
        return len(self._parts) > PARTIAL_MESSAGES or sum(map(len, waiting)) > SOCKET_MESSAGE_BYTES

    def _sliced(self, message: bytes) -> list[Payload]:
        start, end = message.find(b"{"), message.rfind(b"}")
        if start < 0 or end < start:
            self.ignored += 1
            return []
        return [Payload(seq_id=None, data=message[start : end + 1])]


def _field(data: bytes, at: int) -> tuple[int, int | bytes, int]:
    """One field: its number, its value, and where the next one begins."""
    tag, at = _varint(data, at)
    number, wire = tag >> 3, tag & 7
    if number == 0:
        raise BadFrame("a field has number 0")
    if wire == _VARINT:
        value, at = _varint(data, at)
        return number, value, at
    if wire == _BYTES:
        size, at = _varint(data, at)
    elif wire in (_FIXED64, _FIXED32):
        size = 8 if wire == _FIXED64 else 4
    else:
        raise BadFrame(f"field {number} has wire type {wire}")
    if size > len(data) - at:
        raise BadFrame(f"field {number} says {size} bytes and {len(data) - at} are left")
    return number, data[at : at + size], at + size


def _header(data: bytes) -> tuple[str, str]:
    key = value = ""
    at = 0
    while at < len(data):
        number, content, at = _field(data, at)
        if isinstance(content, bytes):
            if number == 1:
                key = content.decode(errors="replace")
            elif number == 2:
                value = content.decode(errors="replace")
    return key, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise BadFrame("the message ends inside a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _UINT64, at
    raise BadFrame("a number has more than ten bytes")


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _put_bytes(out: bytearray, number: int, value: bytes) -> None:
    _put_varint(out, number << 3 | _BYTES)
    _put_varint(out, len(value))
    out += value


def _int32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def _utf8(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


def _gunzip(data: bytes) -> bytes | None:
    """The inflated data, or None when it is broken, cut off or larger than `INFLATED_BYTES`."""
    inflater = zlib.decompressobj(_GZIP_WBITS)
    try:
        inflated = inflater.decompress(data, INFLATED_BYTES)
    except zlib.error:
        return None
    return inflated if inflater.eof else None
