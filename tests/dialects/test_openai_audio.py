import json
from typing import Any

import pytest

from realcoze.dialects.openai_audio import decode_speech, encode_text, written_as
from realcoze.domain.ports import Speech
from realcoze.errors import BadRequest


def read(**members: Any) -> bytes:
    return json.dumps({"input": "Hello", "model": "bot", "voice": "alloy", **members}).encode()


def test_what_is_to_be_spoken() -> None:
    asked = decode_speech(read(response_format="opus", speed=1.5))
    assert (asked.speech, asked.bot) == (Speech(text="Hello", voice="alloy", format="ogg_opus", speed=1.5), "bot")
    assert asked.ignored == ()


def test_the_shortest_request_is_spoken_as_mp3() -> None:
    asked = decode_speech(b'{"input":"Hello"}')
    assert (asked.speech, asked.bot) == (Speech(text="Hello", format="mp3"), "")


def test_null_is_what_is_left_out() -> None:
    nothing = dict.fromkeys(("model", "voice", "speed", "instructions", "stream_format", "response_format"))
    assert decode_speech(read(**nothing)) == decode_speech(b'{"input":"Hello"}')


def test_a_voice_may_be_an_object() -> None:
    assert decode_speech(read(voice={"id": "7"})).speech.voice == "7"


def test_how_it_is_to_be_spoken_is_ignored_and_named() -> None:
    assert decode_speech(read(instructions="Whisper.")).ignored == ("instructions",)


@pytest.mark.parametrize("wrong", [{"response_format": "flac"}, {"stream_format": "sse"}, {"input": 7}, {"speed": "x"}])
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        decode_speech(read(**wrong))


def test_a_transcript_is_an_object_or_its_text() -> None:
    assert encode_text("Hi", written_as("")) == encode_text("Hi", written_as("json"))
    assert encode_text("Hi", written_as("json")) == (b'{"text":"Hi"}', "application/json")
    assert encode_text("Hi", written_as("text")) == (b"Hi\n", "text/plain; charset=utf-8")
    with pytest.raises(BadRequest, match="'srt'"):
        written_as("srt")
    with pytest.raises(BadRequest, match="`stream`"):
        written_as("json", stream="true")
