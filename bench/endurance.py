"""A thousand streams at once, ten tokens a second each, for a minute, through `POST /v1/chat/completions`.

    .venv/bin/python bench/endurance.py [--streams 1000] [--seconds 60] [--tokens 100] [--per-second 10]

`realcoze serve` has the first core; a stand-in for Coze's `POST /v3/chat` and the clients share the second.
Every client asks again as soon as it is answered, until the time is up; then what runs is waited for.  Each
answer is the words of its own question over and over: it is whole when it has all of them and nothing else,
one `finish_reason`, `[DONE]` and the last chunk of HTTP.  Prints what came, and the memory of the server on
the way; exit 1 when an answer failed or was not whole, or when memory grew.
"""

import argparse
import asyncio
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop

CHAT = {"id": "7382159487131697202", "conversation_id": "7381473525342978089", "bot_id": "1", "status": "created"}
MESSAGE = {
    "id": "7382159494123470858", "conversation_id": CHAT["conversation_id"], "chat_id": CHAT["id"], "bot_id": "1",
    "role": "assistant", "type": "answer", "content_type": "text",
}  # fmt: skip
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
READY_S, GROWN = 30, 1.1
"""How long the server may take to begin, and the last answers beyond their time; how much memory may grow."""


class Coze(asyncio.Protocol):
    """The stand-in: says the question's words, one each `pause_s`, until there were `tokens`."""

    def __init__(self, tokens: int, pause_s: float) -> None:
        self._tokens, self._pause_s = tokens, pause_s
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = json.loads(self._body), b""
        self._said = answer_to(body["additional_messages"][-1]["content"], self._tokens)
        self._words = iter(self._said)
        self._transport.write(HEAD + event("conversation.chat.created", CHAT))
        self._next()

    def _next(self) -> None:
        if self._transport.is_closing():
            return
        word = next(self._words, None)
        if word is not None:
            self._transport.write(event("conversation.message.delta", {**MESSAGE, "content": word}))
            asyncio.get_running_loop().call_later(self._pause_s, self._next)
            return
        last = event("conversation.message.completed", {**MESSAGE, "content": "".join(self._said)})
        last += event("conversation.chat.completed", {**CHAT, "status": "completed"})
        self._transport.write(last + event("done", "[DONE]") + b"0\r\n\r\n")


class Client(asyncio.Protocol):
    """Asks its own question again and again; `told` counts how the answers were."""

    def __init__(self, name: str, told: Counter[str], tokens: int, *, port: int) -> None:
        self._told, self._tokens = told, tokens
        self._question = f"{name} one two three {name}"
        self._port = port
        self.ends_at = 0.0
        self.is_done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.is_done.done():
            self._told[f"lost {exc or ''}"] += 1
            self.is_done.set_result(None)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._told[self._verdict()] += 1
        if asyncio.get_running_loop().time() < self.ends_at:
            self._ask()
        else:
            self.is_done.set_result(None)
            self._transport.close()

    def _ask(self) -> None:
        self._body: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        messages = [{"role": "user", "content": self._question}]
        body = json.dumps({"model": "bench", "stream": True, "messages": messages}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _verdict(self) -> str:
        status, *lines = self._parser.get_status_code(), *b"".join(self._body).decode().split("\n\n")
        if status != 200:
            return f"status {status}"
        if lines[-2:] != ["data: [DONE]", ""]:
            return "broken off"
        choices = [choice for line in lines[:-2] for choice in json.loads(line.removeprefix("data: "))["choices"]]
        text = "".join(choice["delta"].get("content", "") for choice in choices)
        ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
        return "whole" if text == "".join(answer_to(self._question, self._tokens)) and ends == ["stop"] else "wrong"


def answer_to(question: str, tokens: int) -> list[str]:
    return [f"{word} " for word in itertools.islice(itertools.cycle(question.split()), tokens)]


def event(name: str, data: Any) -> bytes:
    body = f"event:{name}\ndata:{json.dumps(data)}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(body), body)


def memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def serve(folder: Path, core: int, upstream_port: int) -> tuple[asyncio.subprocess.Process, int]:
    """`realcoze serve` on a core of its own, and its port."""
    account = {"COZE_API_BASE": f"http://127.0.0.1:{upstream_port}", "COZE_API_TOKEN": "pat", "COZE_BOT_ID": "1"}
    command = ["taskset", "-c", str(core), sys.executable, "-m", "realcoze", "serve", "--port", "0"]
    environment = {**os.environ, **account, "XDG_STATE_HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(READY_S):
        line = (await cast("asyncio.StreamReader", process.stdout).readline()).decode()
    return process, int(line.split("http://127.0.0.1:", 1)[1].split(",")[0])


async def measure(wish: argparse.Namespace, folder: Path, *, core: int) -> bool:
    loop = asyncio.get_running_loop()
    upstream = await loop.create_server(lambda: Coze(wish.tokens, 1 / wish.per_second), "127.0.0.1", 0, backlog=8192)
    process, port = await serve(folder, core, upstream.sockets[0].getsockname()[1])
    told, clients, memory = Counter[str](), list[Client](), [memory_mib(process.pid)]
    try:
        began = loop.time()
        for number in range(wish.streams):
            _, client = await loop.create_connection(
                lambda name=f"n{number}": Client(name, told, wish.tokens, port=port), "127.0.0.1", port
            )
            client.ends_at = began + wish.seconds
            clients.append(client)
        for part in (1 / 3, 2 / 3, 1):
            await asyncio.sleep(max(0, began + wish.seconds * part - loop.time()))
            memory.append(memory_mib(process.pid))
        async with asyncio.timeout(wish.tokens / wish.per_second + READY_S):
            await asyncio.gather(*(client.is_done for client in clients))
        await asyncio.sleep(1)
        memory.append(memory_mib(process.pid))
    finally:
        process.terminate()
        await process.wait()
        upstream.close()
    print(", ".join(f"{how}: {count}" for how, count in told.most_common()), f"of {sum(told.values())} answers")
    before, first, second, third, after = memory
    print(f"memory: {before:.1f} MiB before, {first:.1f}, {second:.1f} and {third:.1f} on the way, {after:.1f} after")
    return set(told) == {"whole"} and max(second, third, after) <= first * GROWN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tokens", type=int, default=100, help="in each answer")
    parser.add_argument("--per-second", type=float, default=10, help="tokens of one stream")
    wish = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if uvloop.run(measure(wish, Path(folder), core=cores[0])) else 1)


main()
