"""What a streamed answer costs: `POST /?stream=true` as server-sent events over the playground upstream.

    .venv/bin/python bench/streams.py [--repeat 3] [--port 8090]

Starts a stand-in playground (playground_upstream.py) and `realcoze serve` for each measurement, the server
alone on the first core, everything else on the second, and prints a table (medians of the repeats).  Where
nginx is there, it relays the same tokens from the stand-in in the same way: its CPU a token is the floor.

request   answers of one token, 32 connections: CPU per request
burst     answers of 50 tokens at once, 32 connections
paced     100 tokens, one each 20 ms, 100 streams: CPU per token
half      as paced, with as many streams as use half of the core: how long the first token takes, which
          the stand-in sends as soon as it is asked, with us in between and without
idle      2,000 streams with a token each 2 s: memory per stream
linear    4 characters a token, 10 ms: 1,000, 4,000 and 16,000 characters; each push carries the whole text
"""

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from realcoze.emulator.account import BOTS, bot_config

HERE = Path(__file__).parent
PATH = "/?stream=true"
BODY = '[{"role":2,"content":"hello there"}]'
SETTINGS = """
[upstreams.playground]
kind = "coze_playground"
session_id = "bench"
base = "http://127.0.0.1:{port}"
max_turns = 8000
[bots.bench]
upstream = "playground"
config = "config.json"
"""

NGINX = """
worker_processes 1; daemon off; master_process off; error_log /dev/null; pid %(folder)s/nginx.pid;
events { worker_connections 16000; }
http { access_log off; client_body_temp_path %(folder)s; proxy_temp_path %(folder)s;
  fastcgi_temp_path %(folder)s; uwsgi_temp_path %(folder)s; scgi_temp_path %(folder)s;
  upstream u { server 127.0.0.1:%(upstream_port)d; keepalive 1000; }
  server { listen 127.0.0.1:%(port)d backlog=8192; keepalive_requests 1000000;
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  } }
"""
Figures = dict[str, Any]
Show = Callable[[Figures], str]
Relay = Callable[[Path, int, int], tuple[list[str], str]]
"""A folder of its own, the stand-in's port and the port to listen on → the command, and the path to ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of load."""

    tokens: int
    interval_ms: float
    streams: int
    seconds: float
    token_characters: int = 5

    @property
    def period_s(self) -> float:
        """Connections begin within it."""
        return min(3.0, max(0.2, self.tokens * self.interval_ms / 1000))


REQUEST = Shape(tokens=1, interval_ms=0, streams=32, seconds=4)
BURST = Shape(tokens=50, interval_ms=0, streams=32, seconds=4)
PACED = Shape(tokens=100, interval_ms=20, streams=100, seconds=7)
IDLE = Shape(tokens=60, interval_ms=2000, streams=2000, seconds=5)
LINEAR = [
    Shape(tokens=characters // 4, interval_ms=10, streams=20, seconds=seconds, token_characters=4)
    for characters, seconds in ((1_000, 6), (4_000, 12), (16_000, 45))
]
HALF_OF_THE_CORE = 0.5


def realcoze(folder: Path, upstream_port: int, port: int) -> tuple[list[str], str]:
    """The command of our server, and the path to ask."""
    (folder / "config.json").write_bytes(msgspec.json.encode(bot_config(BOTS[0])))
    settings = folder / "realcoze.toml"
    settings.touch(mode=0o600)
    settings.write_text(SETTINGS.format(port=upstream_port))
    return [sys.executable, "-m", "realcoze", "serve", "--config", "realcoze.toml", "--port", str(port)], PATH


def nginx(folder: Path, upstream_port: int, port: int) -> tuple[list[str], str]:
    """The same of an nginx that only relays."""
    settings = folder / "nginx.conf"
    settings.write_text(NGINX % {"folder": folder, "port": port, "upstream_port": upstream_port})
    return ["nginx", "-c", str(settings)], "/direct"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one")
    parser.add_argument("--modes", default=",".join(MODES), help="which of them, with commas")
    parser.add_argument("--seconds", type=float, default=None, help="how long each is watched, to try it out")
    asked = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2 or not shutil.which("taskset"):
        sys.exit("Two cores and taskset are needed.")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    bench = Bench(asked.repeat, asked.port or free_port(), asked.seconds)
    for mode in asked.modes.split(","):
        MODES[mode](bench)
    sys.exit(bench.wrong > 0)


class Bench:
    """Measures and prints; `wrong` counts the answers that failed or came short."""

    def __init__(self, repeat: int, port: int, seconds: float | None) -> None:
        self._repeat = repeat
        self._port = port
        self._seconds = seconds
        self.wrong = 0

    def request(self) -> None:
        self._measure("request", REQUEST, per_request)

    def burst(self) -> None:
        self._measure("burst", BURST, per_token)
        self._floor("burst", BURST)

    def paced(self) -> None:
        self._measure("paced", PACED, per_token)
        self._floor("paced", PACED)

    def half(self) -> None:
        paced = self._measure("half: a token", PACED, per_token)
        streams = round(HALF_OF_THE_CORE / paced["cpu_us_per_token"] * 1e6 * PACED.interval_ms / 1000)
        shape = replace(PACED, streams=streams)
        self._measure(f"half, {streams}", shape, first_token)
        self._measure(f"half, {streams}, direct", shape, first_token, through=None)

    def idle(self) -> None:
        self._measure("idle", IDLE, memory)

    def linear(self) -> None:
        for shape in LINEAR:
            self._measure(f"linear, {shape.tokens * shape.token_characters}", shape, per_token)

    def _floor(self, name: str, shape: Shape) -> None:
        if shutil.which("nginx"):
            self._measure(f"{name}, nginx", shape, per_token, through=nginx)

    def _measure(self, name: str, shape: Shape, show: Show, *, through: Relay | None = realcoze) -> Figures:
        shape = replace(shape, seconds=self._seconds or shape.seconds)
        runs = [run(shape, self._port, through) for _ in range(self._repeat)]
        wrong = sum(each["failed"] + each["short"] for each in runs)
        self.wrong += wrong
        middle = {key: median([each[key] for each in runs]) for key in runs[0] if runs[0][key] is not None}
        print(f"{name:18} {show(middle)}; failed or short: {wrong}", flush=True)
        return middle


def per_request(seen: Figures) -> str:
    return f"{seen['cpu_us_per_stream']:6.0f} us of CPU, {seen['streams_per_s']:.0f}/s"


def per_token(seen: Figures) -> str:
    return f"{seen['cpu_us_per_token']:6.1f} us of CPU a token at {seen['tokens_per_s']:.0f} tokens/s"


def first_token(seen: Figures) -> str:
    times = seen["first_token_ms"]
    share = f"{seen['cpu_share']:.0%} of the core, the load's own {seen['load_cpu_share']:.0%}"
    start = f"{times['p50']:6.2f} ms to the first token (p99 {times['p99']:.2f})"
    return f"{start}; {seen['tokens_per_s']:.0f} tokens/s, {share}"


def memory(seen: Figures) -> str:
    return f"{seen['kib_per_stream']:6.1f} KiB a stream, {seen['cpu_share']:.0%} of the core"


MODES: dict[str, Callable[[Bench], None]] = {
    "request": Bench.request,
    "burst": Bench.burst,
    "paced": Bench.paced,
    "half": Bench.half,
    "idle": Bench.idle,
    "linear": Bench.linear,
}


def median(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {key: statistics.median(each[key] for each in values) for key in values[0]}
    return statistics.median(values)


def run(shape: Shape, port: int, through: Relay | None) -> dict[str, Any]:
    """One measurement; without anything in between it is the stand-in that is measured."""
    upstream_port = free_port()
    script = [sys.executable, str(HERE / "playground_upstream.py")]
    arguments = [upstream_port, shape.tokens, shape.interval_ms, shape.token_characters]
    with (
        tempfile.TemporaryDirectory() as name,
        running(1, [*script, *map(str, arguments)], Path(name)) as upstream,
    ):
        wait_for(upstream_port, upstream)
        if through is None:
            return load(shape, upstream_port, "/direct", upstream.pid)
        command, path = through(Path(name), upstream_port, port)
        with running(0, command, Path(name)) as server:
            wait_for(port, server)
            warm_up(port, path)
            return load(shape, port, path, server.pid)


def load(shape: Shape, port: int, path: str, pid: int) -> dict[str, Any]:
    plan = {
        "port": port, "path": path, "streams": shape.streams, "seconds": shape.seconds, "pid": pid,
        "tokens": shape.tokens, "period_s": shape.period_s, "body": BODY,
    }  # fmt: skip
    command = ["taskset", "-c", "1", sys.executable, str(HERE / "stream_load.py"), json.dumps(plan)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)  # type: ignore[no-any-return]


@contextmanager
def running(core: int, command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if process.poll() is not None:
            sys.exit(f"{process.args} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def warm_up(port: int, path: str) -> None:
    """The first turn launches and opens the websocket."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=BODY.encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        sys.exit(f"the server answers {error.code}: {error.read(300)!r}")


if __name__ == "__main__":
    main()
