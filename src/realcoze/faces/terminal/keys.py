"""What is typed: the line at the prompt, its history, and quiet or Ctrl-C while an answer comes."""

import signal
import sys
import termios
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import DummyHistory, FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import create_output
from prompt_toolkit.shortcuts import CompleteStyle

from realcoze.tasks import background_tasks

TAKE_PATH = ("/image ", "/file ")
"""After which the Tab key completes a path."""


def prompt_session(history_file: Path | None) -> PromptSession[str]:
    """A prompt that remembers: in `history_file`, or only until it ends."""
    return PromptSession(
        HTML("<b>Me&gt; </b>"),
        prompt_continuation=_continuation,
        history=_history(history_file),
        key_bindings=_bindings(),
        completer=_Paths(),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
    )


def result_prompt() -> PromptSession[str]:
    """A prompt for what is no question: it remembers nothing, and completes nothing."""
    return PromptSession(history=DummyHistory())


def answer_prompt() -> PromptSession[str]:
    """The same on standard error: standard output may be somebody's file."""
    return PromptSession(history=DummyHistory(), output=create_output(stdout=sys.stderr))


@contextmanager
def unechoed() -> Iterator[None]:
    """While the block lasts the terminal does not draw what is typed: it would stand in the answer.

    It is not lost, the next prompt gets it.
    """
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (OSError, ValueError, termios.error):
        yield
        return
    quiet = before[:]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)


async def unless_interrupted(work: Callable[[], Awaitable[None]]) -> bool:
    """Run `work`, which Ctrl-C cancels; whether it came to its end.  Raises what `work` raises."""
    is_whole = False
    with anyio.open_signal_receiver(signal.SIGINT) as signals:
        async with background_tasks() as tasks:

            async def stop() -> None:
                await anext(signals)
                tasks.cancel_scope.cancel()

            tasks.start_soon(stop)
            await work()
            is_whole = True
    return is_whole


class _Paths(Completer):
    """Of files, where one is wanted."""

    def __init__(self) -> None:
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        typed = document.text_before_cursor
        for command in TAKE_PATH:
            if typed.lower().startswith(command):
                path = typed[len(command) :].lstrip()
                yield from self._paths.get_completions(Document(path), complete_event)


def _continuation(_width: int, _line_number: int, wrap_count: int) -> str:
    """What stands before a further line of the question; one that only did not fit gets no mark."""
    return "    " if wrap_count else "  … "


class _Typed(FileHistory):
    """A file that cannot be read or written any more is no reason to stop talking."""

    def load_history_strings(self) -> Iterator[str]:
        with suppress(OSError):
            yield from super().load_history_strings()

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return _Typed(path)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings
