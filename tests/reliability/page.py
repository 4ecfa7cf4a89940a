"""The table of docs/reliability.md: held against what tests observe, or written by them."""

import os
from pathlib import Path

from reliability.rows import MARKED_ROWS, RECOVERED_ROWS, Row
from reliability.rows_by_hand import (
    CONNECTION_ROWS,
    ELSEWHERE,
    LEAVING_ROWS,
    PATIENCE_ROWS,
    TOKEN_ROWS,
    UPLOAD_ROWS,
    WAITING_ROWS,
)

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- rows: written by `make reliability` -->", "<!-- end of the rows -->"
HEAD = (
    "| row | what goes wrong | how it is made | Coze | expected | observed, whole | observed, streamed | test |\n"
    "|---|---|---|---|---|---|---|---|"
)
NAMES = {"coze": "coze.com", "studio": "Studio"}
WRITES = os.environ.get("REALCOZE_WRITE_DOCS") == "1"

Lines = dict[str, list[str]]
"""The cells of each row, by the name of its test."""


class Page:
    """What the page says and, when it is to be written, what it will say."""

    def __init__(self) -> None:
        self.lines = read()
        self._seen: dict[str, dict[str, str]] = {}

    def observe(self, row: Row, test: str, form: str, how: str) -> None:
        """Compare how a row ended with what stands there, or note it to be written."""
        assert how == row.ends_for(form)
        face = "whole" if form == "whole" else "streamed"
        seen = self._seen.setdefault(name_of(row, test), {})
        assert seen.setdefault(face, how) == how
        if not WRITES:
            cell = self.lines[name_of(row, test)][5 if face == "whole" else 6]
            assert cell == how, "docs/reliability.md says otherwise: make reliability"

    def text(self) -> str:
        """The table of what was observed."""
        rows = [(row, test) for row, test in all_rows() if name_of(row, test) in self._seen]
        lines = ["| " + " | ".join(cells(row, test, self._seen[name_of(row, test)])) + " |" for row, test in rows]
        lines += [f"| {row} | {what} | | | {why} | – | – | – |" for row, what, why in ELSEWHERE]
        return "\n".join([HEAD, *sorted(lines, key=_place)])

    def write(self) -> None:
        """Put it into the page, unless some rows were not played."""
        if len(self._seen) < len(all_rows()):
            return
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n\n{self.text()}\n\n{END}{after}", encoding="utf-8")


def all_rows() -> list[tuple[Row, str]]:
    """Every row that a test plays, and that test."""
    return [
        *((row, "test_rows") for row in MARKED_ROWS),
        *((row, "test_connections") for row in CONNECTION_ROWS),
        *((row, "test_leaving") for row in LEAVING_ROWS),
        *((row, "test_recovery") for row in RECOVERED_ROWS),
        *((row, "test_patience") for row in PATIENCE_ROWS),
        *((row, "test_uploads") for row in UPLOAD_ROWS),
        *((row, "test_waiting") for row in WAITING_ROWS),
        *((row, "test_tokens") for row in TOKEN_ROWS),
    ]


def cells(row: Row, test: str, seen: dict[str, str]) -> list[str]:
    """One line; the marks of code are added where there is code."""
    made = f"`[[fault {row.mark}]]`" if row.mark else row.made
    on = ", ".join(NAMES[personality] for personality in row.on)
    more = f", {row.attempts} attempts" if row.attempts > 1 else ""
    observed = [seen.get("whole", "–"), seen.get("streamed", "–")]
    return [row.id, row.what, made, on, row.ends + more, *observed, f"`{name_of(row, test)}`"]


def name_of(row: Row, test: str) -> str:
    return f"{test}[{row.name}]"


def read() -> Lines:
    """The lines that the page has now."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines() if line]
    return {line[-1].strip("`"): line for line in lines}


def _place(line: str) -> tuple[bool, int]:
    row = line.split(" ")[1]
    return row[0] == "Z", int(row[1:])
