"""docs/reliability.md has a line for every row, and for no other."""

from realcoze.emulator.open_api.fault import CHAT_FAULTS
from reliability.page import WRITES, all_rows, name_of, read
from reliability.rows import MARKED_ROWS
from reliability.rows_by_hand import ELSEWHERE


def test_every_row_has_its_line() -> None:
    if not WRITES:
        names = {name_of(row, test) for row, test in all_rows()}
        assert {name for name in read() if "[" in name} == names


def test_the_numbers_are_all_there() -> None:
    told = {row.id for row, _ in all_rows()} | {row for row, *_ in ELSEWHERE}
    assert told >= {f"U{number}" for number in range(1, 31)} | {f"Z{number}" for number in range(1, 19)}


def test_every_name_is_there_once() -> None:
    names = [name_of(row, test) for row, test in all_rows()]
    assert len(names) == len(set(names))


def test_every_mark_means_something() -> None:
    assert {row.mark.split()[0] for row in MARKED_ROWS} <= set(CHAT_FAULTS)
