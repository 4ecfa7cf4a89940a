import json
from typing import Any

import pytest

from realcoze.dialects.openai_files import decode_form, encode_deleted, encode_file, encode_files
from realcoze.dialects.openai_pages import Page
from realcoze.domain.uploaded import UploadedFile
from realcoze.errors import BadRequest

FILE = UploadedFile(key="tos/1.png", name="é.png", size_bytes=3, purpose="vision", created=1, until=9)
OTHER = UploadedFile(key="7", name="a.pdf", size_bytes=4, purpose="user_data", created=2, until=9)


def test_a_file_is_told_as_openai_s_types_have_it() -> None:
    assert json.loads(encode_file(FILE)) == {
        "id": "tos/1.png", "object": "file", "bytes": 3, "created_at": 1, "expires_at": 9, "filename": "é.png",
        "purpose": "vision", "status": "processed", "status_details": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "page", "listed", "has_more"),
    [
        ("", Page(limit=9), ["7", "tos/1.png"], False),
        ("", Page(limit=9, is_newest_first=False), ["tos/1.png", "7"], False),
        ("", Page(limit=1), ["7"], True),
        ("", Page(limit=1, after="7"), ["tos/1.png"], False),
        ("vision", Page(limit=9), ["tos/1.png"], False),
        ("assistants", Page(limit=9), [], False),
    ],
)
def test_files_are_listed_by_their_keys(purpose: str, page: Page, listed: list[str], has_more: Any) -> None:
    told = json.loads(encode_files([FILE, OTHER], page, purpose=purpose))
    assert ([each["id"] for each in told["data"]], told["has_more"]) == (listed, has_more)


def test_what_is_deleted_is_told_by_its_key() -> None:
    assert json.loads(encode_deleted("tos/1.png")) == {"id": "tos/1.png", "object": "file", "deleted": True}


@pytest.mark.parametrize(
    ("fields", "query", "bot"),
    [
        ({}, {}, ""),
        ({"model": "a"}, {"bot": "b"}, "a"),
        ({"bot": "a", "model": ""}, {}, "a"),
        ({}, {"bot": "b"}, "b"),
        ({}, {"model": "b"}, "b"),
    ],
)
def test_the_bot_is_named_in_the_form_or_in_the_query(fields: dict[str, str], query: dict[str, str], bot: str) -> None:
    form = decode_form(fields, query)
    assert (form.bot, form.purpose, form.ignored) == (bot, "user_data", ())


def test_a_purpose_is_one_that_a_file_can_have_here() -> None:
    assert decode_form({"purpose": "vision"}, {}).purpose == "vision"
    for purpose in ("fine-tune", "batch", "x" * 1000):
        with pytest.raises(BadRequest, match="assistants, user_data, vision"):
            decode_form({"purpose": purpose}, {})


def test_what_is_passed_over_is_named() -> None:
    assert decode_form({"expires_after[seconds]": "60"}, {}).ignored == ("expires_after[seconds]",)
