"""The command llm over our face of OpenAI, set up by what `realcoze snippets llm` prints."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from houses import served_openly
from judged import JUDGES, missing
from pictures import png
from realcoze.app.snippets import Here, snippet
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

KEY = "0123456789abcdef"
BIN = JUDGES / "llm" / ".venv" / "bin"
PATIENCE_S = 30


@dataclass(frozen=True)
class Said:
    """How one call of it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Llm:
    """The command, with a home of its own and the models of a server."""

    home: Path

    async def __call__(self, *arguments: str) -> Said:
        return await self.shell('llm "$@"', *arguments)

    async def shell(self, script: str, *arguments: str) -> Said:
        """Run some lines as somebody pastes them."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", script, "sh", *arguments),
            env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.home), "LLM_USER_PATH": str(self.home),
                 "LANG": "C.UTF-8", "REALCOZE_KEY": KEY},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        with anyio.fail_after(PATIENCE_S):
            out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture(scope="module")
async def llm(anyio_backend: object, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Llm]:
    """Set up as people do, which ends with a first question; its server has a key, and its bots are on coze.com."""
    if not (BIN / "llm").exists():
        missing("The environment of tests/judges/llm")
    command = Llm(tmp_path_factory.mktemp("llm"))
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path_factory.mktemp("house"), key=KEY, recovery_calls=0) as url,
    ):
        here = Here(base=url, models=("echo", "pictures", "memory"), has_key=True)
        assert await command.shell(snippet("llm", here)) == Said(0, "Hello\n", "")
        yield command


async def test_it_asks_and_goes_on(llm: Llm) -> None:
    assert await llm("-m", "echo", "one two three") == Said(0, "one two three\n", "")
    assert await llm("-m", "echo", "--no-stream", "one two three") == Said(0, "one two three\n", "")
    briefed = await llm("-m", "echo", "-s", "Be brief.", "hello")
    assert briefed.out == "Be brief.\n\nhello\n"
    assert "Ada" in (await llm("-m", "memory", "My name is Ada.")).out
    assert "Ada" in (await llm("-c", "Who am I?")).out


async def test_it_shows_pictures(llm: Llm, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(png(3, 2))
    shown = await llm("-m", "pictures", "What is it?", "-a", str(tmp_path / "picture.png"))
    assert (shown.code, shown.err) == (0, "")
    assert "3 × 2" in shown.out


@pytest.mark.parametrize("more", [(), ("--no-stream",)])
async def test_it_says_what_went_wrong(llm: Llm, more: tuple[str, ...]) -> None:
    refused = await llm("-m", "echo", *more, "hello [[fault code value=4014]]")
    assert refused.code == 1
    assert "Error code: 400 - Coze answered code 4014" in refused.err
    half = await llm("-m", "echo", *more, "one two three four five six [[fault cut after=3]]")
    assert half.code == 1
    assert half.err.startswith("Error: ")
    if not more:
        assert half.out.startswith("one two three")
