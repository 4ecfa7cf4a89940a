"""The measurements still run; what they measure is for a quiet machine (bench/README.md)."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset is not here")
def test_streams_are_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "streams.py"), "--modes", "request", "--repeat", "1", "--seconds", "0.5"]
    command += ["--port", "0"]
    ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=50)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "us of CPU" in ended.stdout
    assert ended.stdout.endswith("failed or short: 0\n")


def test_the_start_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "startup.py"), "1"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=True)
    assert [line.split("  ")[0] for line in ended.stdout.splitlines()] == ["realcoze --help", "realcoze serve, ready"]


@pytest.mark.skipif(not shutil.which("taskset"), reason="taskset is not here")
def test_endurance_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH / "endurance.py"), "--streams", "5", "--seconds", "0.2", "--tokens", "8"]
    command += ["--per-second", "100"]
    ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=50)
    answers, memory = ended.stdout.splitlines()
    assert re.fullmatch(r"whole: (\d+) of \1 answers", answers)
    assert memory.startswith("memory: ")


def test_an_answer_is_measured() -> None:
    command = [sys.executable, str(BENCH / "answer.py"), "--tokens", "3", "--rounds", "2", "--pause-ms", "1"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)
    assert (ended.returncode, ended.stderr) == (0, "")
    told = r"{}: least \d+ us, median \d+ us of 2 answers\n"
    whens = ("at once", "after 1 ms awake", "after 1 ms asleep")
    assert re.fullmatch("".join(map(told.format, whens)), ended.stdout)
