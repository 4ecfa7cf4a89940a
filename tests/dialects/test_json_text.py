import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.json_text import (
    MARGIN,
    MOST_OPENED,
    NotJson,
    read_foreign,
    read_if_json,
    read_json,
    read_request,
)
from realcoze.errors import BadRequest

ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
NUMBERS = msgspec.json.Decoder(dict[str, int])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'"Hi \ud83d"', "Hi \ufffd"),
        (rb'"\udc4b there"', "\ufffd there"),
        (rb'"\ud83d\ud83d\udc4b"', "\ufffd👋"),
        (rb'{"a\ud83d":["\ud83d"]}', {"a\ufffd": ["\ufffd"]}),
        ('"你好 \\ud83d"'.encode(), "你好 \ufffd"),
        (rb'"\ud83d\udc4b"', "👋"),
        (rb'"\ud83d\\ud83d\\\ud83d\n\ud83d"', "\ufffd\\ud83d\\\ufffd\n\ufffd"),
        (rb'"\\ud83d\udc4b\ud83d"', "\\ud83d\ufffd\ufffd"),
        (rb'"\UD83D \uD83D"'.replace(rb"\U", rb"\u"), "\ufffd \ufffd"),
        ('"\u2028"'.encode(), "\u2028"),
    ],
)
def test_half_an_emoji_is_replaced_and_a_whole_one_kept(text: bytes, expected: object) -> None:
    assert read_json(text, ANY) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "truncated"),
        (b'{"a":', "truncated"),
        (b"{'a':1}", "malformed"),
        (b'{"a":1} {"b":2}', "trailing"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b'"a\xff"', "not UTF-8"),
        (b'"\xed\xa0\xbd"', "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 100_000 + rb'"\ud83d"', "nested too deeply"),
        (rb'["\ud83d", NaN]', "malformed"),
        (rb'["\ud83d"', "truncated"),
        (b'["' + rb"\ud83d" + b'", ' + b"9" * 5000 + b"]", "out of range"),
        (rb'"\\ud83d" "\ud83d"', "trailing"),
    ],
    ids=range(13),
)
def test_what_is_no_json_is_refused_with_the_reason(text: bytes, why: str) -> None:
    with pytest.raises(NotJson, match=why):
        read_json(text, ANY)


def test_json_of_another_shape_is_refused_by_its_place_and_never_quoted() -> None:
    with pytest.raises(NotJson, match="Expected `int`, got `str`") as refused:
        read_json(b'{"a":"my secret"}', NUMBERS)
    assert "secret" not in str(refused.value)


def test_a_healed_text_is_still_held_to_its_shape() -> None:
    with pytest.raises(NotJson, match="Expected `int`, got `str`"):
        read_json(rb'{"a":"\ud83d"}', NUMBERS)


@pytest.mark.parametrize(
    ("text", "expected"), [('{"a":1}', {"a": 1}), ('{"a":"x"}', None), ("", None), ("words", None), ("\ud83d", None)]
)
def test_what_need_not_be_json_is_read_if_it_is(text: str, expected: object) -> None:
    assert read_if_json(text, NUMBERS) == expected


@PROPERTIES
@given(st.recursive(texts | st.integers(-(2**63), 2**63) | st.booleans(), lambda each: st.lists(each, max_size=3)))
def test_what_is_encoded_is_decoded(value: object) -> None:
    assert read_json(json.dumps(value).encode(), ANY) == value


@PROPERTIES
@given(bytes_near(b'"', rb"\ud83d", rb"\udc4b", b"{", b"}", b'"a":', b"[", b"]", b",", b"1", b"NaN", b"\\"))
def test_any_bytes_give_a_value_or_the_documented_error(text: bytes) -> None:
    with suppress(NotJson):
        json.dumps(read_json(text, ANY), ensure_ascii=False).encode()


def test_a_request_may_begin_with_a_byte_order_mark_and_is_refused_with_what_to_send() -> None:
    decoder = msgspec.json.Decoder(list[int])
    assert read_request(b"\xef\xbb\xbf[1]", decoder, hint="Send [1].") == read_request(b"[1]", decoder, hint="") == [1]
    with pytest.raises(BadRequest, match="The body cannot be read") as caught:
        read_request(b"{}", decoder, hint="Send [1].")
    assert caught.value.hint == "Send [1]."


@pytest.mark.parametrize("opened", [b"{}", b"[]"])
def test_what_a_caller_sends_opens_no_more_than_can_be_read_in_a_moment(opened: bytes) -> None:
    assert len(read_foreign(b"[" + b",".join([opened] * 1000) + b"]", ANY)) == 1000
    with pytest.raises(NotJson, match=f"more than {MOST_OPENED} objects and lists"):
        read_foreign(b"[" + b",".join([opened] * MOST_OPENED) + b"]", ANY)


def test_what_a_caller_sends_can_be_written_again_wherever_that_is() -> None:
    def deeper(value: object, frames: int) -> bytes:
        return deeper(value, frames - 1) if frames else msgspec.json.encode(value)

    written = 0
    for depth in range(400, 1000, 10):
        text = b"[" * depth + b"]" * depth
        with suppress(NotJson):
            assert deeper(read_foreign(text, ANY), MARGIN - 10) == text
            written += 1
    assert 0 < written < 60


def test_braces_within_a_text_open_nothing() -> None:
    text = 'x={};y=[];"\\' * MOST_OPENED
    assert read_foreign(json.dumps([text]).encode(), ANY) == [text]
