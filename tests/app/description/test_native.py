import json
from collections.abc import Callable

import pytest

from realcoze.app.description.native import CALLS
from realcoze.dialects.native.request import decode_request
from realcoze.dialects.native.speech import decode_speech

BY_PATH = {call.path: call for call in CALLS}
DECODE: dict[str, Callable[[bytes], object]] = {"/": decode_request, "/speech": decode_speech}


@pytest.mark.parametrize("path", DECODE)
def test_an_example_is_what_is_read(path: str) -> None:
    examples = BY_PATH[path].body[0].examples
    assert examples
    for example in examples.values():
        DECODE[path](json.dumps(example).encode())


def test_every_answer_to_a_question_has_a_media_type() -> None:
    assert [content.media for content in BY_PATH["/"].answer] == [
        "application/json",
        "text/event-stream",
        "application/x-ndjson",
    ]


def test_what_needs_no_key_says_so() -> None:
    assert [call.path for call in CALLS if call.is_open] == ["/health", "/openapi.json"]
