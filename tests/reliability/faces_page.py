"""The second table of docs/reliability.md: the same rows through the faces of other APIs."""

from reliability.faces import FACES, FORMS, Face
from reliability.page import PAGE, WRITES
from reliability.rows import BROKEN_ROWS, ENDING_ROWS, RECOVERED_ROWS, REFUSED_ROWS, Row

BEGIN, END = "<!-- faces: written by `make reliability` -->", "<!-- end of the faces -->"
COLUMNS = [f"{face.name}, {form}" for face in FACES for form in FORMS]
SLOW = ("limit", "code value=4016")
"""Of the rows that wait for a second attempt, these stand for all."""

IDS = {*(f"U{number}" for number in range(5, 13)), "U22", "Z8"}
FACED_ROWS = [
    row
    for row in (*REFUSED_ROWS, *BROKEN_ROWS, *ENDING_ROWS)
    if row.id in IDS and (row.attempts == 1 or row.mark in SLOW)
]
FACED_RECOVERED_ROWS = [row for row in RECOVERED_ROWS if row.mark in ("eof after=1", "reset")]
"""Coze is asked for the rest after a second."""


class FacesPage:
    """What the table says and, when it is to be written, what it will say."""

    def __init__(self) -> None:
        self.lines = read()
        self._seen: dict[str, dict[str, str]] = {}

    def observe(self, row: Row, face: Face, form: str, how: str) -> None:
        """Compare how a row ended with what must be and with what stands there, or note it to be written."""
        assert how == face.ends_for(row, form)
        self._seen.setdefault(row.name, {})[f"{face.name}, {form}"] = how
        if not WRITES:
            told = self.lines[f"{row.id} {row.mark}"][COLUMNS.index(f"{face.name}, {form}")]
            assert told == how, "docs/reliability.md says otherwise: make reliability"

    def write(self) -> None:
        """Put it into the page, unless some rows were not played."""
        rows = all_rows()
        if any(len(self._seen.get(row.name, {})) < len(COLUMNS) for row in rows):
            return
        lines = [f"| row | fault | {' | '.join(COLUMNS)} |", "|---" * (2 + len(COLUMNS)) + "|"]
        for row in rows:
            observed = " | ".join(self._seen[row.name][column] for column in COLUMNS)
            lines.append(f"| {row.id} | `[[fault {row.mark}]]` | {observed} |")
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]), encoding="utf-8")


def all_rows() -> list[Row]:
    return [*FACED_ROWS, *FACED_RECOVERED_ROWS]


def read() -> dict[str, list[str]]:
    """What stands there now, by the row and its fault."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines() if "[[" in line]
    return {f"{line[0]} {line[1].strip('`').removeprefix('[[fault ').removesuffix(']]')}": line[2:] for line in cells}
