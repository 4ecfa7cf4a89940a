"""What happens on the connection itself."""

import asyncio
import json

import aiohttp
import anyio
import pytest

from open_coze import OpenClient, asked, open_coze
from realcoze.emulator.account import API_TOKEN
from realcoze.emulator.delivery import GARBAGE
from realcoze.emulator.open_api.settings import SeenEnd
from servers import PATIENCE_S, soon

pytestmark = pytest.mark.usefixtures("nothing_left")


async def read_until(coze: OpenClient, text: str, enough: bytes) -> tuple[bytes, bool]:
    """The bytes of a stream up to a mark, and whether it ended by then; the client leaves afterwards."""
    got = b""
    async with coze.http.post(f"{coze.base}/v3/chat", json=asked(text)) as response:
        with anyio.fail_after(PATIENCE_S):
            async for chunk in response.content.iter_any():
                got += chunk
                if enough in got:
                    return got, False
    return got, True


async def raw(coze: OpenClient, text: str) -> bytes:
    """All bytes of an answer, head and chunks included."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(coze.base.rpartition(":")[2]))
    body = json.dumps(asked(text)).encode()
    head = f"POST /v3/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_TOKEN}\r\nContent-Length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)
    with anyio.fail_after(PATIENCE_S):
        got = await reader.read()
    writer.close()
    return got


async def test_garbage_is_no_chunk() -> None:
    """aiohttp's own client (3.14.5) would wait for ever: its parser fails without telling the body's reader."""
    async with open_coze() as coze:
        got = await raw(coze, "one two three [[fault garbage after=1]]")
        assert coze.server.seen.ends[0].how == "fault"
    assert got.endswith(GARBAGE)
    assert b"one" in got
    assert b"two" not in got


@pytest.mark.parametrize("name", ["cut", "reset"])
@pytest.mark.parametrize("after", [0, 1, 50])
async def test_a_connection_that_breaks_is_no_whole_body(name: str, after: int) -> None:
    async with open_coze() as coze:
        with pytest.raises(aiohttp.ClientPayloadError):
            await coze.chat(f"one two three [[fault {name} after={after}]]")
        chat = next(iter(coze.server.state.chats.values()))
        await soon(lambda: chat.has_ended)
        assert coze.server.seen.ends == [SeenEnd(chat.id, "fault")]


@pytest.mark.parametrize(("after", "said"), [(0, ""), (1, "one"), (50, "one two")])
async def test_a_body_that_ends_early_looks_whole(after: int, said: str) -> None:
    async with open_coze() as coze:
        answer = await coze.chat(f"one two three [[fault eof after={after}]]")
    assert answer.said == said
    assert answer.names[-1] in ("conversation.chat.in_progress", "conversation.message.delta")


async def test_a_chat_whose_stream_broke_off_can_still_be_had_whole() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("one two three [[fault eof after=1]]")
        chat = answer.events[0][1]
        await soon(lambda: coze.server.state.chats[chat["id"]].has_ended)
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        listed = (await coze.get("/v3/chat/message/list", **query)).json["data"]
    assert listed[0]["content"] == "one two three"


@pytest.mark.parametrize(
    ("fault", "enough"), [("deaf", b'"content":"one"'), ("half", b'"role":"assi'), ("stuck", b'"content":"one"')]
)
async def test_a_stream_that_rests_is_left_by_its_reader(fault: str, enough: bytes) -> None:
    async with open_coze() as coze:
        _, is_over = await read_until(coze, f"one two three [[fault {fault} after=1]]", enough)
        assert not is_over
        await soon(lambda: coze.server.seen.ends)
        assert [end.how for end in coze.server.seen.ends] == ["left"]
        assert coze.server.seen.open_streams == 0


async def test_only_headers_come_of_a_silent_one() -> None:
    async with open_coze() as coze:
        async with coze.http.post(f"{coze.base}/v3/chat", json=asked("hello [[fault silent]]")) as response:
            assert response.status == 200
            reading = asyncio.ensure_future(response.content.readany())
            await soon(lambda: next(iter(coze.server.state.chats.values())).has_ended)
            assert not reading.done()
            reading.cancel()
        await soon(lambda: coze.server.seen.ends)


async def test_a_trickle_comes_byte_by_byte() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("one two [[fault trickle after=1 value=0]]")
        slow, is_over = await read_until(coze, "one two [[fault trickle after=1 value=30]]", b'"content":"one"')
    assert answer.said == "one two"
    assert answer.names[-1] == "done"
    assert (is_over, b" two" in slow) == (False, False)


async def test_one_byte_is_a_chunk() -> None:
    sizes = set()
    text = b""
    async with (
        open_coze() as coze,
        coze.http.post(f"{coze.base}/v3/chat", json=asked("ü [[fault bytes]]")) as response,
    ):
        async for data, is_end in response.content.iter_chunks():
            if is_end:
                sizes.add(len(data))
            text += data
    assert sizes <= {0, 1}
    assert '"content":"ü"' in text.decode()


async def test_each_event_is_noted_for_people() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("hello")
        notes = [note for note in coze.wire.notes if note.kind == "event"]
    assert sum(note.size for note in notes) == len(answer.text.encode())
    assert {note.push_uuid for note in notes} == {answer.events[0][1]["id"]}


async def test_a_stream_keeps_its_pace() -> None:
    """At 50 tokens a second not everything is there at once; the upper limit is the test's own."""
    async with (
        open_coze(pace=50) as coze,
        coze.http.post(f"{coze.base}/v3/chat", json=asked("one two three four")) as response,
    ):
        chunks = [chunk async for chunk in response.content.iter_any()]
    assert len(chunks) > 4
