"""Judges: programs of other people that test ours, each run as a process of its own.

One that is missing skips its tests; where REALCOZE_JUDGES is `all`, as in CI, it fails them.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest

from servers import PATIENCE_S

JUDGES = Path(__file__).parent / "judges"
PAGE = JUDGES / "page"
PYTHON_OF_PAGE = PAGE / ".venv" / "bin" / "python"


def missing(what: str) -> None:
    """Skip the test for want of a judge, or fail it where all must be there."""
    told = f"{what} is not here; tests/judges/install gets it."
    if os.environ.get("REALCOZE_JUDGES") == "all":
        pytest.fail(told)
    pytest.skip(told)


def require(program: str) -> str:
    """The path of a program."""
    found = shutil.which(program)
    if found is None:
        missing(program)
    return str(found)


def require_page() -> None:
    """Chromium, in either form, and what drives it."""
    if shutil.which("chromium-headless-shell") is None:
        require("chromium")
    if not PYTHON_OF_PAGE.exists():
        missing("The environment of tests/judges/page")


def python_of(judge: str) -> str:
    """The interpreter of a judge's environment."""
    python = JUDGES / judge / ".venv" / "bin" / "python"
    if not python.exists():
        missing(f"The environment of tests/judges/{judge}")
    return str(python)


async def driven(
    judge: str, *order: str, home: Path, script: str = "drive.py", patience_s: float = 55, **variables: str
) -> dict[str, Any]:
    """What a script of the judge's printed, run with its own Python; `order` are its arguments."""
    command = [python_of(judge), str(JUDGES / judge / script), *order]
    finished = await anyio.to_thread.run_sync(_run, command, home, variables, patience_s)
    assert finished.returncode == 0, finished.stderr[-2000:]
    told: dict[str, Any] = msgspec.json.decode(finished.stdout)
    return told


def _run(
    command: list[str], home: Path, variables: dict[str, str], patience_s: float
) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience_s, check=False)


class Chromium:
    """A browser that tests/judges/page/drive.py drives, started when it is first wanted."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    async def drive(self, scenario: str, url: str, folder: Path, *, locale: str = "en-GB") -> dict[str, Any]:
        """What a scenario saw."""
        if self._process is None:
            self._process = self._start()
        order = msgspec.json.encode([url, scenario, str(folder), locale])
        line = await anyio.to_thread.run_sync(_ask, self._process, order, abandon_on_cancel=True)
        assert line, "the driver of Chromium ended"
        seen: dict[str, Any] = msgspec.json.decode(line)
        assert "failed" not in seen, seen["failed"]
        return seen

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate(timeout=PATIENCE_S)

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [PYTHON_OF_PAGE, PAGE / "drive.py"],
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), "LANG": "C.UTF-8"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )


def _ask(process: "subprocess.Popen[bytes]", order: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(order + b"\n")
    process.stdin.flush()
    return process.stdout.readline()
