import asyncio
import gc
import json
import math
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from starlette.responses import Response

from native_server import (
    HELLO,
    MESSAGE,
    NDJSON,
    SSE,
    Bot,
    Relay,
    Script,
    Turn,
    connected,
    deaf_client,
    parsed,
    plainly_serving,
    post,
    read_all,
    read_some,
    request,
    saying,
    serving,
    stream,
)
from realcoze.dialects.deltas import WritesShortcut
from realcoze.dialects.native.records import SseEncoder
from realcoze.dialects.native.snapshots import OBJECT_BYTES
from realcoze.domain.event import (
    AnswerDone,
    Event,
    Piece,
    ReasoningDelta,
    Step,
    TextDelta,
    TextReplaced,
    TurnFailed,
    Unknown,
    Usage,
)
from realcoze.domain.ids import RequestId
from realcoze.domain.ports import Sink
from realcoze.domain.request import Request
from realcoze.domain.shortcut import Shortcut
from realcoze.errors import QuotaExhausted, Truncated, UpstreamFailed
from realcoze.faces.outlet import OUTLET
from realcoze.faces.streamed import HELD_BYTES_PER_S, HeldAnswer, StreamedAnswer, StreamTimes
from servers import held, soon

FRAMINGS = ["*/*", NDJSON, SSE]
SERVERS: dict[str, Any] = {"lent": serving, "plain": plainly_serving}
BOTS = ("whole", "late", "clock")


@dataclass(frozen=True, slots=True)
class House:
    """A server, and who answers there."""

    name: str
    port: int
    relay: Relay

    def answers(self, chats: Any) -> Any:
        self.relay.target = chats
        return chats


@pytest.fixture(scope="module", params=SERVERS)
async def open_house(request: pytest.FixtureRequest, anyio_backend: object) -> AsyncIterator[House]:
    relay = Relay()
    async with SERVERS[request.param](relay, gate_s=0.2, keepalive_s=0.1) as served:
        yield House(request.param, served.port, relay)


@pytest.fixture
def house(open_house: House, nothing_left: None) -> House:
    """A patient server: ours, which lends its connections, and uvicorn as it is."""
    return open_house


@pytest.fixture(scope="module", params=SERVERS)
async def open_strict_house(request: pytest.FixtureRequest, anyio_backend: object) -> AsyncIterator[House]:
    relay = Relay()
    async with SERVERS[request.param](relay, gate_s=0.2, keepalive_s=0.1, stall_s=0.3) as served:
        yield House(request.param, served.port, relay)


@pytest.fixture
def strict_house(open_strict_house: House) -> House:
    """One that soon drops who does not read."""
    return open_strict_house


def ask(accept: str) -> bytes:
    return request(path="/?stream=true", accept=accept)


# The gate


async def silent(turn: Turn) -> None:
    turn.start()
    turn.feed(Usage(input=1, output=0, total=1), Unknown(name="ping", raw="{}"))
    await turn.go.wait()
    raise UpstreamFailed("It is gone.")


@pytest.mark.parametrize("accept", FRAMINGS)
async def test_an_error_before_the_first_content_has_its_own_status(house: House, accept: str) -> None:
    async def fail(turn: Turn) -> None:
        turn.go.set()
        await silent(turn)

    house.answers(Bot(fail))
    answer = await post(house.port, path="/?stream=true", accept=accept)
    assert answer.status == 502
    assert "content-length" in answer.headers
    assert b"upstream_error" in answer.body


@pytest.mark.parametrize("accept", FRAMINGS)
async def test_a_slow_bot_gets_its_status_sent_and_may_still_fail(house: House, accept: str) -> None:
    bot = house.answers(Bot(silent))
    async with connected(house.port) as client:
        await client.send(ask(accept))
        await client.until(b"\r\n\r\n")
        bot.turns[0].go.set()
        answer = parsed(await client.rest())
    assert (answer.status, answer.has_last_chunk) == (200, False)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "upstream_error" in answer.text


async def test_an_error_after_the_first_content_is_in_the_stream(house: House) -> None:
    async def fail(turn: Turn) -> None:
        turn.feed(Step(kind="call", title="t", body="b"))
        raise Truncated("It broke off.")

    house.answers(Bot(fail))
    answer = await post(house.port, path="/?stream=true&subscribe=3", accept=NDJSON)
    assert (answer.status, answer.has_last_chunk) == (200, False)
    step, failure = answer.text.splitlines()
    assert (json.loads(step)["type"], json.loads(failure)["error"]["code"]) == ("step", "upstream_truncated")


@pytest.mark.parametrize("accept", FRAMINGS)
@pytest.mark.parametrize("path", ["/?stream=true", "/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_what_a_dialect_has_no_word_for_is_no_content(house: House, path: str, accept: str) -> None:
    """CLIENTS §4.2 rule 1.  CLIENTS §5 item 8: nothing was said, and so the error has its status."""

    async def fail(turn: Turn) -> None:
        turn.start()
        thought = ReasoningDelta(message_id=MESSAGE, text="hm")
        turn.feed(Step(kind="call", title="t", body="b"), *([thought] if path == "/v1/messages" else []))
        raise QuotaExhausted("Nothing is left.")

    house.answers(Bot(fail))
    asked = {"stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    body = json.dumps({"model": "bot", **asked, "input": "Hi"}).encode() if path.startswith("/v1") else HELLO
    answer = await post(house.port, body, path=path, accept=accept)
    assert answer.status == 429


# The same bytes on every server


@pytest.mark.parametrize("accept", FRAMINGS)
async def test_what_an_encoder_cannot_tell_is_a_failure(house: House, accept: str) -> None:
    async def half_an_emoji(turn: Turn) -> None:
        turn.feed(TextDelta(message_id=MESSAGE, text="Hello"), TextDelta(message_id=MESSAGE, text="\ud83d"))

    house.answers(Bot(half_an_emoji))
    answer = await post(house.port, path="/?stream=true", accept=accept)
    assert (answer.status, answer.has_last_chunk) == (200, False)
    assert accept == "*/*" or "internal_error" in answer.text


@pytest.mark.parametrize("accept", [NDJSON, SSE])
async def test_a_failure_that_an_encoder_cannot_tell_ends_the_stream_all_the_same(house: House, accept: str) -> None:
    async def fail_strangely(turn: Turn) -> None:
        turn.feed(TextDelta(message_id=MESSAGE, text="Hello"))
        raise Truncated("It broke off.", retry_after_s=math.nan)

    house.answers(Bot(fail_strangely))
    answer = await post(house.port, path="/?stream=true", accept=accept)
    assert (answer.status, answer.has_last_chunk) == (200, False)
    assert answer.text.count("\n") <= 2


@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses", "messages"])
async def test_a_turn_that_cannot_be_told_on_is_given_up(house: House, path: str) -> None:
    async def take_it_back(turn: Turn) -> None:
        turn.feed(TextDelta(message_id=MESSAGE, text="Warm"), AnswerDone(message_id=MESSAGE, text="Cold"))
        await turn.go.wait()

    bot = house.answers(Bot(take_it_back))
    asked = {"stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    body = json.dumps({"model": "bot", **asked, "prompt": "Hi", "input": "Hi"}).encode()
    answer = await post(house.port, body, path=f"/v1/{path}")
    assert "answer_rewritten" in answer.text
    assert answer.has_last_chunk is (path == "responses")
    await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_a_turn_that_the_node_programs_stream_cannot_hold_is_given_up(house: House) -> None:
    async def chatter(turn: Turn) -> None:
        turn.say("a" * OBJECT_BYTES)
        await turn.go.wait()

    bot = house.answers(Bot(chatter))
    answer = await post(house.port, path="/?stream=true")
    assert "answer_too_long" in answer.text
    assert not answer.has_last_chunk
    await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_the_body_is_the_same_without_a_lent_connection() -> None:
    async def talk(turn: Turn) -> None:
        turn.start()
        turn.feed(Step(kind="call", title="t", body="b"))
        turn.say("W", "o")
        turn.feed(TextReplaced(message_id=MESSAGE, text="Warm {}"))
        turn.say("x" * 100_000 if turn.request.messages[-1].text == "long" else "!")
        turn.done()

    bodies: dict[str, list[str]] = {}
    for name, serve in SERVERS.items():
        async with serve(Bot(talk)) as served:
            bodies[name] = [
                (await stream(served.port, question, accept=accept, query="&subscribe=3")).body
                for accept in FRAMINGS
                for question in (b'[{"role":2,"content":"short"}]', b'[{"role":2,"content":"long"}]')
            ]
    assert bodies["lent"] == bodies["plain"]
    assert bodies["lent"][0] == (
        '{"content":"b","continue":true,"reply_type":3}'
        r'{"content":"Warm {\u007d!","continue":false,"reply_type":1}'
    )


@pytest.mark.parametrize("accept", FRAMINGS)
async def test_it_comes_as_it_is_said(house: House, accept: str) -> None:
    async def wait(turn: Turn) -> None:
        turn.say("first")
        await turn.go.wait()
        turn.say(" second")
        turn.done()

    bot = house.answers(Bot(wait))
    async with connected(house.port) as client:
        await client.send(ask(accept))
        await client.until(b"first")
        assert b"second" not in client.got
        bot.turns[0].go.set()
        answer = parsed(await client.rest())
    assert answer.has_last_chunk
    assert "second" in answer.text


# Keepalives


async def test_only_server_sent_events_have_a_sign_of_life_while_the_bot_is_silent(house: House) -> None:
    async def think(turn: Turn) -> None:
        turn.say("Hm")
        await turn.go.wait()
        turn.done()

    bot = house.answers(Bot(think))
    async with connected(house.port) as lines, connected(house.port) as events:
        await lines.send(ask(NDJSON))
        await lines.until(b"Hm")
        await events.send(ask(SSE))
        await events.until(b"\n: keepalive\n\n", times=3)
        for turn in bot.turns:
            turn.go.set()
        assert [each.partition('"')[0] for each in parsed(await lines.rest()).text.splitlines()] == ["{", "{"]
        blocks = parsed(await events.rest()).text.strip().split("\n\n")
    assert blocks[0].startswith("data: ")
    assert set(blocks[1:-1]) == {": keepalive"}
    assert blocks[-1] == 'data: {"type":"done"}'


async def test_the_signs_of_life_begin_with_the_headers(house: House) -> None:
    async def think(turn: Turn) -> None:
        await turn.go.wait()
        turn.done()

    bot = house.answers(Bot(think))
    async with connected(house.port) as client:
        await client.send(ask(SSE))
        await client.until(b": keepalive\n\n", times=2)
        bot.turns[0].go.set()
        assert parsed(await client.rest()).has_last_chunk


class Line:
    """An outlet that keeps what is written."""

    def __init__(self) -> None:
        self.written_at = 0.0
        self.written: list[bytes] = []
        self.waiting = 0

    def watch(self, *_told: object, stall_s: float) -> None: ...
    def begin(self, headers: object) -> None: ...
    def end(self, *, is_whole: bool) -> None: ...

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def unsent(self) -> int:
        return self.waiting


@asynccontextmanager
async def answering(encoder: Any, line: Line, kind: Any = StreamedAnswer) -> AsyncIterator[Any]:
    """An answer that nobody ends, on a line of ours."""
    times = StreamTimes(gate=3600, keepalive=60)

    async def relay(sink: Sink) -> None:
        await anyio.sleep_forever()

    answer = kind(relay=relay, encoder=encoder, refuse=refuse_nobody, headers={}, times=times)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer, {"extensions": {OUTLET: line}}, None, None)
        await soon(lambda: answer._outlet is line)
        yield answer
        tasks.cancel_scope.cancel()


def refuse_nobody(error: Exception) -> Any:
    raise AssertionError(error)


async def test_a_sign_of_life_is_due_after_what_was_written_last() -> None:
    line = Line()
    encoder = SseEncoder(request_id=RequestId("req_1"), steps=frozenset())
    async with answering(encoder, line) as answer:
        answer.feed(TextDelta(message_id=MESSAGE, text="Hm"))
        now = line.written_at = asyncio.get_running_loop().time()
        assert now + 59 < answer._looks_at < now + 61
        line.written_at = now - 20
        answer._look()
        assert (len(line.written), answer._looks_at) == (1, now + 40)
        line.written_at, line.waiting = now - 60, 1
        answer._look()
        assert len(line.written) == 1, "who has not even taken the last piece is told nothing"
        assert answer._looks_at >= now + 60
        line.waiting = 0
        answer._look()
        assert line.written[1:] == [encoder.keepalive]
        assert answer._looks_at >= now + 60


async def test_what_was_held_back_rests_in_proportion_to_its_size() -> None:
    class Holding:
        content_type, keepalive, is_closed, has_failed = "text/plain", b"", False, False

        def feed(self, event: Event) -> bytes:
            return b"x"

        def deadline(self) -> float:
            return 0.0

        def tick(self, now: float) -> bytes:
            return b"y" * HELD_BYTES_PER_S

    line = Line()
    async with answering(Holding(), line, HeldAnswer) as answer:
        answer.feed(TextDelta(message_id=MESSAGE, text="Hm"))
        line.written_at = asyncio.get_running_loop().time() + 1000
        answer._tick()
        assert answer._timer.when() == pytest.approx(line.written_at + 1)
        assert answer.shortcut(TextDelta(message_id=MESSAGE, text="Hm")) is None


async def test_there_is_a_short_way_from_the_status_on() -> None:
    class Short(WritesShortcut, SseEncoder):
        def shortcut(self, like: Piece, write: Callable[[bytes], None]) -> Shortcut:
            return Shortcut(lambda text: write(text.encode()))

    line, delta = Line(), TextDelta(message_id=MESSAGE, text="Hm")
    async with answering(Short(request_id=RequestId("req_1"), steps=frozenset()), line) as answer:
        assert answer.shortcut(delta) is None
        answer.feed(delta)
        answer.shortcut(delta).take("!")
    assert line.written[1:] == [b"!"]


async def test_who_was_refused_does_not_wait_for_the_collector_of_cycles() -> None:
    async def relay(sink: Sink) -> None:
        try:
            raise Truncated("Cut.")
        except Truncated as error:
            sink.feed(TurnFailed(error=error))

    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("nothing more is to come")

    async def send(message: Any) -> None:
        sent.append(message)

    encoder = SseEncoder(request_id=RequestId("req_1"), steps=frozenset())
    answer = StreamedAnswer(
        relay=relay, encoder=encoder, refuse=lambda _: Response(status_code=502), headers={}, times=StreamTimes()
    )
    seen = weakref.ref(encoder)
    gc.disable()
    try:
        await answer({"type": "http", "extensions": {OUTLET: Line()}}, receive, send)
        del answer, encoder
        await soon(lambda: seen() is None)
    finally:
        gc.enable()
    assert sent[0]["status"] == 502


# Clients that leave


@pytest.mark.parametrize("accept", FRAMINGS)
@pytest.mark.parametrize("way", ["leave", "half_close"])
@pytest.mark.parametrize("said", [(), ("Hello",)])
async def test_a_client_that_leaves_stops_the_turn_at_once(
    house: House, accept: str, way: str, said: tuple[str, ...]
) -> None:
    async def wait(turn: Turn) -> None:
        turn.start()
        turn.say(*said)
        await turn.go.wait()

    bot = house.answers(Bot(wait))
    async with connected(house.port) as client:
        await client.send(ask(accept))
        turn = await bot.turn()
        if said:
            await client.until(b"Hello")
        getattr(client, way)()
        await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


async def test_a_client_that_leaves_while_an_object_waits_for_its_time(house: House) -> None:
    async def wait(turn: Turn) -> None:
        turn.say("Hello")
        await turn.go.wait()
        turn.say(" again")
        await anyio.Event().wait()

    bot = house.answers(Bot(wait))
    async with connected(house.port) as client:
        await client.send(ask("*/*"))
        await client.until(b"Hello")
        turn = await bot.turn()
        turn.go.set()
    await turn.until(lambda: turn.is_over)
    assert turn.is_cancelled


# Clients that read slowly, or not at all


PIECE = "x" * (64 << 10)
MOST_BYTES = 8 << 20
"""What may be on its way to a client that reads nothing: our buffer, the kernel's and the client's."""


async def endless(turn: Turn) -> None:
    """Say something whenever there is room."""
    turn.said = 0  # type: ignore[attr-defined]
    while True:
        await turn.until_ready()
        turn.say(PIECE)
        turn.said += 1  # type: ignore[attr-defined]
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("accept", [NDJSON, SSE])
async def test_a_client_that_never_reads_holds_the_bot_back_and_is_dropped(strict_house: House, accept: str) -> None:
    bot = strict_house.answers(Bot(endless))
    with deaf_client(strict_house.port, ask(accept)):
        turn = await bot.turn()
        await turn.until(lambda: turn.is_paused)
        assert turn.said * len(PIECE) < MOST_BYTES
        await turn.until(lambda: turn.is_over)
        assert turn.is_cancelled
        assert turn.said * len(PIECE) < MOST_BYTES


@pytest.mark.parametrize("accept", [NDJSON, SSE])
async def test_one_that_catches_up_gets_everything(house: House, accept: str) -> None:
    async def much(turn: Turn) -> None:
        for number in range(150):
            await turn.until_ready()
            turn.say(f"<{number}>{PIECE}")
            await anyio.lowlevel.checkpoint()
        turn.done()

    bot = house.answers(Bot(much))
    with deaf_client(house.port, ask(accept)) as client:
        turn = await bot.turn()
        await turn.until(lambda: turn.is_paused)
        answer = parsed(await anyio.to_thread.run_sync(read_all, client))
    assert answer.has_last_chunk
    text = answer.text
    records = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if "{" in line]
    assert "".join(each.get("text", "") for each in records) == "".join(f"<{number}>{PIECE}" for number in range(150))
    assert turn.pauses > 0
    assert records[-1] == {"type": "done"}
    assert ": keepalive" not in text[: len(PIECE)]


async def test_one_who_reads_for_longer_than_the_stall_is_not_dropped() -> None:
    """As long as something is taken, however little.  (Elsewhere the kernel hides more than a client reads in time.)"""

    async def long(turn: Turn) -> None:
        turn.say(PIECE * 512)
        turn.done()

    async def tick(turn: Turn) -> None:
        turn.say("tick")
        await turn.go.wait()

    async with serving({"long": Bot(long), "clock": Bot(tick)}, keepalive_s=0.1, stall_s=0.8) as served:
        got = bytearray()
        with deaf_client(served.port, ask(NDJSON), takes=64 << 10) as client:
            async with connected(served.port) as clock:
                question = b'{"messages": [{"role": 2, "content": "?"}], "bot": "clock"}'
                await clock.send(request(question, path="/?stream=true", accept=SSE))
                for beat in range(1, 19):
                    await clock.until(b": keepalive\n\n", times=beat)
                    assert not got.endswith(b"0\r\n\r\n")
                    got += await anyio.to_thread.run_sync(read_some, client)
            got += await anyio.to_thread.run_sync(read_all, client)
    answer = parsed(bytes(got))
    assert answer.has_last_chunk
    assert len(answer.text) > len(PIECE) * 512


@pytest.mark.parametrize("accept", [NDJSON, SSE])
async def test_an_answer_that_is_over_waits_no_longer_for_who_does_not_read(strict_house: House, accept: str) -> None:
    bot = strict_house.answers(saying(PIECE * 256))
    before = held().sockets
    with deaf_client(strict_house.port, ask(accept)) as client:
        turn = await bot.turn()
        await turn.until(lambda: turn.is_over)
        if strict_house.name == "lent":
            await soon(lambda: held().sockets == before + 1)
            assert not parsed(await anyio.to_thread.run_sync(read_all, client)).has_last_chunk


async def test_the_node_programs_stream_drops_who_does_not_read_too() -> None:
    """On our own server; elsewhere the kernel alone takes more than such a stream says in a minute."""

    async def rewrite(turn: Turn) -> None:
        for number in range(100):
            turn.feed(TextReplaced(message_id=MESSAGE, text=f"{number}" + "x" * 50_000))
            with anyio.move_on_after(0.05):
                await turn.go.wait()

    bot = Bot(rewrite)
    async with serving(bot, stall_s=0.3) as served:
        with deaf_client(served.port, ask("*/*")):
            turn = await bot.turn()
            await turn.until(lambda: turn.is_over)
            assert turn.is_cancelled


class Late:
    """A fake at the port `Chats` that takes its time before it opens the turn."""

    def __init__(self, script: Script) -> None:
        self.bot = Bot(script)
        self.has_begun = anyio.Event()
        self.go = anyio.Event()

    async def converse(self, request: Request, sink: Sink) -> None:
        self.has_begun.set()
        await self.go.wait()
        await self.bot.converse(request, sink)


@pytest.mark.parametrize("when", ["while it is unread", "after it was read"])
async def test_a_turn_that_opens_behind_an_unread_answer_is_held_back_as_long_as_that(when: str) -> None:
    async def wait(turn: Turn) -> None:
        if turn.is_paused:
            turn.go.set()
        await turn.until_ready()
        turn.say("at last")
        turn.done()

    late, whole, clock = Late(wait), saying(PIECE * 256), Bot(silent)
    questions = [json.dumps({"messages": [{"role": 2, "content": "?"}], "bot": bot}).encode() for bot in BOTS]
    async with serving(dict(zip(BOTS, (whole, late, clock), strict=True)), gate_s=0.1) as served:
        unread = request(questions[0], connection=None) + request(questions[1], path="/?stream=true", accept=NDJSON)
        with deaf_client(served.port, unread) as client:
            await late.has_begun.wait()
            async with connected(served.port) as other:
                await other.send(request(questions[2], path="/?stream=true", accept=NDJSON))
                await other.until(b"\r\n\r\n")  # so the gate of the late one has opened as well
            got = b""
            if when == "after it was read":
                got = await anyio.to_thread.run_sync(read_head, client)
            late.go.set()
            turn = await late.bot.turn()
            assert turn.go.is_set() is (when == "while it is unread")
            got += await anyio.to_thread.run_sync(read_all, client)
    assert got.count(b"HTTP/1.1 200") == 2
    assert b"at last" in got
    assert got.endswith(b"0\r\n\r\n")


def read_head(client: Any) -> bytes:
    """Until the head of the second response has come."""
    got = bytearray()
    while b"HTTP/1.1 200" not in got[-2000:] or len(got) < 1 << 20:
        got += client.recv(1 << 20)
    return bytes(got)
