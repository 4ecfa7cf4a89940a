import pytest

from realcoze.errors import Overloaded
from realcoze.faces.room import Room


def test_files_share_the_room_and_give_it_back() -> None:
    room = Room(10)
    with room.place(6), room.place(4), pytest.raises(Overloaded) as refused, room.place(1):
        pytest.fail("there was no room")
    assert refused.value.retry_after_s == 1
    with room.place(10):
        pass


def test_a_file_larger_than_the_room_goes_alone() -> None:
    room = Room(10)
    with room.place(11), pytest.raises(Overloaded), room.place(1):
        pytest.fail("it was not alone")
    with room.place(1), pytest.raises(Overloaded), room.place(11):
        pytest.fail("it was not alone")


def test_an_error_says_what_there_are_too_many_of() -> None:
    room = Room(10, what="pictures")
    with room.place(10), pytest.raises(Overloaded, match="Too many pictures"), room.place(1):
        pytest.fail("there was no room")


def test_room_is_given_back_whatever_happens() -> None:
    room = Room(10)
    with pytest.raises(ZeroDivisionError), room.place(10):
        raise ZeroDivisionError
    with room.place(10):
        pass
