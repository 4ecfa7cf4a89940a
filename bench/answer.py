"""What one answer takes within a process, while nothing else runs and after a pause.

    .venv/bin/python bench/answer.py [--tokens 50] [--rounds 300] [--pause-ms 10]

A client, the server of `realcoze serve` and a stand-in for Coze share one process and one connection each; the
answer's tokens come at once.  The pause before an answer is spent in a loop of two calls, so that the core
neither sleeps nor needs its caches for it, and then asleep: what an answer takes more than without a pause tells
what others on the machine have taken from the caches meanwhile, and what the core itself forgets as it sleeps.
Times are of the clock, from the first byte of the request to the last of the response; the stand-in's and the
client's own few calls are in them.
"""

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import cast

import uvloop

from realcoze.app.config import load_settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house

LAST_CHUNK = b"0\r\n\r\n"
WARM_UP = 30


def answer(tokens: int) -> bytes:
    """A whole response of Coze's."""
    chat = {"id": "7382159487131697202", "conversation_id": "7381473525342978089", "status": "created"}
    message = {"id": "7382159494123470858", "chat_id": chat["id"], "type": "answer", "content_type": "text"}
    events = [
        event("conversation.chat.created", chat),
        *[event("conversation.message.delta", {**message, "content": f"token{number} "}) for number in range(tokens)],
        event("conversation.chat.completed", {**chat, "status": "completed"}),
        event("done", "[DONE]"),
    ]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(events) + LAST_CHUNK


def event(name: str, data: object) -> bytes:
    body = f"event:{name}\ndata:{json.dumps(data)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


class Coze(asyncio.Protocol):
    """The stand-in: one answer to whatever comes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _request: bytes) -> None:
        self._transport.write(self._answer)


class Client(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    async def ask(self, request: bytes) -> None:
        """Return with the last byte of the response."""
        self._received = b""
        self._whole = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        await self._whole

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(LAST_CHUNK):
            if b"data: [DONE]" not in self._received:
                raise RuntimeError(f"no whole answer: {self._received[-500:]!r}")
            self._whole.set_result(None)


async def measure(wish: argparse.Namespace, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    coze = await loop.create_server(lambda: Coze(answer(wish.tokens)), "127.0.0.1", 0)
    base = f"http://127.0.0.1:{coze.sockets[0].getsockname()[1]}"
    account = {"COZE_API_BASE": base, "COZE_API_TOKEN": "pat", "COZE_BOT_ID": "1", "XDG_STATE_HOME": str(folder)}
    settings = load_settings(folder=folder, environment=account)
    async with open_house(settings) as house, listening(build_app(house, settings), host="127.0.0.1", port=0) as port:
        body = json.dumps({"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Hi"}]})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
        transport, client = await loop.create_connection(Client, "127.0.0.1", port)
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)  # as `serve` does
        for kind, wait in (("at once", nothing), ("awake", wait_awake), ("asleep", time.sleep)):
            taken_us = []
            for number in range(wish.rounds + WARM_UP):
                wait(wish.pause_ms / 1e3)
                began = time.perf_counter()
                await client.ask((head + body).encode())
                if number >= WARM_UP:
                    taken_us.append((time.perf_counter() - began) * 1e6)
            least, median = min(taken_us), statistics.median(taken_us)
            when = kind if wait is nothing else f"after {wish.pause_ms:g} ms {kind}"
            print(f"{when}: least {least:.0f} us, median {median:.0f} us of {len(taken_us)} answers")
        transport.close()
    coze.close()


def nothing(_seconds: float) -> None:
    """No pause."""


def wait_awake(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=50, help="in each answer")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--pause-ms", type=float, default=10)
    wish = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(wish, Path(folder)))


main()
