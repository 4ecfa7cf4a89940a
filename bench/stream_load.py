"""Drive a server with many streams and account its CPU, memory and latencies; prints one JSON object.

    python bench/stream_load.py '{"port": 8080, "path": "/?stream=true", "streams": 200, "seconds": 7, "pid": 1234,
                                  "tokens": 100, "period_s": 2, "body": "…"}'

Every connection sends one streaming request after another and asks for server-sent events.  CPU time is
read from /proc for `pid` and its children, so that it does not depend on how busy the rest of the machine
is, and is divided by the tokens that arrived in the window.  A token is the character U+8BCD (raw or
escaped); an answer may repeat its whole text at the end, which is not counted again.  Connections begin
at random within `period_s`, so that their tokens do not come at the same time.
"""

import asyncio
import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import uvloop

PLAN: dict[str, Any] = json.loads(sys.argv[1])
TOKENS: int = PLAN["tokens"]
BODY: bytes = PLAN["body"].encode()
REQUEST = (
    b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
    b"content-length: %d\r\n\r\n%b" % (PLAN["path"].encode(), len(BODY), BODY)
)
RAW, ESCAPED = "词".encode(), b"\\u8bcd"
LAST_CHUNK = b"0\r\n\r\n"


class Count:
    """What was seen in the window."""

    def __init__(self) -> None:
        self.done = self.failed = self.short = self.tokens = 0
        self.first_s: list[float] = []
        self.gaps_s: list[float] = []


class Load:
    """All connections; `count` is begun anew when the window opens."""

    def __init__(self) -> None:
        self.count = Count()
        self.is_over = False

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        rss_before = rss_kib(family(PLAN["pid"]))
        for _ in range(PLAN["streams"]):
            await loop.create_connection(lambda: Client(self), "127.0.0.1", PLAN["port"])
        await asyncio.sleep(PLAN["period_s"] + 1.5)
        self.count = Count()
        pids = family(PLAN["pid"])
        cpu_s, start = cpu_seconds(pids), time.perf_counter()
        own_s = time.process_time()
        await asyncio.sleep(PLAN["seconds"])
        cpu_s, elapsed_s = cpu_seconds(pids) - cpu_s, time.perf_counter() - start
        own_s = time.process_time() - own_s
        self.is_over = True
        return figures(self.count, cpu_s, own_s, elapsed_s, rss_kib(pids) - rss_before)


class Client(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self.load = load

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.is_asking = False
        asyncio.get_running_loop().call_later(random.random() * PLAN["period_s"], self.ask)

    def ask(self) -> None:
        if self.transport.is_closing():
            return
        self.asked_at, self.last_at = time.perf_counter(), 0.0
        self.head = self.tail = b""
        self.seen = 0
        self.is_asking = True
        self.transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if len(self.head) < 12:
            self.head += data[:12]
            if not self.head.startswith(b"HTTP/1.1 200"[: len(self.head)]):
                self.load.count.failed += 1
                self.transport.close()
                return
        window = self.tail + data
        found = sum(window.count(token) - self.tail.count(token) for token in (RAW, ESCAPED))
        if found := min(found, TOKENS - self.seen):
            self.arrived(found, now)
        self.tail = window[-5:]
        if window.endswith(LAST_CHUNK) and self.is_asking:
            self.end()

    def arrived(self, found: int, now: float) -> None:
        count = self.load.count
        if self.seen:
            count.gaps_s.append(now - self.last_at)
        else:
            count.first_s.append(now - self.asked_at)
        self.seen += found
        self.last_at = now
        count.tokens += found

    def end(self) -> None:
        self.is_asking = False
        if self.seen < TOKENS:
            self.load.count.short += 1
        else:
            self.load.count.done += 1
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self.is_asking and not self.load.is_over:
            self.load.count.failed += 1


def figures(count: Count, cpu_s: float, own_s: float, elapsed_s: float, grown_kib: int) -> dict[str, Any]:
    return {
        "streams_per_s": round(count.done / elapsed_s, 1),
        "tokens_per_s": round(count.tokens / elapsed_s),
        "failed": count.failed,
        "short": count.short,
        "cpu_share": round(cpu_s / elapsed_s, 3),
        "load_cpu_share": round(own_s / elapsed_s, 3),
        "cpu_us_per_token": round(cpu_s / count.tokens * 1e6, 1) if count.tokens else None,
        "cpu_us_per_stream": round(cpu_s / count.done * 1e6) if count.done else None,
        "first_token_ms": quantiles(count.first_s),
        "token_gap_ms": quantiles(count.gaps_s),
        "kib_per_stream": round(grown_kib / PLAN["streams"], 1),
    }


def quantiles(seconds: Iterable[float]) -> dict[str, float] | None:
    ordered = sorted(seconds)
    if not ordered:
        return None
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def family(pid: int) -> list[int]:
    pids = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            pids += family(int(child))
    return pids


def cpu_seconds(pids: Iterable[int]) -> float:
    fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def rss_kib(pids: Iterable[int]) -> int:
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("VmRSS"))


_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
print(json.dumps(uvloop.run(Load().run())))
