import json

import pytest

from realcoze.dialects.coze_open.audio import (
    MOST_RECORDING_BYTES,
    Form,
    decode_speech,
    decode_speech_call,
    decode_text,
    encode_speech,
    encode_transcription,
)
from realcoze.dialects.coze_open.envelope import encode_refusal, encode_success
from realcoze.domain.ports import Sound
from realcoze.errors import BadRequest, NotFound, TooLarge, UpstreamFailed


def test_a_text_is_asked_for_with_all_that_the_sdks_send() -> None:
    body = encode_speech("Hello 🙂\ud83d", voice="74", format="wav", speed=1.5)
    assert json.loads(body) == {
        "input": "Hello 🙂?",
        "voice_id": "74",
        "response_format": "wav",
        "speed": 1.5,
        "sample_rate": 24000,
    }
    call = decode_speech_call(body)
    assert (call.input, call.voice_id, call.sample_rate) == ("Hello 🙂?", "74", 24000)


@pytest.mark.parametrize(
    ("text", "form", "speed", "said"),
    [
        (" \n", "mp3", 1, "no text"),
        ("é" * 513, "mp3", 1, "1026 bytes"),
        ("hi", "flac", 1, "wav, pcm, ogg_opus, mp3"),
        ("hi", "mp3", 3.1, "from 0.2 to 3"),
        ("hi", "mp3", float("nan"), "from 0.2 to 3"),
    ],
)
def test_what_coze_would_refuse_is_refused_here(text: str, form: str, speed: float, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        encode_speech(text, voice="74", format=form, speed=speed)


def test_1024_bytes_are_spoken() -> None:
    assert encode_speech("é" * 512, voice="74", format="mp3", speed=0.2)


def test_an_answer_is_a_sound_or_a_refusal() -> None:
    sound = decode_speech(200, {"content-type": "audio/mpeg; charset=binary"}, b"ID3")
    assert sound == Sound(data=b"ID3", content_type="audio/mpeg")
    json_type = {"content-type": "application/json"}
    with pytest.raises(BadRequest) as caught:
        decode_speech(200, json_type, encode_refusal(3010, "the text is longer than 1024 bytes", logid="log-1"))
    assert (caught.value.upstream_code, caught.value.logid) == (3010, "log-1")
    with pytest.raises(NotFound):
        decode_speech(200, json_type, encode_refusal(4200, "no such voice", logid="log-1"))
    for body in (b'{"code":0}', b""):
        with pytest.raises(UpstreamFailed):
            decode_speech(200, json_type, body)
    with pytest.raises(UpstreamFailed):
        decode_speech(200, {"content-type": "audio/wav"}, b"")


def test_a_recording_is_the_one_part_of_a_form() -> None:
    form = encode_transcription(b"RIFF", "a.wav", "audio/wav", boundary="b")
    assert isinstance(form, Form)
    assert form.content_type == "multipart/form-data; boundary=b"
    assert b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--b--' in form.body
    with pytest.raises(BadRequest, match="empty"):
        encode_transcription(b"", "a.wav", "audio/wav", boundary="b")
    with pytest.raises(TooLarge, match="10485760 is the most"):
        encode_transcription(bytes(MOST_RECORDING_BYTES + 1), "a.wav", "audio/wav", boundary="b")


def test_a_text_comes_back_possibly_empty() -> None:
    assert decode_text(200, {}, encode_success({"text": "hello"}, logid="l")) == "hello"
    assert decode_text(200, {}, encode_success({"text": ""}, logid="l")) == ""
    for body in (encode_success({}, logid="l"), b"{}"):
        with pytest.raises(UpstreamFailed, match="no text"):
            decode_text(200, {}, body)
