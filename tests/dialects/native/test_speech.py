import pytest

from realcoze.dialects.native.speech import decode_speech, decode_text, encode_speech, encode_text
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Speech
from realcoze.errors import BadRequest, UpstreamFailed


def test_a_text_alone_is_enough() -> None:
    assert decode_speech(b'{"text": "Hello"}') == (Speech(text="Hello"), "")


def test_what_a_client_writes_a_server_reads() -> None:
    speech = Speech(text="Hello 🙂", voice="74", format="wav", speed=0.5)
    assert decode_speech(encode_speech(speech, BotName("atri"))) == (speech, "atri")
    assert decode_text(encode_text("hello 🙂")) == "hello 🙂"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"text": 1}', b'{"text": "x", "speed": "fast"}'])
def test_what_is_none_is_refused_with_an_example(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_speech(body)
    assert caught.value.hint == 'Send {"text": "Hello"}.'


def test_an_answer_without_text_is_none() -> None:
    with pytest.raises(UpstreamFailed):
        decode_text(b"{}")
