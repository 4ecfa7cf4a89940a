import json
from typing import Any

import pytest

from realcoze.dialects.anthropic_messages.models import decode_limit, encode_model, encode_models
from realcoze.domain.ids import BotName

NAMES = [BotName(name) for name in "abcde"]


def page(**options: Any) -> Any:
    read = json.loads(encode_models(NAMES, **{"limit": 20, **options}))
    return "".join(model["id"] for model in read["data"]), read["has_more"], read["first_id"], read["last_id"]


def test_a_bot_is_a_model_of_an_unknown_age() -> None:
    assert json.loads(encode_model(NAMES[0])) == {
        "type": "model",
        "id": "a",
        "display_name": "a",
        "created_at": "1970-01-01T00:00:00Z",
    }


def test_a_page_says_whether_there_is_more() -> None:
    assert page() == ("abcde", False, "a", "e")
    assert page(limit=5) == ("abcde", False, "a", "e")
    assert page(limit=2) == ("ab", True, "a", "b")


def test_the_next_page_and_the_one_before_are_asked_for_by_a_name() -> None:
    assert page(limit=2, after="b") == ("cd", True, "c", "d")
    assert page(limit=2, after="d") == ("e", False, "e", "e")
    assert page(limit=2, before="d") == ("bc", True, "b", "c")
    assert page(limit=3, before="b") == ("a", False, "a", "a")
    assert page(after="e") == ("", False, None, None)


def test_a_name_that_is_gone_begins_anew() -> None:
    assert page(limit=2, after="x") == page(limit=2, before="x") == ("ab", True, "a", "b")


@pytest.mark.parametrize(
    ("text", "limit"),
    [("", 20), ("x", 20), ("1" * 50, 20), ("-1", 20), ("0", 1), ("7", 7), ("1000", 1000), ("1001", 1000)],
)
def test_a_page_has_up_to_a_thousand_models(text: str, limit: int) -> None:
    assert decode_limit(text) == limit
