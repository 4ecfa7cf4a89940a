"""What `realcoze snippets` prints is run as it stands there, each by the program that it is for."""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from houses import served_openly
from judged import JUDGES, missing, require
from realcoze.app.snippets import Here, snippet
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

KEY = "0123456789abcdef"
PROGRAMS = {"openai-python": "openai", "anthropic": "anthropic", "langchain": "langchain"}
"""The environments of the packages; what is for llm is run by test_llm.py."""


@pytest.fixture(params=["", KEY], ids=["open", "locked"])
async def here(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Here]:
    """A server, with a key and without."""
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path / "house", key=request.param) as url,
    ):
        yield Here(base=url, models=("echo",), has_key=bool(request.param))


async def said(here: Here, *command: str, home: Path) -> str:
    """What a program prints to the end.  Asserts that it went well."""
    keys = {"REALCOZE_KEY": KEY} if here.has_key else {}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **keys}
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50, check=False)
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_program_for_python(here: Here, name: str, tmp_path: Path) -> None:
    python = JUDGES / PROGRAMS[name] / ".venv" / "bin" / "python"
    if not python.exists():
        missing(f"The environment of tests/judges/{PROGRAMS[name]}")
    assert await said(here, str(python), "-c", snippet(name, here), home=tmp_path) == "Hello\n"


async def test_a_line_for_the_shell(here: Here, tmp_path: Path) -> None:
    require("curl")
    told = await said(here, "sh", "-c", snippet("curl", here), home=tmp_path)
    assert '"content":"Hello"' in told
    assert told.endswith("data: [DONE]\n\n")


async def test_a_program_for_node_is_one(tmp_path: Path) -> None:
    """OpenAI's package for it is not here: only its grammar is looked at."""
    program = tmp_path / "hello.mjs"
    here = Here(base="http://127.0.0.1:8080", models=("echo",))
    program.write_text(snippet("openai-node", here))
    assert await said(here, require("node"), "--check", str(program), home=tmp_path) == ""
