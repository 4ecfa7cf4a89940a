"""One answer on the screen: Markdown, rendered in place while it grows.

As long as it fits, the whole answer is drawn anew in place, so that a bot which takes its words back
can.  What has grown past the screen is printed for good, block by block, and scrolls away; all lines
together are those that the whole answer would be rendered to.
"""

from typing import Self

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from realcoze.domain.event import Step
from realcoze.faces.terminal.markdown import Answer, finished_blocks
from realcoze.faces.terminal.printable import printable

REWRITTEN = "[the bot begins anew]"
_MARKS = {"call": "→", "result": "←", "recall": "≡", "other": "·"}

Lines = list[list[Segment]]


class AnswerScreen:
    """A context; `show` as often as there may be something new, `finish` once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._view = _View()
        self._live = Live(self._view, console=console, auto_refresh=False, transient=True)
        self._shown = ""
        self._is_below_steps = False
        self._printed = ""
        self._last_block = ""
        """The end of what was printed: the space above a block depends on the one before it."""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, text: str) -> None:
        """Draw the answer so far; also the next picture of the spinner while there is none."""
        text = printable(text)
        if text and text == self._shown:
            return
        if text:
            self._take(text)
        self._live.refresh()

    def step(self, step: Step) -> None:
        """Print a step of the way above the answer."""
        self._is_below_steps = True
        body = " ".join(step.body.split())
        said = printable(f"{_MARKS[step.kind]} {step.title} {body}")
        self._console.print(Text(said, style="dim", overflow="fold"))

    def finish(self, text: str) -> None:
        """Print the answer for good."""
        text = printable(text)
        lines = self._lines(text)
        self._part_from_steps()
        self._view.content = Text("")
        self._live.refresh()
        self._live.stop()
        self._print(lines)

    def _take(self, text: str) -> None:
        lines = self._lines(text)
        self._part_from_steps()
        if len(lines) > self._room():
            lines = self._scroll(text, lines)
        self._shown = text
        self._place(lines)

    def _part_from_steps(self) -> None:
        if self._is_below_steps:
            self._console.print()
            self._is_below_steps = False

    def _scroll(self, text: str, lines: Lines) -> Lines:
        """Print the lines of blocks that are finished, for good; what is left of `lines`."""
        for block in finished_blocks(text[len(self._printed) :]):
            self._printed += block
            self._last_block = block
        left = self._lines(text)
        # Printing draws what is in place anew, below what is printed.
        self._place(left)
        self._print(lines[: len(lines) - len(left)])
        return left

    def _place(self, lines: Lines) -> None:
        self._view.content = _Lines(lines[-self._room() :])

    def _room(self) -> int:
        return max(1, self._console.height - 1)

    def _lines(self, text: str) -> Lines:
        """The lines of the answer that were not printed yet."""
        if not text.startswith(self._printed):
            self._console.print(Text(REWRITTEN, style="dim"))
            self._printed = self._last_block = ""
        above = self._rendered(self._last_block)
        return self._rendered(self._last_block + text[len(self._printed) :])[len(above) :]

    def _rendered(self, text: str) -> Lines:
        return [_stripped(line) for line in self._console.render_lines(Answer(text), pad=False)]

    def _print(self, lines: Lines) -> None:
        if lines:
            self._console.print(_Lines(lines), end="")


class _View:
    """What stands in place: the spinner, then the end of the answer."""

    def __init__(self) -> None:
        self.content: RenderableType = Spinner("dots")

    def __rich__(self) -> RenderableType:
        return self.content


class _Lines:
    """Lines that are rendered already."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            yield from line
            yield Segment.line()


def _stripped(line: list[Segment]) -> list[Segment]:
    """The line without the blanks that fill it up, which would wrap when the window becomes narrower."""
    line = line.copy()
    while line and not (line[-1].style and line[-1].style.bgcolor):
        text, style, _ = line.pop()
        if text.rstrip():
            line.append(Segment(text.rstrip(), style))
            break
    return line
