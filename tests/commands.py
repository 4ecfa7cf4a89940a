"""The command `realcoze` as a process of its own: run to its end, or kept running and listened to.

Each gets a home, a folder for temporary files and nothing of our environment; `Ended.left` is what it
forgot to tidy up.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec

from realcoze.app.emulation import SHOWN
from realcoze.emulator.account import BOTS, CHATFLOW, SESSION_ID, bot_config
from servers import PATIENCE_S, Coze, Watched

COMMAND = (sys.executable, "-m", "realcoze")
BOT_NAMES = [bot.name for bot in BOTS]
DEMO_NAMES = [*BOT_NAMES, *SHOWN, CHATFLOW.name]
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
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # These tests run in the background; what they start shall heed Ctrl-C all the same.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    ours = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    said = {"PATH": path, "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
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
    *arguments: str,
    cwd: Path,
    stdin: bytes | int = subprocess.DEVNULL,
    home: Path | None = None,
    through: tuple[str, ...] = (),
    **variables: str,
) -> Ended:
    """Run it to its end.  `stdin` is what is piped in, or a descriptor; `through` stands before the command."""
    home = home or cwd / "home"
    process = await asyncio.create_subprocess_exec(
        *(*through, *COMMAND, *arguments),
        cwd=cwd,
        env=environment(home, **variables),
        stdin=stdin if isinstance(stdin, int) else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        with anyio.fail_after(PATIENT_S):
            out, err = await process.communicate(None if isinstance(stdin, int) else stdin)
    finally:
        await let_go(process)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode(), leftovers(home))


async def shell(line: str, cwd: Path, **variables: str) -> Ended:
    """Run a line as somebody pastes it."""
    home = cwd / "home"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", line),
        cwd=cwd,
        env=environment(home, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        with anyio.fail_after(PATIENT_S):
            out, err = await process.communicate()
    finally:
        await let_go(process)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode(), leftovers(home))


async def at_once(cwd: Path, commands: Mapping[str, tuple[tuple[str, ...], bytes]]) -> dict[str, Ended]:
    """Run several, by name: arguments and what is piped in.  As many at a time as there are processors."""
    ended: dict[str, Ended] = {}
    room = anyio.CapacityLimiter(os.cpu_count() or 1)

    async def one(name: str, arguments: tuple[str, ...], stdin: bytes) -> None:
        async with room:
            home = cwd / f"home of {name}"
            ended[name] = await run(*arguments, cwd=cwd, stdin=stdin, home=home, temp_path=str(home / "state"))

    async with anyio.create_task_group() as tasks:
        for name, (arguments, stdin) in commands.items():
            tasks.start_soon(one, name, arguments, stdin)
    return ended


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
        await let_go(process)
        await asyncio.gather(*kept._pipes)


@contextmanager
def pipe(content: bytes) -> Iterator[tuple[int, int]]:
    """A pipe with this in it, to be read and to be written; small enough to fit."""
    readable, writable = os.pipe()
    try:
        os.write(writable, content)
        yield readable, writable
    finally:
        for descriptor in (readable, writable):
            with suppress(OSError):
                os.close(descriptor)


async def let_go(process: asyncio.subprocess.Process) -> None:
    """See that it ends: told first, killed if it does not heed."""
    with anyio.CancelScope(shield=True):
        for end in (process.terminate, process.kill):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    end()
                with anyio.move_on_after(PATIENCE_S):
                    await process.wait()
