"""One answer on the screen: Markdown, rendered in place while it grows.

As long as it fits, the whole answer is drawn anew in place, so that a bot which takes its words back
can.  What has grown past the screen is printed for good, block by block, and scrolls away.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Self

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from realcoze.domain.event import Step

REWRITTEN = "[the bot begins anew]"
_MARKS = {"call": "→", "result": "←", "recall": "≡", "other": "·"}
_PARSER = MarkdownIt("commonmark").enable("table")


class AnswerScreen:
    """A context; `show` as often as there is something new, `finish` once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(Spinner("dots"), console=console, auto_refresh=False, transient=True)
        self._printed = ""
        self._tail = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, text: str) -> None:
        """Draw the answer so far; also the next picture of the spinner while there is none."""
        if text:
            self._take(text)
            self._live.update(_Tail(self._tail))
        self._live.refresh()

    def step(self, step: Step) -> None:
        """Print a step of the way above the answer."""
        body = " ".join(step.body.split())
        self._console.print(Text(f"{_MARKS[step.kind]} {step.title} {body}", style="dim", overflow="fold"))

    def finish(self, text: str) -> None:
        """Print the answer for good."""
        self._take(text)
        self._live.update(Text(""))
        self._live.refresh()
        self._live.stop()
        self._print(self._tail)

    def _take(self, text: str) -> None:
        if not text.startswith(self._printed):
            self._console.print(Text(REWRITTEN, style="dim"))
            self._printed = ""
        self._tail = text[len(self._printed) :]
        if self._height(self._tail) >= self._console.height - 1:
            for block in finished_blocks(self._tail):
                self._print(block)
                self._printed += block
            self._tail = text[len(self._printed) :]

    def _print(self, text: str) -> None:
        if text.strip():
            self._console.print(Markdown(text))
            if text != self._tail:
                self._console.print()

    def _height(self, text: str) -> int:
        return len(self._console.render_lines(Markdown(text)))


class _Tail:
    """The end of a Markdown text, as much of it as fits the screen."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(Markdown(self._text), options, pad=False)
        room = max(1, console.height - 1)
        for line in lines[-room:]:
            yield from line
            yield Segment.line()


def finished_blocks(text: str) -> Iterator[str]:
    """The blocks of a Markdown text that nothing more can be added to: all but the last one.

    Together with what is left they are the text again.
    """
    starts = [token.map[0] for token in _PARSER.parse(text) if token.level == 0 and token.map and token.nesting >= 0]
    lines = text.splitlines(keepends=True)
    for start, end in pairwise(starts):
        yield "".join(lines[0 if start == starts[0] else start : end])
