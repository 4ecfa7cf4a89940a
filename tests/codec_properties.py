"""The one property harness of all codecs: what STYLE.md, "Codecs", promises of each of them.

A decoder is whatever has `feed(piece)` and `finish()`.  Its pieces are bytes for a framing, websocket
messages for Frontier, pushes for an answer of the playground, records for the native dialect.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st

from realcoze.domain.event import ReasoningDelta, TextDelta
from realcoze.errors import RealcozeError

PROPERTIES = settings(max_examples=100, deadline=None, database=None, derandomize=True)
"""The same examples on every machine: `make test` is run by people who did not write the code."""

Piece = TypeVar("Piece")
Item = TypeVar("Item")
Piece_contra = TypeVar("Piece_contra", contravariant=True)
Item_co = TypeVar("Item_co", covariant=True)

Refusal = tuple[type[RealcozeError], str]
"""The class of an error and its code."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""What every dialect can carry; lone surrogates are no text."""


class Decoder(Protocol[Piece_contra, Item_co]):
    def feed(self, piece: Piece_contra, /) -> Sequence[Item_co]: ...
    def finish(self) -> Sequence[Item_co]: ...


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item]):
    """What came out, and the error that ended it, if one did."""

    items: list[Item]
    refusal: Refusal | None = None


def outcome(decoder: Decoder[Piece, Item], pieces: Iterable[Piece]) -> Outcome[Item]:
    """Feed the pieces and finish.  Any error that is none of ours gets through and fails the test."""
    items: list[Item] = []
    try:
        for piece in pieces:
            items += decoder.feed(piece)
        items += decoder.finish()
    except RealcozeError as error:
        return Outcome(items, (type(error), error.code))
    return Outcome(items)


def assert_cut_anywhere(
    make: Callable[[], Decoder[bytes, Item]], data: bytes, *, parts: Callable[[Sequence[Item]], list[Item]] = list
) -> Outcome[Item]:
    """Whole = every two-way split = byte by byte; gives what it is byte by byte.

    Where the stream is refused, all ways refuse it alike, and what the same piece held before the
    fault may be lost with it.  `parts` takes apart what a decoder may put into one item when it comes at once.
    """
    expected = outcome(make(), _byte_by_byte(data))
    for pieces in _whole_and_halves(data):
        actual = outcome(make(), pieces)
        assert actual.refusal == expected.refusal
        found, whole = parts(actual.items), parts(expected.items)
        assert found == (whole if expected.refusal is None else whole[: len(found)])
    return expected


def by_characters(items: Iterable[Item]) -> list[Item]:
    """Each delta as one for each of its characters: deltas that come at once may be one."""
    return [part for item in items for part in _characters(item)]


def _characters(item: Item) -> list[Item]:
    if not isinstance(item, TextDelta | ReasoningDelta):
        return [item]
    return [msgspec.structs.replace(item, text=character) for character in item.text or ("",)]


def assert_carried(decoder: Decoder[Piece, Item], encoded: Iterable[Piece], items: Sequence[Item]) -> None:
    """Encode, then decode, is the identity."""
    assert outcome(decoder, encoded) == Outcome([*items])


def assert_refused_only_as(
    decoder: Decoder[Piece, Item], pieces: Iterable[Piece], *documented: Refusal
) -> Outcome[Item]:
    """Whatever comes in, items come out, or a documented error; gives what it was."""
    actual = outcome(decoder, pieces)
    assert actual.refusal is None or actual.refusal in documented
    return actual


def bytes_near(*words: bytes) -> st.SearchStrategy[bytes]:
    """Bytes that a decoder half understands: the words of its language and noise, in any order."""
    return st.lists(st.sampled_from(words) | st.binary(max_size=3), max_size=14).map(b"".join)


def _byte_by_byte(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def _whole_and_halves(data: bytes) -> Iterator[list[bytes]]:
    yield [data]
    for at in range(len(data) + 1):
        yield [data[:at], data[at:]]
