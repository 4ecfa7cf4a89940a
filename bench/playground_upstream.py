"""A fast stand-in for Coze's playground, for benchmarks only: launch, websocket, execute, pushes.

    python bench/playground_upstream.py PORT TOKENS INTERVAL_MS [TOKEN_CHARACTERS]

Every execute call gets the same answer of TOKENS pushes, each with the whole text so far, as Coze
sends them; the first push leaves with the answer to the call, the others one each INTERVAL_MS (0 puts
all into one write).  A token begins with the character U+8BCD, which stream_load.py counts.  The frames
are made beforehand but for their number and the uuid of their turn, so that this is never the bottleneck.
`POST /direct` streams the same tokens as server-sent events: what load and machine take by themselves.
"""

import asyncio
import base64
import hashlib
import re
import struct
import sys
from collections.abc import Iterator
from itertools import count

import uvloop

from realcoze.dialects.coze_playground.envelope import encode_success
from realcoze.dialects.coze_playground.launch import Launch, encode_launch
from realcoze.dialects.coze_playground.push import MESSAGE_EVENT, Ext, Push, PushMessage, encode_push
from realcoze.emulator.account import APP_ID, APP_KEY, PRODUCT_ID
from realcoze.framing.frontier import Frame, encode_frame

PORT, TOKENS, INTERVAL_S = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000
TOKEN_CHARACTERS = int(sys.argv[4]) if len(sys.argv) > 4 else 5
UUID = "00000000-0000-4000-8000-000000000000"
PUSH_UUID = re.compile(rb'"push_uuid":"([0-9a-f-]{36})"')
DEVICE = re.compile(rb'"device_id":"(\d+)"')
KEY = re.compile(rb"sec-websocket-key: *([^\r\n]+)", re.IGNORECASE)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
FIRST_SEQ_ID = 1 << 28
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def websocket_message(payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x82, size) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x82, 126, size) + payload
    return struct.pack("!BBQ", 0x82, 127, size) + payload


def pushes() -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each message in three pieces, between which its SeqID and the uuid of its turn belong."""
    text = ""
    for number in range(1, TOKENS + 1):
        text += token(number)
        ext = Ext(push_uuid=UUID, is_finish="1" if number == TOKENS else "0", has_suggest="0")
        push = Push(event_type=MESSAGE_EVENT, message=PushMessage(content=text, reply_type=1, ext=ext))
        payload = encode_push(push)
        frame = Frame(seq_id=FIRST_SEQ_ID, log_id=1, service=2, method=1, payload_type="text/json", payload=payload)
        before, behind = websocket_message(encode_frame(frame)).split(UUID.encode())
        head, middle = before.split(b"\x08" + seq_id(FIRST_SEQ_ID), 1)
        yield head + b"\x08", middle, behind


def seq_id(number: int) -> bytes:
    """A varint of five bytes, as long as 2^28 <= number < 2^35."""
    low = [number >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21)]
    return bytes([*low, number >> 28])


def http_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def events() -> Iterator[bytes]:
    """The same tokens as chunks of an HTTP answer."""
    for number in range(1, TOKENS + 1):
        body = b'data: {"type":"delta","message_id":"","text":"%b"}\n\n' % token(number).encode()
        yield b"%x\r\n%b\r\n" % (len(body), body)


def token(number: int) -> str:
    return f"词{number} ".ljust(TOKEN_CHARACTERS, "x")[:TOKEN_CHARACTERS]


PUSHES = list(pushes())
EVENTS = list(events())
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
ACCEPTED = http_answer(encode_success({}))
LAUNCH = http_answer(
    encode_launch(Launch(app_key=APP_KEY, app_id=APP_ID, product_id=PRODUCT_ID, domain=f"ws://127.0.0.1:{PORT}"))
)
SOCKETS: dict[bytes, asyncio.Transport] = {}
NUMBERS = count(FIRST_SEQ_ID)


def message(pieces: tuple[bytes, bytes, bytes], uuid: bytes) -> bytes:
    head, middle, behind = pieces
    return b"".join((head, seq_id(next(NUMBERS)), middle, uuid, behind))


def push(device: bytes, uuid: bytes, place: int) -> None:
    """Send one push, or all that are left, to whoever holds the device's socket now."""
    socket = SOCKETS.get(device)
    if socket is None or socket.is_closing():
        return
    if not INTERVAL_S:
        socket.write(b"".join([message(each, uuid) for each in PUSHES]))
        return
    socket.write(message(PUSHES[place], uuid))
    if place + 1 < TOKENS:
        asyncio.get_running_loop().call_later(INTERVAL_S, push, device, uuid, place + 1)


class Connection(asyncio.Protocol):
    """HTTP with a Content-Length until the upgrade, then a websocket that answers each heartbeat."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.buffer = b""
        self.device = b""

    def data_received(self, data: bytes) -> None:
        if self.device:
            self.heartbeat(data)
            return
        self.buffer += data
        while not self.device:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            declared = LENGTH.search(head)
            length = int(declared[1]) if declared else 0
            if not end or len(rest) < length:
                return
            self.buffer = rest[length:]
            self.answer(head, rest[:length])

    def answer(self, head: bytes, body: bytes) -> None:
        if key := KEY.search(head):
            accept = base64.b64encode(hashlib.sha1(key[1].strip() + GUID, usedforsecurity=False).digest())
            protocol = b"\r\nsec-websocket-protocol: pbbp2" if b"pbbp2" in head else b""
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
                b"sec-websocket-accept: %b%b\r\n\r\n" % (accept, protocol)
            )
            self.device = re.search(rb"device_id=(\d+)", head)[1]  # type: ignore[index]
            SOCKETS[self.device] = self.transport
        elif b" /direct " in head:
            self.stream(0)
        elif b"/launch " in head:
            self.transport.write(LAUNCH)
        else:
            self.transport.write(ACCEPTED)
            if (uuid := PUSH_UUID.search(body)) and (device := DEVICE.search(body)):
                push(device[1], uuid[1], 0)

    def stream(self, place: int) -> None:
        """The answer without anything in between."""
        if self.transport.is_closing():
            return
        if not INTERVAL_S:
            self.transport.write(b"".join((STREAM, *EVENTS, LAST_CHUNK)))
            return
        is_last = place + 1 == TOKENS
        self.transport.write(b"".join((b"" if place else STREAM, EVENTS[place], LAST_CHUNK if is_last else b"")))
        if not is_last:
            asyncio.get_running_loop().call_later(INTERVAL_S, self.stream, place + 1)

    def heartbeat(self, data: bytes) -> None:
        """Clients send nothing else: `hi`, a ping or a close, each in a frame of its own."""
        kind = data[0] & 0x0F
        if kind == 8:
            self.transport.close()
        elif kind == 9:
            self.transport.write(b"\x8a\x00")
        else:
            self.transport.write(b"\x81\x02hi")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if SOCKETS.get(self.device) is self.transport:
            del SOCKETS[self.device]


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", PORT, backlog=8192)
    await server.serve_forever()


uvloop.run(main())
