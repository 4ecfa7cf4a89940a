import json
from typing import Any

import pytest

from realcoze.app.description.openai import CALLS
from realcoze.dialects import openai_audio, openai_completions
from realcoze.dialects.openai_chat import request as chat
from realcoze.dialects.openai_responses import request as responses
from realcoze.domain.ids import CallerId

BY_PATH = {call.path: call for call in CALLS}
DECODE: dict[str, Any] = {
    "/v1/chat/completions": chat.decode_request,
    "/v1/responses": responses.decode_request,
    "/v1/completions": openai_completions.decode_request,
}


@pytest.mark.parametrize("path", DECODE)
def test_an_example_is_what_is_read(path: str) -> None:
    examples = BY_PATH[path].body[0].examples.values()
    asked = [DECODE[path](json.dumps(each).encode(), caller=CallerId(""), thread=None) for each in examples]
    assert [(each.request.messages[0].text, each.is_streamed) for each in asked] == [("Hello", False), ("Hello", True)]


def test_the_example_of_speech_is_what_is_read() -> None:
    example = json.dumps(BY_PATH["/v1/audio/speech"].body[0].examples["wav"]).encode()
    assert openai_audio.decode_speech(example).speech.text == "Hello"


def test_what_two_apis_share_is_told_of_both() -> None:
    shared = {call.path: [api.name for api in call.apis] for call in CALLS if len(call.apis) > 1}
    assert shared == {"/v1/models": ["OpenAI", "Anthropic"], "/v1/models/{name}": ["OpenAI", "Anthropic"]}
    assert all(len(BY_PATH[path].answer) == 2 for path in shared)
