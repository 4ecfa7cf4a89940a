from pathlib import Path

import msgspec

from realcoze.dialects.native.request import decode_request
from realcoze.domain.content import File, Image, Inline
from realcoze.domain.message import Message, say
from realcoze.faces.terminal.transcript import encode_transcript

TALK = (say("user", "Wie geht’s?"), say("assistant", "# Gut\n\nund dir?"), say("user", "你好"))


def test_markdown_for_people() -> None:
    for name in ("x.md", "x", "x.txt"):
        text = encode_transcript(TALK, Path(name), {}).decode()
        assert text == "## Me\n\nWie geht’s?\n\n## Bot\n\n# Gut\n\nund dir?\n\n## Me\n\n你好\n"


def test_json_is_the_history_that_the_native_api_takes() -> None:
    for name in ("x.json", "X.JSON"):
        written = encode_transcript(TALK, Path(name), {})
        assert written.endswith(b"]\n")
        assert decode_request(written).request.messages == TALK
        assert [entry["role"] for entry in msgspec.json.decode(written)] == [2, 1, 2]


SHOWN = (
    say("user", "Hello"),
    say("assistant", "Yes?"),
    Message(role="user", parts=(Image(key="tos/1.png"),)),
    Message(role="user", parts=(File(key="tos/2.bin"),)),
    say("user", "What is it?"),
)


def test_what_was_attached_stands_in_front_of_the_question() -> None:
    text = encode_transcript(SHOWN, Path("x.md"), {"tos/1.png": "cat.png: image/png, 71 bytes"}).decode()
    assert text == (
        "## Me\n\nHello\n\n## Bot\n\nYes?\n\n## Me\n\n> cat.png: image/png, 71 bytes\n\n> tos/2.bin\n\nWhat is it?\n"
    )


def test_the_history_has_the_keys_of_what_was_attached() -> None:
    written = encode_transcript(SHOWN, Path("x.json"), {"tos/1.png": "cat.png"})
    assert decode_request(written).request.messages == SHOWN
    assert [entry["contentType"] for entry in msgspec.json.decode(written)] == [1, 1, 6, 9, 1]


def test_what_is_to_be_uploaded_yet_has_its_name() -> None:
    talk = (Message(role="user", parts=(Inline(data=b"x", name="cat.png"),)),)
    assert encode_transcript(talk, Path("x.md"), {}) == b"## Me\n\n> cat.png\n"
