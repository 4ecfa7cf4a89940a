"""A terminal of our own: a program that runs in a pseudo-terminal, and what a person would see of it.

pyte reads what the program prints, keeps what has scrolled away and answers when the program asks
where the cursor is.
"""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pyte

from commands import COMMAND, PATIENT_S, environment, leftovers, let_go
from servers import Watched

CTRL_C, CTRL_D, ENTER, ALT_ENTER, UP = "\x03", "\x04", "\r", "\x1b\r", "\x1b[A"

_TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Makes standard input the controlling terminal, which Ctrl-C needs, and becomes the program."""


class _Screen(pyte.HistoryScreen):
    """`answer` gets what a terminal answers by itself."""

    answer: Callable[[str], None] = staticmethod(lambda _: None)

    def write_process_input(self, data: str) -> None:
        self.answer(data)


class Terminal(Watched):
    """Made by `in_terminal`."""

    def __init__(self, master: int, columns: int, lines: int) -> None:
        super().__init__()
        self._master = master
        self._screen = _Screen(columns, lines, history=10_000, ratio=0.5)
        self._screen.answer = self.type
        self._stream = pyte.ByteStream(self._screen)
        self.is_over = False
        self.printed = b""
        asyncio.get_running_loop().add_reader(master, self._read)

    def type(self, text: str) -> None:
        """Press keys; `ENTER` ends a line."""
        os.write(self._master, text.encode(errors="surrogateescape"))

    def resize(self, columns: int, lines: int) -> None:
        self._screen.resize(lines, columns)
        set_size(self._master, columns, lines)

    @property
    def screen(self) -> list[str]:
        """The lines that can be seen, without the empty ones at the end."""
        return drawn(self._screen)[len(self._screen.history.top) :]

    @property
    def everything(self) -> list[str]:
        """What has scrolled away, then the screen."""
        return drawn(self._screen)

    @property
    def text(self) -> str:
        return "\n".join(self.everything)

    def cursor_is_hidden(self) -> bool:
        return bool(self._screen.cursor.hidden)

    def echoes(self) -> bool:
        """The terminal draws what is typed, as it should when no program holds it."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    async def until_shows(self, *texts: str) -> None:
        """Wait until all of the texts were drawn, one below the other."""
        await self.until_true(lambda: _in_order(self.text, texts), f"{texts} below each other")

    async def until_asks(self, times: int) -> None:
        """Wait for the prompt to stand there, for the n-th time, with nothing behind it."""
        await self.until_true(
            lambda: self.everything.count("Me>") == 1 and self._prompts() == times and self.screen[-1] == "Me>",
            f"prompt number {times}",
        )

    async def until_true(self, condition: Callable[[], bool], what: str) -> None:
        try:
            await self.until(lambda: self.is_over or condition(), within_s=PATIENT_S)
        except TimeoutError:
            raise AssertionError(f"waited for {what}, and there was:\n{self.text}") from None
        assert condition(), f"it ended without {what}:\n{self.text}"

    def say(self, line: str) -> None:
        """Type a line."""
        self.type(line + ENTER)

    def _prompts(self) -> int:
        return sum(line.startswith("Me>") for line in self.everything)

    def close(self) -> None:
        if not self.is_over:
            self._hang_up()
        os.close(self._master)

    def _read(self) -> None:
        try:
            piece = os.read(self._master, 1 << 16)
        except OSError:
            # Linux says EIO when the last program has let go of the terminal.
            piece = b""
        if not piece:
            self._hang_up()
        else:
            self.printed += piece
            self._stream.feed(piece)
        self.changed()

    def _hang_up(self) -> None:
        self.is_over = True
        asyncio.get_running_loop().remove_reader(self._master)


class Session:
    """A program in a terminal."""

    def __init__(self, terminal: Terminal, process: asyncio.subprocess.Process, home: Path) -> None:
        self.terminal = terminal
        self.process = process
        self._home = home

    async def ended(self) -> int:
        """Wait for its end; the exit code.  It has left nothing behind."""
        with anyio.fail_after(PATIENT_S):
            code = await self.process.wait()
            await self.terminal.until(lambda: self.terminal.is_over, within_s=PATIENT_S)
        assert leftovers(self._home) == []
        return code


@asynccontextmanager
async def in_terminal(
    *arguments: str, cwd: Path, columns: int = 80, lines: int = 24, **variables: str
) -> AsyncIterator[Session]:
    """`realcoze ARGUMENTS` in a terminal of this size, for as long as the block lasts."""
    home = cwd / "home"
    master, slave = pty.openpty()
    set_size(master, columns, lines)
    os.set_blocking(master, False)
    terminal = Terminal(master, columns, lines)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _TAKE_TERMINAL),
            *COMMAND,
            *arguments,
            cwd=cwd,
            env=environment(home, **variables),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
    finally:
        os.close(slave)
    try:
        yield Session(terminal, process, home)
    finally:
        await let_go(process)
        terminal.close()


def set_size(terminal: int, columns: int, lines: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def drawn(screen: pyte.HistoryScreen) -> list[str]:
    """What has scrolled away and what can be seen, without the empty lines at the end."""
    rows = [*screen.history.top, *(screen.buffer[row] for row in range(screen.lines))]
    # The second half of a wide character has no data.
    lines = ["".join(row[column].data for column in range(screen.columns)).rstrip() for row in rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _in_order(text: str, parts: tuple[str, ...]) -> bool:
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True
