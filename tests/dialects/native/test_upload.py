from contextlib import suppress

import pytest
from hypothesis import given

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.native.upload import decode_uploaded, encode_uploaded
from realcoze.domain.content import File, Image
from realcoze.errors import UpstreamFailed


def test_a_picture_is_6_and_a_file_is_9_as_in_a_history_entry() -> None:
    assert encode_uploaded(Image(key="tos/1.png")) == b'{"key":"tos/1.png","contentType":6}'
    assert encode_uploaded(File(key="tos/2.pdf")) == b'{"key":"tos/2.pdf","contentType":9}'


@pytest.mark.parametrize("part", [Image(key="tos/1.png"), File(key="文"), File(key="")])
def test_what_is_encoded_is_decoded(part: Image | File) -> None:
    assert decode_uploaded(encode_uploaded(part)) == part


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"key":"k"}', b'{"key":1,"contentType":6}', b"<html>", b"\xff"])
def test_an_answer_that_is_none_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be read") as failed:
        decode_uploaded(body)
    assert failed.value.code == "upstream_protocol"


@PROPERTIES
@given(bytes_near(b'{"key":', b'"k"', b',"contentType":', b"6", b"}", b"null"))
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    with suppress(UpstreamFailed):
        decode_uploaded(body)
