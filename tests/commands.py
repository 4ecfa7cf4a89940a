"""The command `realcoze` as a process of its own: run to its end, or kept running and listened to.

Each gets a home, a folder for temporary files and nothing of our environment; `Ended.left` is what it
forgot to tidy up.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec

from realcoze.emulator.account import BOTS, SESSION_ID, bot_config
from servers import PATIENCE_S, Coze, Watched

COMMAND = (sys.executable, "-m", "realcoze")
PATIENT_S = 3 * PATIENCE_S
"""A process of its own has all of Python to start first, often beside others."""


@dataclass(frozen=True)
class Ended:
    """How it ended and what it said."""

    code: int
    out: str
    err: str
    left: list[str]


def environment(home: Path, **more: str) -> dict[str, str]:
    """What a person's shell would have, and what measures coverage."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    ours = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    said = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
    return {**ours, **said, "TERM": "xterm-256color", **more}


def settle(folder: Path, base: str, *, bot: str = "echo", session_id: str = SESSION_ID, toml: str = "") -> Path:
    """A folder with the settings that reach an emulator."""
    folder.mkdir(parents=True, exist_ok=True)
    env = folder / ".env"
    env.write_text(f"session_id={session_id}\nCOZE_PLAYGROUND_BASE={base}\ntemp_path=./temp\n")
    env.chmod(0o600)
    known = {one.name: one for one in BOTS}
    for name, file in (*((name, f"{name}.json") for name in known), (bot, "config.json")):
        (folder / file).write_bytes(msgspec.json.encode(bot_config(known[name])))
    if toml:
        (folder / "realcoze.toml").write_text(toml)
    return folder


def settled(folder: Path, coze: Coze, **fields: str) -> Path:
    return settle(folder, coze.base, **fields)


async def run(
    *arguments: str, cwd: Path, stdin: bytes | int = b"", home: Path | None = None, **variables: str
) -> Ended:
    """Run it to its end.  `stdin` is what is piped in, or a descriptor."""
    home = home or cwd / "home"
    piped = isinstance(stdin, bytes)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=cwd,
        env=environment(home, **variables),
        stdin=subprocess.PIPE if piped else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        with anyio.fail_after(PATIENT_S):
            out, err = await process.communicate(stdin if piped else None)
    finally:
        await _end(process)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode(), leftovers(home))


def leftovers(home: Path) -> list[str]:
    """What stands in its folder for temporary files."""
    return sorted(path.name for path in (home / "tmp").iterdir())


@dataclass(eq=False)
class Running(Watched):
    """A process that goes on; `out` and `err` are what it said so far."""

    process: asyncio.subprocess.Process
    home: Path
    out: str = ""
    err: str = ""
    _pipes: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        assert self.process.stdout
        assert self.process.stderr
        for name, stream in (("out", self.process.stdout), ("err", self.process.stderr)):
            self._pipes.append(asyncio.get_running_loop().create_task(self._listen(name, stream)))

    async def until_says(self, text: str) -> str:
        """Wait for a text on standard output; all of it so far."""
        try:
            with anyio.fail_after(PATIENT_S):
                await self.until(lambda: text in self.out or self._is_over(), within_s=PATIENT_S)
        except TimeoutError:
            raise AssertionError(f"{text!r} was never said, but: {self.out!r}, {self.err!r}") from None
        assert text in self.out, f"it ended without saying {text!r}: {self.out!r}, {self.err!r}"
        return self.out

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> Ended:
        """Wait for its end."""
        with anyio.fail_after(PATIENT_S):
            await asyncio.gather(*self._pipes)
            code = await self.process.wait()
        return Ended(code, self.out, self.err, leftovers(self.home))

    def _is_over(self) -> bool:
        return all(pipe.done() for pipe in self._pipes)

    async def _listen(self, name: str, stream: asyncio.StreamReader) -> None:
        heard = b""
        while piece := await stream.read(1 << 16):
            heard += piece
            setattr(self, name, heard.decode(errors="replace"))
            self.changed()
        asyncio.get_running_loop().call_soon(self.changed)


@asynccontextmanager
async def running(
    *arguments: str, cwd: Path, home: Path | None = None, stdin: int = subprocess.DEVNULL, **variables: str
) -> AsyncIterator[Running]:
    """Keep it running for as long as the block lasts."""
    home = home or cwd / "home"
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=cwd,
        env=environment(home, **variables),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    kept = Running(process, home)
    try:
        yield kept
    finally:
        await _end(process)
        await asyncio.gather(*kept._pipes)


async def at_once(commands: Mapping[str, tuple[str, ...]], cwd: Path, stdin: bytes = b"") -> dict[str, Ended]:
    """Several at a time, as many as there are processors; each has a home of its own."""
    ended: dict[str, Ended] = {}
    room = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def one(name: str, arguments: tuple[str, ...]) -> None:
        async with room:
            ended[name] = await run(*arguments, cwd=cwd, stdin=stdin, home=cwd / f"home-{name}")

    async with anyio.create_task_group() as tasks:
        for name, arguments in commands.items():
            tasks.start_soon(one, name, arguments)
    return ended


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()
