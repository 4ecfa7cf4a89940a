import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import (
    PROPERTIES,
    Outcome,
    assert_carried,
    assert_cut_anywhere,
    assert_refused_only_as,
    bytes_near,
    texts,
)
from realcoze.errors import Truncated, UpstreamFailed
from realcoze.framing.json_stream import JsonStreamDecoder, escape_braces

WIRE = Path(__file__).parents[1] / "wire" / "native"

TOO_LARGE = (UpstreamFailed, "event_too_large")
NO_OBJECT = (UpstreamFailed, "upstream_protocol")
TRUNCATED = (Truncated, "upstream_truncated")


def small() -> JsonStreamDecoder:
    return JsonStreamDecoder(max_value_bytes=12)


def test_objects_are_cut_apart_with_and_without_white_space_between_them() -> None:
    stream = b' {"a":1}{"b":2}\n\r\n\t{"c":{"d":{}}} \n'
    assert assert_cut_anywhere(JsonStreamDecoder, stream) == Outcome([b'{"a":1}', b'{"b":2}', b'{"c":{"d":{}}}'])


def test_a_stream_of_white_space_holds_nothing() -> None:
    assert assert_cut_anywhere(JsonStreamDecoder, b" \t\r\n ") == Outcome([])
    assert assert_cut_anywhere(JsonStreamDecoder, b"") == Outcome([])


@pytest.mark.parametrize(
    "value",
    [
        rb'{"content":"}"}',
        rb'{"content":"{{{"}',
        rb'{"content":"\"}"}',
        rb'{"content":"\\"}',
        rb'{"content":"\\\"}{\\"}',
        rb'{"content":"\u007d"}',
        '{"content":"你好}👋{"}'.encode(),
        rb'{"a":["}",{"b":"]"}]}',
    ],
)
def test_weakness_23_braces_in_strings_and_split_characters_do_not_end_an_object(value: bytes) -> None:
    """CLIENTS §5 item 4."""
    assert assert_cut_anywhere(JsonStreamDecoder, value + value) == Outcome([value, value])


def test_weakness_23_the_stream_of_the_node_program_is_read_however_it_is_cut() -> None:
    """CLIENTS §5 item 4."""
    outcome = assert_cut_anywhere(JsonStreamDecoder, (WIRE / "node-stream.txt").read_bytes())
    assert outcome.refusal is None
    assert [json.loads(value)["content"] for value in outcome.items] == [
        "H",
        "Hé {",
        'Hé {"a": "}"} 你好',
        'Hé {"a": "}"} 你好',
        'Hé {"a": "}"} 你好',
    ]


@pytest.mark.parametrize("stream", [b"{", b'{"a":1}{"b"', b'{"a":"}', b'{"a":"\\', b'{"a":{}'])
def test_a_stream_that_ends_inside_an_object_is_truncated(stream: bytes) -> None:
    assert assert_cut_anywhere(JsonStreamDecoder, stream).refusal == TRUNCATED


@pytest.mark.parametrize("stream", [b"x", b"}", b"[1]", b'"text"', b'{"a":1},{"b":2}', b"\xef\xbb\xbf{}", b"data: {}"])
def test_something_that_is_no_object_is_refused(stream: bytes) -> None:
    assert assert_cut_anywhere(JsonStreamDecoder, stream).refusal == NO_OBJECT


def test_an_object_at_the_limit_passes_and_one_byte_more_is_too_large_however_it_is_cut() -> None:
    assert assert_cut_anywhere(small, b' {"a":"1234"} ' * 3) == Outcome([b'{"a":"1234"}'] * 3)
    assert assert_cut_anywhere(small, b'{"a":"12345"}') == Outcome([], TOO_LARGE)


def test_an_object_that_never_ends_is_refused_as_it_arrives() -> None:
    decoder = small()
    assert decoder.feed(b'{"a":"123456') == []
    with pytest.raises(UpstreamFailed, match="larger than 12 bytes"):
        decoder.feed(b"7")


def test_closing_braces_inside_strings_are_written_as_escapes() -> None:
    """CLIENTS §5 item 4."""
    assert escape_braces(b'{"content":"a } b }} {","n":1}') == rb'{"content":"a \u007d b \u007d\u007d {","n":1}'
    assert escape_braces(b"{}") == b"{}"


@PROPERTIES
@given(texts | st.text('}{\\" ', max_size=8))
def test_escaping_braces_keeps_the_meaning_and_leaves_one_closing_brace(text: str) -> None:
    written = escape_braces(json.dumps({"content": text}, ensure_ascii=False).encode())
    assert json.loads(written) == {"content": text}
    assert written.count(b"}") == 1


@PROPERTIES
@given(st.lists(st.dictionaries(texts, texts | st.dictionaries(texts, st.integers(), max_size=2), max_size=3)))
def test_what_is_encoded_is_decoded(objects: list[dict[str, object]]) -> None:
    encoded = [json.dumps(each, ensure_ascii=False).encode() for each in objects]
    assert_carried(JsonStreamDecoder(), [b"\n".join(encoded)], encoded)


@PROPERTIES
@given(bytes_near(b"{", b"}", b'"', b"\\", b'{"a":1}', b'"}"', b" ", b"\n", b"["))
def test_any_bytes_give_objects_or_a_documented_error_however_they_are_cut(stream: bytes) -> None:
    assert_cut_anywhere(small, stream)
    assert_refused_only_as(small(), [stream], TOO_LARGE, NO_OBJECT, TRUNCATED)
