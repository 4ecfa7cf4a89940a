from typing import Any

from realcoze.app.description.openai_kept import CALLS


def test_every_call_names_what_its_path_holds() -> None:
    for call in CALLS:
        named: list[Any] = [each.name for each in call.parameters if each.place == "path"]
        assert named == (["id"] if "{id}" in call.path else [])


def test_what_always_fails_has_no_answer() -> None:
    assert [call.path for call in CALLS if not call.answer] == ["/v1/files/{id}/content"]
