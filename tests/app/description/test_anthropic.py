import json

from realcoze.app.description.anthropic import CALLS
from realcoze.dialects.anthropic_messages.request import decode_history


def test_an_example_is_what_is_read() -> None:
    for call in CALLS:
        for example in call.body[0].examples.values():
            (message,) = decode_history(json.dumps(example).encode()).messages
            assert message.text == "Hello"
