"""Raw frames, as no client library sends them, on the real server (C14: RFC 6455 §5, §7.4)."""

import asyncio
import json
import logging
import socket as socketlib
from collections.abc import AsyncIterator, Iterator

import aiohttp
import anyio
import pytest

from native_server import Bot, Served, Turn, serving
from raw_websocket import BINARY, CLOSE, CONT, PING, PONG, TEXT, RawSocket, frame, raw_socket
from realcoze.app import websocket
from realcoze.app.connection import Limits
from realcoze.app.websocket import LimitedWebSocket
from servers import PATIENCE_S, held, soon, until_held

ASK = json.dumps({"uuid": "a", "data": [{"role": 2, "content": "Hi"}]}).encode()


async def script(turn: Turn) -> None:
    turn.start()
    turn.say("He")
    await turn.go.wait()
    turn.say("llo")
    turn.done()


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, the server has nothing to say about itself."""
    yield
    said = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING]
    assert said == []


@pytest.fixture(scope="module")
async def house(anyio_backend: object) -> AsyncIterator[tuple[Served, Bot]]:
    """One server for most of this file."""
    bot = Bot(script)
    async with serving(bot) as running:
        yield running, bot


@pytest.fixture
def served(house: tuple[Served, Bot], nothing_left: None) -> Served:
    return house[0]


@pytest.fixture
def bot(house: tuple[Served, Bot]) -> Bot:
    house[1].turns.clear()
    return house[1]


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[LimitedWebSocket]:
    """The server's side of each connection, as they come."""
    found: list[LimitedWebSocket] = []
    made = LimitedWebSocket.connection_made

    def noted(self: LimitedWebSocket, transport: asyncio.BaseTransport) -> None:
        found.append(self)
        made(self, transport)

    monkeypatch.setattr(LimitedWebSocket, "connection_made", noted)
    return found


async def answered(socket: RawSocket, uuid: str = "a") -> str:
    """The text of the next message."""
    while (got := await socket.next()).opcode == PING:
        pass
    message = json.loads(got.payload)
    assert message["uuid"] == uuid
    return str(message["data"]["content"])


BAD_FRAMES = {
    "text that is no UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "text that ends inside a character": (frame(TEXT, "文".encode()[:2]), 1007),
    "a surrogate in UTF-8": (frame(TEXT, b"\xed\xa0\xbd"), 1007),
    "fragments that are no UTF-8": (frame(TEXT, b"{", fin=False) + frame(CONT, b"\xff"), 1007),
    "a frame without a mask": (frame(TEXT, ASK, masked=False), 1002),
    "reserved bit 1": (frame(TEXT, ASK, rsv=4), 1002),
    "reserved bit 2": (frame(TEXT, ASK, rsv=2), 1002),
    "reserved bit 3": (frame(PING, rsv=1), 1002),
    "an opcode that is none": (frame(3, ASK), 1002),
    "a control opcode that is none": (frame(11), 1002),
    "a ping in pieces": (frame(PING, b"x", fin=False), 1002),
    "a ping that is too long": (frame(PING, b"x" * 126), 1002),
    "a piece of nothing": (frame(CONT, b"x"), 1002),
    "a message inside another": (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 1002),
    "a message that is too long": (frame(TEXT, length=(16 << 20) + 1), 1009),
    "a message that is far too long": (frame(TEXT, length=1 << 62), 1009),
    "pieces that are too long together": (
        frame(TEXT, b"x" * (1 << 20), fin=False) + frame(CONT, length=16 << 20),
        1009,
    ),
    "too many pieces": (frame(TEXT, b"{", fin=False) + frame(CONT, b" ", fin=False) * (websocket.FRAGMENTS + 9), 1009),
    "too many empty pieces": (frame(TEXT, fin=False) + frame(CONT, fin=False) * (websocket.FRAGMENTS + 9), 1009),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a close with code 1005": (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "a close with code 999": (frame(CLOSE, (999).to_bytes(2, "big")), 1002),
    "a close with code 5000": (frame(CLOSE, (5000).to_bytes(2, "big")), 1002),
    "a close whose reason is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "a close inside a message": (frame(TEXT, b"{", fin=False) + frame(CLOSE, b"\x03\xe8"), 1002),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_frames_against_the_rules_are_closed_with_their_code_and_harm_nobody_else(
    name: str, bot: Bot, served: Served
) -> None:
    data, code = BAD_FRAMES[name]
    async with raw_socket(served.port) as good, raw_socket(served.port) as bad:
        for socket in (good, bad):
            await socket.ask(ASK.decode())
            assert await answered(socket) == "He"
        await bad.send(data)
        assert await bad.until_closed() == code
        await bot.turns[1].until(lambda: bot.turns[1].is_over)
        assert (bot.turns[0].is_over, bot.turns[1].is_cancelled) == (False, True)
        bot.turns[0].go.set()
        assert await answered(good) == "Hello"


@pytest.mark.parametrize(("said", "code"), [(b"", 0), (b"\x03\xe8", 1000), (b"\x03\xe9bye", 1001), (b"\x0f\xa0", 4000)])
async def test_a_close_is_answered_with_its_own_code(said: bytes, code: int, bot: Bot, served: Served) -> None:
    async with raw_socket(served.port) as socket:
        await socket.ask(ASK.decode())
        await answered(socket)
        await socket.send(frame(CLOSE, said) + frame(TEXT, b"after the end"))
        assert await socket.until_closed() == code
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_a_message_in_pieces_with_a_ping_in_between_is_one_message(bot: Bot, served: Served) -> None:
    async with raw_socket(served.port) as socket:
        pieces = [frame(TEXT if not at else CONT, ASK[at : at + 1], fin=False) for at in range(len(ASK))]
        await socket.send(b"".join([*pieces[:9], frame(PING, b"you there?"), *pieces[9:], frame(CONT)]))
        pong = await socket.next()
        assert (pong.opcode, pong.payload) == (PONG, b"you there?")
        assert await answered(socket) == "He"


async def test_a_message_byte_by_byte_and_pongs_that_nobody_asked_for(bot: Bot, served: Served) -> None:
    async with raw_socket(served.port) as socket:
        await socket.send(frame(PONG) + frame(PONG, b"well"))
        for byte in frame(BINARY, ASK):
            await socket.send(bytes((byte,)))
            await anyio.lowlevel.checkpoint()
        assert await answered(socket) == "He"


async def test_what_comes_after_a_close_is_not_read(bot: Bot, served: Served) -> None:
    async with raw_socket(served.port) as socket:
        await socket.send(frame(TEXT, b"\xff") * 2 + frame(TEXT, ASK) * 100 + frame(PING) * 100 + frame(CLOSE))
        assert await socket.until_closed() in (1007, 0)
    assert bot.turns == []


async def test_a_client_that_says_it_has_said_all_is_gone(bot: Bot, served: Served) -> None:
    async with raw_socket(served.port) as socket:
        await socket.ask(ASK.decode())
        await answered(socket)
        socket.end()
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_of_pings_whose_answers_nobody_reads_only_the_newest_is_answered(
    bot: Bot, served: Served, connections: list[LimitedWebSocket]
) -> None:
    """Each answer must be kept until it is read, and pings are cheap."""
    async with raw_socket(served.port, buffer_bytes=4096) as socket, raw_socket(served.port) as other:
        system = connections[0].transport.get_extra_info("socket")
        system.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_SNDBUF, 4096)
        for number in range(10):
            await socket.send(frame(PING, f"{number:04}".encode() + b"x" * 121) * 1000)
        await other.ask(ASK.decode())
        assert await answered(other) == "He"
        assert connections[0].transport.get_write_buffer_size() < 512 << 10
        pongs = 1
        while (await socket.next()).payload[:4] != b"0009":
            pongs += 1
        assert pongs < 9_000
        await socket.ask(ASK.decode())
        while (got := await socket.next()).opcode == PONG:
            pass
        assert got.opcode == TEXT


async def test_a_client_that_takes_nothing_is_dropped_after_the_end(
    nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written waits for it, but not for ever."""
    monkeypatch.setattr(websocket, "LINGER_S", 0.05)

    async def long(turn: Turn) -> None:
        turn.start()
        turn.say("x" * (8 << 20))
        await turn.go.wait()
        turn.say("more")
        await anyio.sleep_forever()

    bot = Bot(long)
    async with serving(bot, stall_s=0.1) as served:
        before = held()
        async with raw_socket(served.port, buffer_bytes=4096) as socket:
            await socket.ask(ASK.decode())
            (await bot.turn()).go.set()
            await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)
            await soon(lambda: held().sockets == before.sockets + 1)  # our own end of it
        await until_held(before)


async def test_a_client_that_answers_no_ping_is_dropped(nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> None:
    made = LimitedWebSocket.connection_made

    def impatient(self: LimitedWebSocket, transport: asyncio.BaseTransport) -> None:
        self.ping_interval = self.ping_timeout = 0.05
        made(self, transport)

    monkeypatch.setattr(LimitedWebSocket, "connection_made", impatient)
    bot = Bot(script)
    async with serving(bot) as served, raw_socket(served.port) as socket:
        await socket.ask(ASK.decode())
        assert await answered(socket) == "He"
        assert await socket.until_closed() == 1011
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_a_handshake_that_is_refused_is_no_news_for_the_log(nothing_left: None) -> None:
    async with serving(Bot(script), key="a-key-of-32-characters-and-more-") as served, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{served.url}/ws")
        assert refused.value.status == 401


async def test_the_time_for_a_handshake_is_no_time_for_the_socket(nothing_left: None) -> None:
    bot = Bot(script)
    limits = Limits(header_s=0.05, body_s=0.05, keep_alive_s=0.05)
    async with serving(bot, limits=limits) as served, raw_socket(served.port) as socket:
        await socket.ask(ASK.decode())
        assert await answered(socket) == "He"
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert b" 408 " in await reader.read()  # as long as that takes, the socket has stood too
        writer.close()
        bot.turns[0].go.set()
        assert await answered(socket) == "Hello"


async def test_the_end_of_the_server_is_said(nothing_left: None) -> None:
    bot = Bot(script)
    async with anyio.create_task_group() as tasks:
        ended = anyio.Event()

        async def follow(socket: RawSocket) -> None:
            assert await socket.until_closed() == 1012
            ended.set()

        async with serving(bot) as served:
            opening = raw_socket(served.port)
            socket = await opening.__aenter__()
            await socket.ask(ASK.decode())
            assert await answered(socket) == "He"
            tasks.start_soon(follow, socket)
        with anyio.fail_after(PATIENCE_S):
            await ended.wait()
        await opening.__aexit__(None, None, None)
    assert bot.turns[0].is_cancelled
