import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, Outcome, assert_carried, assert_refused_only_as, bytes_near, outcome, texts
from realcoze.framing.frontier import (
    HEARTBEAT,
    PARTIAL_MESSAGES,
    PARTS,
    SEEN_SEQ_IDS,
    BadFrame,
    Frame,
    FrontierReader,
    Payload,
    decode_frame,
    encode_frame,
)
from realcoze.framing.limits import INFLATED_BYTES, SOCKET_MESSAGE_BYTES

WIRE = Path(__file__).parents[1] / "wire" / "coze_playground"
FRAME = bytes.fromhex((WIRE / "frame.hex").read_text())
FRAME_PAYLOAD = (WIRE / "frame-payload.json").read_bytes()
PING = bytes.fromhex((WIRE / "ping.hex").read_text())

REQUIRED = bytes.fromhex("08011000180020012a00")
"""SeqID 1, LogID 0, service 0, method 1, one empty header."""


def frame(
    payload: bytes, *, seq_id: int = 0, headers: Sequence[tuple[str, str]] = (), encoding: str | None = None
) -> bytes:
    """One data frame."""
    return encode_frame(
        Frame(
            seq_id=seq_id,
            log_id=0,
            service=2,
            method=1,
            headers=tuple(headers),
            payload_encoding=encoding,
            payload=payload,
        )
    )


def part(payload: bytes, index: int, count: int, message_id: str = "m", *, seq_id: int = 0) -> bytes:
    """One frame of a payload that is split."""
    headers = [("sum", str(count)), ("seq", str(index)), ("message_id", message_id)]
    return frame(payload, seq_id=seq_id, headers=headers)


def data(reader: FrontierReader, *messages: bytes | str) -> list[bytes]:
    return [payload.data for message in messages for payload in reader.feed(message)]


def test_vector_frame_is_decoded() -> None:
    assert len(FRAME) == 172
    assert decode_frame(FRAME) == Frame(
        seq_id=7,
        log_id=1708900000000,
        service=2,
        method=1,
        headers=(("trace", "t1"),),
        payload_type="text/json",
        payload=FRAME_PAYLOAD,
    )


def test_vector_frame_is_encoded() -> None:
    written = Frame(
        seq_id=7,
        log_id=1708900000000,
        service=2,
        method=1,
        headers=(("trace", "t1"),),
        payload_type="text/json",
        payload=FRAME_PAYLOAD,
    )
    assert encode_frame(written) == FRAME


def test_vector_frame_payload_is_132_bytes_of_json() -> None:
    assert len(FRAME_PAYLOAD) == 132
    assert json.loads(FRAME_PAYLOAD)["message"]["content"] == "Hi"


def test_vector_frame_is_read_to_its_payload() -> None:
    assert FrontierReader().feed(FRAME) == [Payload(seq_id=7, data=FRAME_PAYLOAD)]


def test_vector_frame_sliced_at_its_braces_yields_the_same_json() -> None:
    no_longer_a_frame = b"\x07" + FRAME
    assert FrontierReader().feed(no_longer_a_frame) == [Payload(seq_id=None, data=FRAME_PAYLOAD)]


def test_vector_ping_frame_is_decoded_and_encoded() -> None:
    ping = Frame(seq_id=0, log_id=0, service=2, method=0, headers=(("type", "ping"),))
    assert decode_frame(PING) == ping
    assert encode_frame(ping) == PING


def test_the_required_fields_are_written_even_when_they_are_0_and_the_others_only_when_given() -> None:
    assert encode_frame(Frame(seq_id=0, log_id=0, service=0, method=0)).hex() == "0800100018002000"
    empty = Frame(
        seq_id=0, log_id=0, service=0, method=0, payload_encoding="", payload_type="", payload=b"", log_id_new=""
    )
    assert encode_frame(empty).hex() == "080010001800200032003a0042004a00"
    assert decode_frame(encode_frame(empty)) == empty


def test_negative_numbers_are_written_in_ten_bytes_as_protobuf_does() -> None:
    negative = Frame(seq_id=(1 << 64) - 1, log_id=0, service=-1, method=-(1 << 31))
    assert encode_frame(negative).hex() == "08ffffffffffffffffff01100018ffffffffffffffffff012080808080f8ffffffff01"
    assert decode_frame(encode_frame(negative)) == negative


@pytest.mark.parametrize(
    "unknown",
    [
        bytes.fromhex("f00105"),  # field 30, a varint
        bytes.fromhex("f201026869"),  # field 30, two bytes
        bytes.fromhex("f1010102030405060708"),  # field 30, fixed64
        bytes.fromhex("f50101020304"),  # field 30, fixed32
        bytes.fromhex("4001"),  # the payload's number, but a varint
    ],
)
def test_fields_that_are_not_known_are_passed_over(unknown: bytes) -> None:
    assert decode_frame(unknown + REQUIRED) == decode_frame(REQUIRED + unknown) == decode_frame(REQUIRED)


def test_members_of_a_header_that_are_not_known_are_passed_over() -> None:
    header = bytes.fromhex("0a016b" + "1a0178" + "2005" + "0805" + "120176")
    assert decode_frame(REQUIRED[:-2] + b"\x2a" + bytes([len(header)]) + header).headers == (("k", "v"),)


def test_broken_text_in_a_header_is_replaced() -> None:
    assert decode_frame(REQUIRED[:-2] + bytes.fromhex("2a060a01ff1201fe")).headers == (("\ufffd", "\ufffd"),)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"", "field 1 is missing"),
        (REQUIRED[2:], "field 1 is missing"),
        (b"\x00\x01", "number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x07", "wire type 7|number 0"),
        (b"\x08", "inside a number"),
        (b"\x08\x80", "inside a number"),
        (b"\x08" + b"\xff" * 11, "more than ten bytes"),
        (b"\x42\xff\xff\x7f" + FRAME, "says 2097151 bytes and 172 are left"),
        (REQUIRED + b"\x3d\x00", "says 4 bytes and 1 are left"),
        (REQUIRED + b"\x2a\x02\x0a\x05", "says 5 bytes and 0 are left"),
    ],
)
def test_bytes_that_are_no_frame_are_refused_with_the_reason(message: bytes, why: str) -> None:
    with pytest.raises(BadFrame, match=why):
        decode_frame(message)


@pytest.mark.parametrize("message", [HEARTBEAT, ""])
def test_the_heartbeat_text_is_counted_and_gives_nothing(message: str) -> None:
    reader = FrontierReader()
    assert reader.feed(message) == []
    assert (reader.heartbeats, reader.ignored) == (1, 0)


def test_control_frames_are_heartbeats_even_when_they_carry_json() -> None:
    reader = FrontierReader()
    control = encode_frame(Frame(seq_id=1, log_id=0, service=2, method=0, payload=FRAME_PAYLOAD))
    assert data(reader, PING, control) == []
    assert (reader.heartbeats, reader.ignored) == (2, 0)


@pytest.mark.parametrize("encoding", ["gzip", None])
def test_a_gzip_payload_is_inflated_whether_it_says_so_or_only_looks_so(encoding: str | None) -> None:
    assert data(FrontierReader(), frame(gzip.compress(b'{"a":1}', mtime=0), encoding=encoding)) == [b'{"a":1}']


def test_a_payload_that_says_gzip_and_is_plain_is_still_read() -> None:
    assert FrontierReader().feed(frame(b'{"a":1}', seq_id=5, encoding="gzip")) == [
        Payload(seq_id=None, data=b'{"a":1}')
    ]


@pytest.mark.parametrize(
    "payload",
    [b"\x1f\x8bno", gzip.compress(b'"aaaa"', mtime=0)[:-4], b"\x1f\x8b"],
    ids=["broken", "cut off", "only its mark"],
)
def test_a_gzip_payload_that_cannot_be_inflated_is_counted_and_ignored(payload: bytes) -> None:
    reader = FrontierReader()
    assert data(reader, frame(payload, encoding="gzip")) == []
    assert reader.ignored == 1


def test_a_gzip_payload_is_inflated_to_the_limit_and_no_further() -> None:
    reader = FrontierReader()
    at_the_limit = b"{" + b" " * (INFLATED_BYTES - 2) + b"}"
    bomb = b"{" + b" " * (INFLATED_BYTES - 1) + b"}"
    assert data(reader, frame(gzip.compress(at_the_limit, 1))) == [at_the_limit]
    found = reader.feed(frame(gzip.compress(bomb, 1)))
    assert all(payload.seq_id is None and len(payload.data) < 1 << 20 for payload in found)


@pytest.mark.parametrize("message", [FRAME_PAYLOAD, FRAME_PAYLOAD.decode(), b"\n" + FRAME_PAYLOAD + b" "])
def test_bare_json_is_read_from_binary_and_from_text_messages(message: bytes | str) -> None:
    assert FrontierReader().feed(message) == [Payload(seq_id=None, data=FRAME_PAYLOAD)]


def test_a_text_message_with_half_a_character_does_not_raise() -> None:
    assert data(FrontierReader(), '{"a":"\ud83d"}') == [b'{"a":"?"}']


def test_white_space_around_a_payload_is_not_part_of_it() -> None:
    assert data(FrontierReader(), frame(b' \n{"a":1}\r\n')) == [b'{"a":1}']


@pytest.mark.parametrize(
    "message",
    [b"hi", b"", b"\x00", "pong", "}{", b"\xff" * 40, FRAME[:60], REQUIRED, frame(b"pb"), frame(b""), b"{", b"}"],
)
def test_weakness_09_a_message_without_json_is_counted_and_ignored(message: bytes | str) -> None:
    reader = FrontierReader()
    assert reader.feed(message) == []
    assert (reader.ignored, reader.heartbeats) == (1, 0)
    assert data(reader, FRAME) == [FRAME_PAYLOAD]


def test_weakness_10_braces_in_a_header_do_not_disturb_the_payload() -> None:
    message = frame(b'{"a":1}', headers=[("trace", "{not json}"), ("}", "{")])
    assert data(FrontierReader(), message) == [b'{"a":1}']


def test_braces_are_sliced_only_where_the_payload_is_no_object() -> None:
    assert FrontierReader().feed(frame(b'pb: {"a":1} .', seq_id=3)) == [Payload(seq_id=None, data=b'{"a":1}')]


def test_a_seq_id_that_was_seen_is_dropped() -> None:
    reader = FrontierReader()
    assert data(reader, FRAME, FRAME, frame(b'{"other":1}', seq_id=7)) == [FRAME_PAYLOAD]
    assert reader.ignored == 2


def test_a_server_that_numbers_nothing_repeats_nothing() -> None:
    assert data(FrontierReader(), frame(b'{"a":1}'), frame(b'{"a":1}')) == [b'{"a":1}'] * 2


def test_only_the_newest_seq_ids_are_remembered() -> None:
    reader = FrontierReader()
    for seq_id in range(1, SEEN_SEQ_IDS + 2):
        assert data(reader, frame(b"{}", seq_id=seq_id)) == [b"{}"]
    assert data(reader, frame(b"{}", seq_id=2)) == []
    assert data(reader, frame(b"{}", seq_id=1)) == [b"{}"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 2, 0, 1)])
def test_a_split_payload_is_put_together_in_the_order_of_its_numbers(order: tuple[int, ...]) -> None:
    pieces = [b'{"a":', b'"b', b'"}']
    reader = FrontierReader()
    assert data(reader, *(part(pieces[index], index, 3) for index in order)) == [b'{"a":"b"}']
    assert (reader.ignored, reader.finish()) == (0, [])
    assert reader.ignored == 0


def test_parts_may_share_a_seq_id_or_have_their_own() -> None:
    for seq_ids in ((4, 4), (4, 5)):
        messages = [part(b'{"a":', 0, 2, seq_id=seq_ids[0]), part(b"1}", 1, 2, seq_id=seq_ids[1])]
        assert data(FrontierReader(), *messages) == [b'{"a":1}']


def test_a_split_payload_that_comes_again_is_dropped() -> None:
    reader = FrontierReader()
    again = [part(b'{"a":', 0, 2, seq_id=4), part(b"1}", 1, 2, seq_id=5)]
    assert data(reader, *again, *again) == [b'{"a":1}']
    assert reader.ignored == 1


def test_a_split_gzip_payload_is_inflated_when_it_is_whole() -> None:
    packed = gzip.compress(b'{"a":1}', mtime=0)
    assert data(FrontierReader(), part(packed[:9], 0, 2), part(packed[9:], 1, 2)) == [b'{"a":1}']


@pytest.mark.parametrize("count", ["", "0", "1"])
def test_a_payload_in_one_part_is_not_split(count: str) -> None:
    assert data(FrontierReader(), frame(b'{"a":1}', headers=[("sum", count)])) == [b'{"a":1}']


@pytest.mark.parametrize(
    "headers",
    [
        [("sum", "2")],
        [("sum", "2"), ("seq", "x")],
        [("sum", "many"), ("seq", "0")],
        [("sum", "2"), ("seq", "2")],
        [("sum", "2"), ("seq", "-1")],
        [("sum", "-2"), ("seq", "0")],
        [("sum", str(PARTS + 1)), ("seq", "0")],
        [("sum", "9" * 5000), ("seq", "0")],
    ],
)
def test_parts_with_impossible_numbers_are_counted_and_ignored(headers: list[tuple[str, str]]) -> None:
    reader = FrontierReader()
    assert data(reader, frame(b'{"a":1}', headers=headers)) == []
    assert reader.ignored == 1
    reader.finish()
    assert reader.ignored == 1


def test_parts_without_end_find_no_room() -> None:
    reader = FrontierReader()
    for index in range(PARTS + 10):
        assert data(reader, part(b"", index, 10**9)) == []
    assert reader.ignored == PARTS + 10


def test_the_oldest_split_payload_gives_way_when_too_many_are_unfinished() -> None:
    reader = FrontierReader()
    for number in range(PARTIAL_MESSAGES + 1):
        assert data(reader, part(b'{"a":', 0, 2, f"m{number}")) == []
    assert reader.ignored == 1
    assert data(reader, part(b"1}", 1, 2, "m1")) == [b'{"a":1}']
    assert data(reader, part(b"1}", 1, 2, "m0")) == []
    reader.finish()
    assert reader.ignored == 1 + PARTIAL_MESSAGES


def test_a_split_payload_over_the_limit_of_a_message_is_dropped() -> None:
    reader = FrontierReader()
    half = b" " * (SOCKET_MESSAGE_BYTES // 2)
    assert data(reader, part(half, 0, 3), part(half, 1, 3), part(b"{}", 2, 3)) == []
    assert reader.ignored == 1
    assert data(reader, part(b"{}", 0, 3)) == []


def test_parts_that_wait_when_the_socket_ends_are_counted() -> None:
    reader = FrontierReader()
    assert outcome(reader, [part(b"{", 0, 2, "a"), part(b"{", 0, 2, "b")]) == Outcome([])
    assert reader.ignored == 2


uint64s = st.integers(0, (1 << 64) - 1)
int32s = st.integers(-(1 << 31), (1 << 31) - 1)
frames = st.builds(
    Frame,
    seq_id=uint64s,
    log_id=uint64s,
    service=int32s,
    method=int32s,
    headers=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
    payload_encoding=st.none() | texts,
    payload_type=st.none() | texts,
    payload=st.none() | st.binary(max_size=200),
    log_id_new=st.none() | texts,
)
objects = st.dictionaries(texts, texts, max_size=3).map(lambda each: json.dumps(each, ensure_ascii=False).encode())


@PROPERTIES
@given(frames)
def test_what_is_encoded_is_decoded(written: Frame) -> None:
    assert decode_frame(encode_frame(written)) == written


@PROPERTIES
@given(st.lists(objects, max_size=6), st.booleans())
def test_the_reader_gives_what_was_framed(payloads: list[bytes], packed: bool) -> None:  # noqa: FBT001 - generated
    messages: list[bytes | str] = [
        frame(gzip.compress(payload, mtime=0) if packed else payload, seq_id=seq_id, headers=[("trace", "{}")])
        for seq_id, payload in enumerate(payloads, start=1)
    ]
    expected = [Payload(seq_id=seq_id, data=payload) for seq_id, payload in enumerate(payloads, start=1)]
    assert_carried(FrontierReader(), messages, expected)


@PROPERTIES
@given(st.lists(bytes_near(FRAME, PING, REQUIRED, b"{", b"}", b"\x42", b"\x2a", b"\x1f\x8b", b"\x80") | texts))
def test_weakness_09_no_message_whatsoever_raises(messages: list[bytes | str]) -> None:
    assert_refused_only_as(FrontierReader(), messages)


@PROPERTIES
@given(st.binary(max_size=4), st.integers(0, len(FRAME)), st.integers(0, len(FRAME)))
def test_a_damaged_frame_gives_nothing_or_one_payload(noise: bytes, start: int, end: int) -> None:
    damaged = FRAME[:start] + noise + FRAME[end:]
    assert len(assert_refused_only_as(FrontierReader(), [damaged]).items) <= 1


def test_a_part_that_names_no_message_is_ignored_for_it_could_be_anybodys() -> None:
    reader = FrontierReader()
    headers = (("sum", "2"), ("seq", "0"))
    frame = Frame(seq_id=0, log_id=0, service=2, method=1, headers=headers, payload=b'{"a":')
    assert reader.feed(encode_frame(frame)) == []
    assert reader.ignored == 1
