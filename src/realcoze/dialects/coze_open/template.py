"""Deltas that differ from one that was read in nothing but their text.

Each token of an answer is an event of some three hundred bytes, of which a few are new.  While all the others
are those of the delta before it, they need not be read again, which is most of what reading a token takes.
"""

import re

import msgspec

from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import Event, Piece, ReasoningDelta, TextDelta

DELTA = "conversation.message.delta"

_HEADS = f"event:{DELTA}\ndata:".encode(), f"event: {DELTA}\ndata: ".encode()
"""What stands before a delta's data: in chats, and in chatflows."""

_BLANK_LINE = b"\n\n"

_KEYS: dict[type[Event], re.Pattern[bytes]] = {
    TextDelta: re.compile(rb'"content"\s*:\s*(?=")'),
    ReasoningDelta: re.compile(rb'"reasoning_content"\s*:\s*(?=")'),
}
"""What stands before the text."""

_STRING = re.compile(rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"')
"""A string of JSON; whether its escapes are some is for who reads it."""

_OPEN_END = re.compile(rb'(?<!\\)(?:\\\\)*\\"(?:,"|]$)')
"""Between strings, a quote that ends none of them."""

_QUOTE = ord('"')

_TEXT = msgspec.json.Decoder(str)
_TEXTS = msgspec.json.Decoder(list[str])

_QUOTES = b'""'

_TOGETHER_BYTES = 32 << 10
"""How much is looked at together: if one delta of it cannot be read, none is."""

_EDGE_BYTES = range(8, 64, 4)
"""How much of what follows a text its end may be looked for by: to look for more takes longer."""


class DeltaTemplate:
    """What the deltas of one message have before their text and after it."""

    __slots__ = ("_after", "_around", "_before", "has_fitted", "pieces", "room", "sample")

    def __init__(self, sample: Piece, pieces: list[str], before: bytes, after: bytes) -> None:
        self.sample = sample
        """One of them."""
        self.pieces = pieces
        """Their texts so far; those that are read are added."""
        self.room = 0
        """How many bytes it may still read."""
        self._before = before
        self._after = after
        self._around = len(before) + len(after)
        self.has_fitted = False
        """At least one delta was like it."""

    def read_one(self, chunk: bytes) -> str | None:
        """The text of the delta that `chunk` is; None where it is something else, or more, or has no text."""
        string = chunk.removeprefix(self._before).removesuffix(self._after)
        size = len(chunk)
        if len(string) + self._around != size or size > self.room:
            return None
        try:
            text = _TEXT.decode(string)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if not text or string[0] != _QUOTE or string[-1] != _QUOTE:  # blanks beside it may be line ends
            return None
        self.has_fitted = True
        self.room -= size
        self.pieces.append(text)
        return text

    def read(self, chunk: bytes, start: int, events: list[Event]) -> int:
        """Note the deltas like it that come at `start`, in one event; where the rest begins."""
        opening = self._before + b'"'
        if not chunk.startswith(opening, start):
            return start
        opened = start + len(opening)
        texts = self._texts(chunk[opened : opened + _TOGETHER_BYTES], opening)
        said = _read_together(texts)
        if said is None:
            return start
        self.has_fitted = True
        if said:
            self.pieces.append(said)
            join(events, msgspec.structs.replace(self.sample, text=said))
        return start + len(texts) * (self._around + len(_QUOTES)) + sum(map(len, texts))

    def _texts(self, opened: bytes, opening: bytes) -> list[bytes]:
        """What stands between the quotes of whole deltas like it, of which the first is open already."""
        after = self._after
        # What ends a text, and is not found in what stands before one.
        size = next((size for size in _EDGE_BYTES if self._before.find(b'"' + after[:size]) < 0), len(after))
        edge, end = b'"' + after[:size], after[size:]
        text, *parts = opened.split(edge)
        between = end + opening
        texts: list[bytes] = []
        for part in parts:
            more = part.removeprefix(between)
            if len(more) == len(part):
                return [*texts, text] if part.startswith(end) else texts
            texts.append(text)
            text = more
        return texts


def _read_together(texts: list[bytes]) -> str | None:
    """What stands between quotes, as one text; None where there is none, or not each is a whole string of JSON."""
    strings = b'["%b"]' % b'","'.join(texts)
    if not texts or (strings.find(b'\\"') >= 0 and _OPEN_END.search(strings)):
        return None
    try:
        read = _TEXTS.decode(strings)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return "".join(read) if len(read) == len(texts) else None


def next_delta(chunk: bytes, start: int) -> int:
    """Where another delta than the one at `start` begins, which may be like it; else the end."""
    for head in _HEADS:
        if (found := chunk.find(head, start + 1)) >= 0:
            return found
    return len(chunk)


def head_of(piece: bytes, data: bytes) -> bytes:
    """What stands before the data of the event that `piece` is."""
    return piece[: -len(data) - len(_BLANK_LINE)]


def join(events: list[Event], piece: Piece) -> None:
    """Add a piece of text to the events that come at once; one that goes on from the last becomes one with it."""
    last = events[-1] if events else None
    if type(last) is type(piece) and last.message_id == piece.message_id:
        piece = msgspec.structs.replace(piece, text=last.text + piece.text)
        events.pop()
    events.append(piece)


def template_of(sample: Piece, pieces: list[str], data: bytes, *, head: bytes) -> DeltaTemplate | None:
    """For deltas like the one whose event was `data` behind `head`; None where its text cannot be told apart.

    No `head` means the usual one.

    There must be one line, one place only that can hold the text, and no escapes beside it, so that what
    stands there is what a reader of JSON finds.
    """
    if b"\n" in data:
        return None
    places = list(_KEYS[type(sample)].finditer(data))
    found = _STRING.match(data, places[0].end()) if len(places) == 1 else None
    if found is None:
        return None
    before, after = data[: found.start()], data[found.end() :]
    if b"\\" in before or b"\\" in after or read_if_json(found[0].decode(errors="replace"), _TEXT) != sample.text:
        return None
    return DeltaTemplate(sample, pieces, (head or _HEADS[0]) + before, after + _BLANK_LINE)
