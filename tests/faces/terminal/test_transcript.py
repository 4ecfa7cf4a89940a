from pathlib import Path

import msgspec

from realcoze.dialects.native.request import decode_request
from realcoze.domain.message import say
from realcoze.faces.terminal.transcript import encode_transcript

TALK = (say("user", "Wie geht’s?"), say("assistant", "# Gut\n\nund dir?"), say("user", "你好"))


def test_markdown_for_people() -> None:
    for name in ("x.md", "x", "x.txt"):
        text = encode_transcript(TALK, Path(name)).decode()
        assert text == "## Me\n\nWie geht’s?\n\n## Bot\n\n# Gut\n\nund dir?\n\n## Me\n\n你好\n"


def test_json_is_the_history_that_the_native_api_takes() -> None:
    for name in ("x.json", "X.JSON"):
        written = encode_transcript(TALK, Path(name))
        assert written.endswith(b"]\n")
        assert decode_request(written).request.messages == TALK
        assert [entry["role"] for entry in msgspec.json.decode(written)] == [2, 1, 2]
