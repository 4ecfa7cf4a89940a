"""Draws docs/pictures/terminal.svg: a real conversation, as a terminal shows it.

.venv/bin/python docs/pictures/terminal.py
"""

import sys
import tempfile
from html import escape
from itertools import groupby
from pathlib import Path

import anyio

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

import pyte.screens  # noqa: E402

from pty_terminal import Terminal, in_terminal  # noqa: E402

COLUMNS, LINES = 84, 34
CELL_PX, LINE_PX, EDGE_PX = 8.4, 19, 16
INK, PAPER, SOFT = "#e6e7ee", "#16171d", "#9a9cb0"
COLOURS = {
    "default": INK, "black": "#6b6e80", "red": "#ff8f86", "green": "#8fd694", "brown": "#f2c46d", "blue": "#8a8fff",
    "magenta": "#d79bf0", "cyan": "#7fd4e0", "white": INK,
}  # fmt: skip


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        talk = in_terminal("chat", "--demo", "--steps", cwd=Path(folder), columns=COLUMNS, lines=LINES)
        async with talk as session:
            terminal = session.terminal
            await terminal.until_asks(1)
            terminal.say("My name is Ada, and I like the sea.")
            await terminal.until_asks(2)
            terminal.say("你还记得我刚刚说了什么吗？")
            await terminal.until_asks(3)
            (HERE / "terminal.svg").write_text(drawn(terminal), encoding="utf-8")
            terminal.say(":q")
            await session.ended()


def drawn(terminal: Terminal) -> str:
    screen = terminal._screen
    rows = [[screen.buffer[line][column] for column in range(COLUMNS)] for line in range(LINES)]
    used = max(number for number, row in enumerate(rows) if any(cell.data.strip() for cell in row)) + 1
    height = used * LINE_PX + 2 * EDGE_PX
    width = COLUMNS * CELL_PX + 2 * EDGE_PX
    lines = [line(row, EDGE_PX + (number + 0.75) * LINE_PX) for number, row in enumerate(rows[:used])]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="14">\n'
        f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def line(row: list[pyte.screens.Char], y: float) -> str:
    """One line; each run of cells that look the same is placed by its column, whatever the font."""
    spans, column = [], 0
    for (colour, bold), run in groupby(row, key=lambda cell: (cell.fg, cell.bold)):
        cells = list(run)
        text = "".join(cell.data for cell in cells)
        if text.strip():
            fill = COLOURS.get(colour, INK if colour == "default" else f"#{colour}")
            weight = ' font-weight="bold"' if bold else ""
            x = EDGE_PX + column * CELL_PX
            spans.append(f'<tspan x="{x:.1f}" fill="{fill}"{weight}>{escape(text.rstrip())}</tspan>')
        column += len(cells)
    return f'<text y="{y:.1f}" xml:space="preserve">{"".join(spans)}</text>'


anyio.run(main)
