"""The outlet for servers that lend none; what it does for whole answers is in test_streamed.py."""

from typing import Any

import anyio
import pytest
from starlette.types import Message

from realcoze.faces.outlet import PIECE_BYTES, AsgiOutlet
from servers import PATIENCE_S

pytestmark = pytest.mark.anyio

START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}
LAST = {"type": "http.response.body", "body": b"", "more_body": False}


class Server:
    """Takes what is sent to it while `is_open` is set."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.told: list[str] = []
        self.is_open = anyio.Event()
        self.outlet = AsgiOutlet(self.send)

    async def send(self, message: Message) -> None:
        await self.is_open.wait()
        self.messages.append(message)

    def watch(self, *, stall_s: float = PATIENCE_S) -> AsgiOutlet:
        def tell(what: str) -> Any:
            return lambda: self.told.append(what)

        self.outlet.watch(tell("pause"), tell("resume"), tell("leave"), stall_s=stall_s)
        return self.outlet


def body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


@pytest.mark.parametrize("is_whole", [True, False])
async def test_what_is_written_meanwhile_goes_together_and_only_what_is_whole_has_an_end(*, is_whole: bool) -> None:
    server = Server()
    outlet = server.watch()
    server.is_open.set()
    assert outlet.written_at == 0
    outlet.begin([(b"a", b"b")])
    outlet.write(b"Hel")
    assert outlet.written_at > 0
    outlet.written_at = 0
    outlet.write(b"lo")
    assert outlet.written_at > 0
    assert outlet.unsent() == 5
    outlet.end(is_whole=is_whole)
    with anyio.fail_after(PATIENCE_S):
        await outlet.pump()
    assert server.messages == [START, body(b"Hello"), *([LAST] if is_whole else [])]
    assert outlet.is_done.is_set()
    assert (outlet.unsent(), server.told) == (0, [])


async def test_whoever_takes_too_little_is_told_and_gets_pieces() -> None:
    server = Server()
    outlet = server.watch()
    outlet.begin([])
    outlet.write(b"x" * PIECE_BYTES)
    assert server.told == []
    outlet.write(b"y")
    outlet.write(b"z")
    assert server.told == ["pause"]
    outlet.end(is_whole=True)
    server.is_open.set()
    await outlet.pump()
    assert server.told == ["pause", "resume"]
    assert [message.get("body") for message in server.messages[1:]] == [b"x" * PIECE_BYTES, b"yz", b""]


async def test_whoever_takes_nothing_has_left() -> None:
    server = Server()
    outlet = server.watch(stall_s=0.01)
    outlet.begin([])
    with anyio.fail_after(PATIENCE_S):
        await outlet.pump()
    assert server.told == ["leave"]
    assert not outlet.is_done.is_set()
