import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from codec_properties import PROPERTIES
from realcoze.framing.chunks import USUAL_BYTES, chunk_of, only_chunk

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Parsed:
    """What httptools makes of bytes behind the head of an answer."""

    def __init__(self, body: bytes) -> None:
        self.pieces: list[bytes] = []
        self.chunks = 0
        self.on_body = self.pieces.append
        parser = httptools.HttpResponseParser(self)
        parser.feed_data(HEAD)
        parser.feed_data(body)

    def on_chunk_complete(self) -> None:
        self.chunks += 1


@pytest.mark.parametrize("size", [1, 9, 10, 15, 16, 255, 256, USUAL_BYTES - 1, USUAL_BYTES, 70_000])
def test_a_chunk_is_what_a_parser_reads(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    read = Parsed(chunk_of(data))
    assert (b"".join(read.pieces), read.chunks) == (data, 1)


@PROPERTIES
@given(st.binary(min_size=1, max_size=USUAL_BYTES - 1))
@example(b"\r\n")
@example(b"0\r\n\r\n")
@example(b"3\r\n")
def test_one_chunk_of_a_usual_size_is_known(data: bytes) -> None:
    assert only_chunk(chunk_of(data)) == data


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"\r\n",
        b"0\r\n\r\n",
        b"3\r\none\r\n3\r\ntwo\r\n",
        b"3\r\none\r\n0\r\n\r\n",
        b"3\r\none\r\n\r\n",
        b"3\r\none\r",
        b"3\r\none",
        b"3\r\non\r\n",
        b"4\r\none\r\n",
        b"03\r\none\r\n",
        b"3 \r\none\r\n",
        b"3;a=b\r\none\r\n",
        b"A\r\n0123456789\r\n",
        b"3\none\n",
        b"one\r\n",
        b"data: one\n\n",
        b"%x\r\n%b\r\n" % (USUAL_BYTES, bytes(USUAL_BYTES)),
    ],
)
def test_everything_else_is_for_a_parser(received: bytes) -> None:
    assert only_chunk(received) is None


def one_of_the_parts(parts: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(parts), max_size=6).map(b"".join)


@PROPERTIES
@given(one_of_the_parts((b"1", b"2", b"5", b"a", b"\r\n", b"\r", b"\n", b"x", b"xx", b"0", b"\r\n\r\n")))
def test_what_is_taken_for_a_chunk_is_one_to_a_parser_too(received: bytes) -> None:
    carried = only_chunk(received)
    if carried is not None:
        read = Parsed(received)
        assert (b"".join(read.pieces), read.chunks) == (carried, 1)
