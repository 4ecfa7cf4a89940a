"""How long the command takes to help, and a server to be ready: medians over whole processes.

    .venv/bin/python bench/startup.py [RUNS]

`serve` is ready when GET /health answers 200; it is started with the settings that
`realcoze emulate --write` makes, and no emulator: being ready asks nothing of Coze.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from realcoze.emulator.account import BOTS, bot_config

COMMAND = [sys.executable, "-m", "realcoze"]


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_bytes(msgspec.json.encode(bot_config(BOTS[0])))
        help_s = [time_help() for _ in range(runs)]
        ready_s = [time_serve(folder) for _ in range(runs)]
    print(f"realcoze --help        median {statistics.median(help_s):.3f} s, worst {max(help_s):.3f} s of {runs}")
    print(f"realcoze serve, ready  median {statistics.median(ready_s):.3f} s, worst {max(ready_s):.3f} s of {runs}")


def time_help() -> float:
    start = time.perf_counter()
    subprocess.run([*COMMAND, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def time_serve(folder: Path) -> float:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "session_id": "bench", "temp_path": str(folder / "temp")}
    start = time.perf_counter()
    server = subprocess.Popen(
        [*COMMAND, "serve", "--port", str(port)], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        while not is_ready(port):
            if server.poll() is not None or time.perf_counter() - start > 30:
                sys.exit(f"the server did not start (exit code {server.poll()})")
            time.sleep(0.002)
        return time.perf_counter() - start
    finally:
        server.terminate()
        server.wait(10)


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


main()
