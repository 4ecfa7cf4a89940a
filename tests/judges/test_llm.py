"""The command llm over our face of OpenAI, set up by what `realcoze snippets llm` prints."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import pytest

from houses import served, served_openly
from judged import JUDGES, missing
from pictures import png
from realcoze.app.snippets import Here, snippet
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from servers import Coze, emulated, soon

KEY = "0123456789abcdef"
BIN = JUDGES / "llm" / ".venv" / "bin"
PATIENCE_S = 30
WORDS = "one two three four five six"


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
        return await self._said(await self._begun(script, *arguments))

    async def stopped(self, *arguments: str, when: Callable[[], object]) -> Said:
        """Ask, and stop it as Ctrl-C does."""
        process = await self._begun('exec llm "$@"', *arguments)
        await soon(when)
        process.send_signal(signal.SIGINT)
        return await self._said(process)

    async def _begun(self, script: str, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *("sh", "-c", script, "sh", *arguments),
            env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.home), "LLM_USER_PATH": str(self.home),
                 "LANG": "C.UTF-8", "REALCOZE_KEY": KEY},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def _said(self, process: asyncio.subprocess.Process) -> Said:
        with anyio.fail_after(PATIENCE_S):
            out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())


@dataclass(frozen=True)
class House:
    """The command set up for a server, and the Coze behind that."""

    llm: Llm
    coze: Coze


HALF = [f"{fault} after=3" for fault in ("eof", "torn", "cut", "reset", "deaf", "half", "trickle")]
"""Rows U9 to U13 of docs/reliability.md."""


async def set_up(url: str, home: Path) -> Llm:
    """As people do it, which ends with a first question."""
    if not (BIN / "llm").exists():
        missing("The environment of tests/judges/llm")
    command = Llm(home)
    here = Here(base=url, models=("echo", "pictures", "memory", "secretary"), has_key=True)
    assert await command.shell(snippet("llm", here)) == Said(0, "Hello\n", "")
    return command


@pytest.fixture(scope="module", params=["coze", "studio"])
async def house(
    request: pytest.FixtureRequest, anyio_backend: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[House]:
    """Over the open API, where half an answer stays one."""
    folder = tmp_path_factory.mktemp("house")
    async with (
        emulated(OpenSettings(pace=0.0, personality=request.param)) as coze,
        served_openly(coze, folder, key=KEY, recovery_calls=0, idle_s=0.5) as url,
    ):
        yield House(await set_up(url, tmp_path_factory.mktemp("llm")), coze)


@pytest.fixture
def llm(house: House) -> Llm:
    return house.llm


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
    by_url = await llm("-m", "pictures", "What is it?", "--at", "https://pictures.example/sea.png", "image/png")
    assert (by_url.code, by_url.err) == (0, "")
    assert "sea.png" in by_url.out


FUNCTIONS = """
def add_reminder(time: str, what: str) -> str:
    return f"{what} stands there for {time}"
"""


async def test_it_runs_the_tools_that_the_bot_wants(house: House, llm: Llm) -> None:
    asked = ("-m", "secretary", "--functions", FUNCTIONS, "Remind me at 18:00 to make tea")
    for more in ((), ("--no-stream",)):
        said = await llm(*asked, *more)
        if house.coze.open_api.settings.personality == "studio":  # it has no call that takes a tool's result
            assert said.code == 1
            assert "Error code: 404" in said.err
        else:
            assert (said.code, said.err) == (0, "")
            assert "stands there for 18:00" in said.out


@pytest.mark.parametrize("more", [(), ("--no-stream",)])
async def test_it_says_what_went_wrong(llm: Llm, more: tuple[str, ...]) -> None:
    refused = await llm("-m", "echo", *more, "hello [[fault code value=4014]]")
    assert refused.code == 1
    assert "Error code: 400 - Coze answered code 4014" in refused.err


@pytest.mark.parametrize("fault", HALF)
async def test_half_an_answer_is_an_error(llm: Llm, fault: str) -> None:
    half = await llm("-m", "echo", f"{WORDS} [[fault {fault}]]")
    assert (half.code, half.err[:7]) == (1, "Error: ")
    assert half.out.startswith("one two three")


async def test_half_an_answer_that_is_to_come_whole_is_an_error(llm: Llm) -> None:
    for fault in ("cut after=3", "deaf after=3"):
        half = await llm("-m", "echo", "--no-stream", f"{WORDS} [[fault {fault}]]")
        assert (half.code, half.out, half.err[:7]) == (1, "", "Error: ")


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_whoever_stops_it_stops_the_chat(personality: Personality, tmp_path: Path) -> None:
    """CLIENTS §5 item 7."""
    async with (
        emulated(OpenSettings(pace=0.0, personality=personality)) as coze,
        served_openly(coze, tmp_path / "house", key=KEY) as url,
    ):
        command, seen = await set_up(url, tmp_path), coze.open_api.seen
        for more in ((), ("--no-stream",)):
            told, stopped = coze.wire.count("event"), seen.count("/v3/chat/cancel")
            asked = ("-m", "echo", *more, f"{WORDS} [[fault deaf after=2]]")
            said = await command.stopped(*asked, when=partial(lambda count: coze.wire.count("event") > count + 2, told))
            assert said.code != 0
            await soon(partial(lambda count: seen.count("/v3/chat/cancel") > count, stopped))


async def test_with_recovery_half_an_answer_becomes_whole_or_an_error(tmp_path: Path) -> None:
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path / "house", key=KEY, idle_s=0.5) as url,
    ):
        command = await set_up(url, tmp_path)
        for fault in (HALF[0], HALF[2], HALF[4], HALF[6]):  # of each of the rows one
            said = await command("-m", "echo", f"{WORDS} [[fault {fault}]]")
            assert said == Said(0, f"{WORDS}\n", "") or (said.code, said.err[:7]) == (1, "Error: "), fault


async def test_over_the_playground(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(png(3, 2))
    async with emulated() as coze, served(coze, tmp_path / "house", key=KEY) as url:
        command = await set_up(url, tmp_path)
        assert await command("-m", "echo", "--no-stream", "one two three") == Said(0, "one two three\n", "")
        shown = await command("-m", "pictures", "What is it?", "-a", str(tmp_path / "picture.png"))
        assert "3 × 2" in shown.out
        by_url = await command("-m", "pictures", "What?", "--at", "https://pictures.example/sea.png", "image/png")
        assert by_url.code == 1
        assert "Error code: 400" in by_url.err
