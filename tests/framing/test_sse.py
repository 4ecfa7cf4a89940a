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
from realcoze.errors import UpstreamFailed
from realcoze.framing.sse import KEEPALIVE, ServerSentEvent, SseDecoder

TOO_LARGE = (UpstreamFailed, "event_too_large")


def events(data: bytes) -> list[ServerSentEvent]:
    """What a stream holds, however it is cut."""
    outcome = assert_cut_anywhere(SseDecoder, data)
    assert outcome.refusal is None
    return outcome.items


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [ServerSentEvent(data=b"YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [
                ServerSentEvent(data=b"first event", id="1"),
                ServerSentEvent(data=b"second event"),
                ServerSentEvent(data=b" third event"),
            ],
        ),
        (b"data\n\ndata\ndata\n\n", [ServerSentEvent(data=b""), ServerSentEvent(data=b"\n")]),
        (b"data:test\n\ndata: test\n\n", [ServerSentEvent(data=b"test"), ServerSentEvent(data=b"test")]),
        (
            b"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n",
            [ServerSentEvent(event="add", data=b"73857293"), ServerSentEvent(event="remove", data=b"2153")],
        ),
    ],
)
def test_the_examples_of_the_standard_are_read_as_it_says(stream: bytes, expected: list[ServerSentEvent]) -> None:
    """CLIENTS §5 item 2."""
    assert events(stream) == expected


def test_a_block_with_an_event_line_and_no_data_is_dispatched() -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 2."""
    assert events(b"event: done\n\n") == [ServerSentEvent(event="done")]


def test_a_block_that_the_end_of_input_cuts_off_is_handed_over_marked() -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 2."""
    assert events(b'data: {"a":1}\n\ndata: {"b":2}') == [
        ServerSentEvent(data=b'{"a":1}'),
        ServerSentEvent(data=b'{"b":2}', complete=False),
    ]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_an_unterminated_block_is_the_same_with_and_without_its_line_end(end: bytes) -> None:
    assert events(b"event: x\ndata: [DONE]" + end) == [ServerSentEvent(event="x", data=b"[DONE]", complete=False)]


def test_nothing_is_handed_over_when_the_input_ends_between_two_blocks() -> None:
    assert events(b"data: 1\n\n: a comment") == [ServerSentEvent(data=b"1")]
    assert events(b"") == []


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_kind_of_line_end_may_be_cut_anywhere(end: bytes) -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 2."""
    stream = end.join([b"event: a", b"data: 1", b"data: 2", b"", b"", b"data: 3", b"", b""])
    assert events(stream) == [ServerSentEvent(event="a", data=b"1\n2"), ServerSentEvent(data=b"3")]


def test_line_ends_of_all_kinds_may_stand_in_one_stream() -> None:
    assert events(b"data: 1\rdata: 2\r\ndata: 3\n\r\ndata: 4\n\n") == [
        ServerSentEvent(data=b"1\n2\n3"),
        ServerSentEvent(data=b"4"),
    ]


def test_an_empty_piece_between_cr_and_lf_changes_nothing() -> None:
    decoder = SseDecoder()
    found = [event for piece in (b"data: 1\r", b"", b"\n", b"\r", b"\ndata: 2\r\r") for event in decoder.feed(piece)]
    assert found == [ServerSentEvent(data=b"1"), ServerSentEvent(data=b"2")]


def test_one_byte_order_mark_at_the_start_is_passed_over() -> None:
    assert events(b"\xef\xbb\xbfdata: 1\n\n") == [ServerSentEvent(data=b"1")]
    assert events(b"\xef\xbb\xbf\ndata: 1\n\n") == [ServerSentEvent(data=b"1")]
    assert events(b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\n") == []
    assert events(b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n") == [ServerSentEvent(data=b"1")]


def test_comments_retry_and_unknown_fields_mean_nothing() -> None:
    """CLIENTS §5 item 2."""
    assert events(b": hello\n:\nretry: 1000\nfoo: bar\nDATA: no\ndata: 1\n\n: bye\n\n") == [ServerSentEvent(data=b"1")]
    assert events(KEEPALIVE) == []


def test_an_id_stays_until_another_one_is_set() -> None:
    assert events(b"id: 7\n\ndata: 1\n\ndata: 2\n\nid: 8\ndata: 3\n\nid\ndata: 4\n\n") == [
        ServerSentEvent(data=b"1", id="7"),
        ServerSentEvent(data=b"2", id="7"),
        ServerSentEvent(data=b"3", id="8"),
        ServerSentEvent(data=b"4"),
    ]


def test_an_id_with_a_nul_is_passed_over() -> None:
    assert events(b"id: 7\nid: 8\0\ndata: 1\n\n") == [ServerSentEvent(data=b"1", id="7")]


def test_the_last_event_line_of_a_block_counts_and_is_forgotten_after_it() -> None:
    assert events(b"event: a\nevent: b\ndata: 1\n\ndata: 2\n\n") == [
        ServerSentEvent(event="b", data=b"1"),
        ServerSentEvent(data=b"2"),
    ]


def test_a_value_loses_one_space_and_keeps_its_colons() -> None:
    assert events(b"data:  a: b:c \n\n") == [ServerSentEvent(data=b" a: b:c ")]


def test_text_in_utf_8_may_be_cut_anywhere_and_broken_text_is_replaced() -> None:
    """CLIENTS §4.2 rule 7.  CLIENTS §5 item 1."""
    assert events("data: 你好 👋\n\n".encode()) == [ServerSentEvent(data="你好 👋".encode())]
    assert [event.text for event in events(b"data: a\xffb\n\n")] == ["a\ufffdb"]


@pytest.mark.parametrize("stream", [b"data: 12345", b"data: 1\ndata: 2", b": a comment that is long", b"x" * 11])
def test_an_event_over_the_limit_is_refused_before_it_ends(stream: bytes) -> None:
    outcome = assert_cut_anywhere(lambda: SseDecoder(max_event_bytes=10), stream)
    assert outcome == Outcome([], TOO_LARGE)


def test_the_limit_is_one_events_and_is_not_reached_by_many() -> None:
    outcome = assert_cut_anywhere(lambda: SseDecoder(max_event_bytes=18), b"event: ab\ndata: 123\n\n" * 5)
    assert [event.data for event in outcome.items] == [b"123"] * 5
    assert_cut_anywhere(lambda: SseDecoder(max_event_bytes=17), b"event: ab\ndata: 123\n\n")
    outcome = assert_cut_anywhere(lambda: SseDecoder(max_event_bytes=10), b"data: 1234\n\n" * 5)
    assert outcome == Outcome([ServerSentEvent(data=b"1234")] * 5)


def encode_event(data: str, event: str) -> bytes:
    """As the standard has it: each line of `data` gets a line of its own."""
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return (f"event: {event}\n{lines}\n" if event else f"{lines}\n").encode()


@PROPERTIES
@given(st.lists(st.tuples(texts.map(lambda text: text.replace("\r", "")), st.sampled_from(["", "delta", " 你 "]))))
def test_what_is_encoded_is_decoded(written: list[tuple[str, str]]) -> None:
    encoded = [encode_event(data, name) for data, name in written]
    assert_carried(SseDecoder(), encoded, [ServerSentEvent(event=name, data=data.encode()) for data, name in written])


@PROPERTIES
@given(bytes_near(b"data: ", b"data", b"event:", b"id: ", b":", b"\n", b"\r", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\0"))
def test_any_bytes_give_events_or_are_too_large_however_they_are_cut(stream: bytes) -> None:
    assert_cut_anywhere(lambda: SseDecoder(max_event_bytes=24), stream)
    assert_refused_only_as(SseDecoder(max_event_bytes=24), [stream], TOO_LARGE)
