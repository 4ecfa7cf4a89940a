import os
import pty
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from realcoze.faces.terminal.keys import prompt_session, unechoed, unless_interrupted
from servers import PATIENCE_S


async def typed(keys: str, history_file: Path | None = None) -> str:
    """What the prompt makes of these keys."""
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        return await prompt_session(history_file).prompt_async()


async def test_enter_ends_a_question_and_alt_enter_a_line() -> None:
    assert await typed("one\x1b\rtwo\r") == "one\ntwo"


async def test_what_was_typed_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "state" / "typed"
    assert await typed("first\r", file) == "first"
    assert await typed("second\r", file) == "second"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    history = prompt_session(file).history
    assert [text async for text in history.load()] == ["second", "first"]


async def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert isinstance(prompt_session(None).history, InMemoryHistory)
    assert isinstance(prompt_session(tmp_path / "file" / "typed").history, InMemoryHistory)


async def test_a_file_that_is_lost_is_no_reason_to_stop(tmp_path: Path) -> None:
    file = tmp_path / "state" / "typed"
    session = prompt_session(file)
    file.unlink()
    file.mkdir()
    session.history.store_string("lost")
    assert [text async for text in session.history.load()] == []


@pytest.mark.parametrize(("wrap_count", "mark"), [(0, "  … "), (1, "    ")])
def test_only_a_new_line_is_marked(wrap_count: int, mark: str) -> None:
    continuation = prompt_session(None).prompt_continuation
    assert callable(continuation)
    assert continuation(4, 1, wrap_count) == mark


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("/image ca\t\r", "/image cat.png"),
        ("/FILE  my\t\r", "/FILE  my notes.txt"),
        ("/file ~/c\t\r", "/file ~/cat.png"),
        ("/image deeper/c\t\r", "/image deeper/cave.png"),
        ("/image nothing\t\r", "/image nothing"),
        ("/save ca\t\r", "/save ca"),
        ("see ca\t\r", "see ca"),
    ],
)
async def test_tab_completes_the_path_of_what_is_attached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "deeper").mkdir()
    for name in ("cat.png", "my notes.txt", "deeper/cave.png"):
        (tmp_path / name).touch()
    assert await typed(keys) == line


async def test_ctrl_c_stops_what_runs_and_nothing_else() -> None:
    stopped = anyio.Event()

    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()

    with anyio.fail_after(PATIENCE_S):
        assert not await unless_interrupted(work)
    assert stopped.is_set()


async def test_what_is_not_stopped_comes_to_its_end() -> None:
    ended = anyio.Event()

    async def work() -> None:
        ended.set()

    assert await unless_interrupted(work)
    assert ended.is_set()


async def test_a_failure_of_what_runs_comes_out_as_it_is() -> None:
    """Not as the group that a task group makes of it."""

    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await unless_interrupted(work)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Standard input is a terminal."""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield slave
    os.close(master)


def test_a_terminal_does_not_echo_for_a_while(terminal: int) -> None:
    before = termios.tcgetattr(terminal)
    with suppress(KeyboardInterrupt), unechoed():
        assert termios.tcgetattr(terminal)[3] == before[3] & ~termios.ECHO
        raise KeyboardInterrupt
    assert before[3] & termios.ECHO
    assert termios.tcgetattr(terminal) == before


def test_what_is_no_terminal_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "file").open("w+") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        with unechoed():
            pass
    with unechoed():
        pass
