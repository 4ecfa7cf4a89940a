import json
from typing import Any

import pytest

from realcoze.dialects.openai_pages import Page, encode_page, read_page
from realcoze.errors import BadRequest

NAMES = ["a", "b", "c"]


def listed(**asked: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_page(NAMES, Page(**{"limit": 9, **asked}), id_of=str))
    return body


def test_a_list_is_newest_first_unless_it_is_to_be_otherwise() -> None:
    assert listed() == {"object": "list", "data": ["c", "b", "a"], "first_id": "c", "last_id": "a", "has_more": False}
    assert listed(is_newest_first=False)["data"] == NAMES


def test_a_part_says_whether_there_is_more() -> None:
    first = listed(limit=2)
    assert (first["data"], first["last_id"], first["has_more"]) == (["c", "b"], "b", True)
    rest = listed(limit=2, after=first["last_id"])
    assert (rest["data"], rest["has_more"]) == (["a"], False)


def test_after_the_last_there_is_nothing() -> None:
    assert listed(after="a") == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_what_is_not_there_has_nothing_after_it() -> None:
    with pytest.raises(BadRequest, match="`after`"):
        listed(after="d")


def test_a_query_says_which_part() -> None:
    assert read_page({}, usual=20, most=100) == Page(limit=20)
    asked = read_page({"limit": "100", "order": "asc", "after": "x"}, usual=20, most=100)
    assert asked == Page(limit=100, is_newest_first=False, after="x")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "x", "9" * 5000, "²"])
def test_a_limit_is_a_number_within_bounds(limit: str) -> None:
    with pytest.raises(BadRequest, match="from 1 to 100"):
        read_page({"limit": limit}, usual=20, most=100)


def test_an_order_is_one_of_two() -> None:
    with pytest.raises(BadRequest, match="asc or desc"):
        read_page({"order": "random"}, usual=20, most=100)
