import re

import pytest

from realcoze.emulator.fault import CALL_FAULTS, FAULTS, PUSH_FAULTS, Fault, find_fault, without_mark
from realcoze.errors import BadRequest


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_asked_for(name: str) -> None:
    assert find_fault(f"[[fault {name}]]") == Fault(name, 0)
    assert find_fault(f"hello [[fault {name} after=50]] world") == Fault(name, 50)


@pytest.mark.parametrize("text", ["", "hello", "[fault cut]", "[[faulty cut]]", "[[fault cut", "fault cut]]"])
def test_what_is_no_mark_is_no_fault(text: str) -> None:
    assert find_fault(text) is None


@pytest.mark.parametrize("mark", ["[[fault]]", "[[fault cut after=-1]]", "[[FAULT cut]]", "[[fault cut value=]]"])
def test_a_mark_that_is_written_wrong_is_not_passed_over(mark: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(f"{mark} is no mark")):
        find_fault(f"hello {mark}")


def test_a_fault_that_is_none_is_not_passed_over() -> None:
    with pytest.raises(BadRequest, match=r"no fault 'nonsense' here. It has: badgzip, .*, unfinished\."):
        find_fault("hello [[fault nonsense]]")
    with pytest.raises(BadRequest, match=r"no fault 'drop' here. It has: cut, eof\."):
        find_fault("hello [[fault drop]]", ("eof", "cut"))


def test_the_first_mark_counts() -> None:
    assert find_fault("[[fault drop]] [[fault cut after=1]]") == Fault("drop", 0)


def test_the_bot_does_not_see_the_mark() -> None:
    assert without_mark("hello [[fault cut after=3]]") == "hello"
    assert without_mark("hello") == "hello"


def test_every_fault_is_described_for_people() -> None:
    assert set(CALL_FAULTS) & set(PUSH_FAULTS) == set()
    assert all(about and not about.endswith(".") for about in FAULTS.values())
