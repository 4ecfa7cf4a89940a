"""What a request builds on: the response that it goes on with, and items that it names in the stead of sending them.

A record holds all that led to its response, so one mostly answers for many names: records are asked for one
after another, the newest first, until nothing is missing.
"""

import msgspec

from realcoze.dialects.json_text import NotJson, read_foreign
from realcoze.dialects.openai_responses.kept import Name, Record, Said, name_of, with_answer
from realcoze.errors import BadRequest, NotFound, TooLarge

REFERENCE_BYTES = 1000
"""A longer item is none; it may hold a file, through which nobody need look twice."""

BUILT_ON = 20
"""Records that one request may need."""

REFERRED_BYTES = 1 << 20
"""What one request may put in by names, which is as much as one record holds; the same item counts each time."""

_COUNT_DIGITS = 4


class Opening(msgspec.Struct):
    """What of a request says on what it builds; the rest of it is `request.py`'s."""

    previous_response_id: str | None = None
    input: str | list[msgspec.Raw] = ""


_OPENING = msgspec.json.Decoder(Opening)


class Building:
    """What a request says, once there is `add`ed what is `wanted` for it, one after another."""

    def __init__(self, opening: Opening) -> None:
        self._previous_id = opening.previous_response_id or None
        self._items = _as_items(opening.input)
        self._references = {
            place: named.id or "" for place, item in enumerate(self._items) if (named := _reference(item)) is not None
        }
        self._open = list(dict.fromkeys(self._references.values()))
        self._records: dict[str, Record | None] = {}
        self._known: dict[str, msgspec.Raw] = {}

    @property
    def is_needed(self) -> bool:
        """The request does not say everything itself."""
        return bool(self._previous_id or self._references)

    @property
    def wanted(self) -> str | None:
        """The response that is to be looked up next.  Raises `BadRequest` for more than anybody needs."""
        wanted = self._next()
        if wanted is not None and len(self._records) >= BUILT_ON:
            raise BadRequest(
                f"`input` names items of more than {BUILT_ON} histories.", hint="Send the items themselves."
            )
        return wanted

    def add(self, response_id: str, record: Record | None) -> None:
        """What is kept of it; None where that is nothing."""
        self._records[response_id] = record
        if record is not None and self._references:
            items = (*record.items, *record.output)
            self._known.update((item_id, item) for item in items if (item_id := name_of(item).id))

    def said(self) -> Said:
        """Raises `NotFound` for what is not there, `BadRequest` for a response that came to nothing, `TooLarge`."""
        earlier = with_answer(self._previous(self._previous_id), self._previous_id) if self._previous_id else []
        new, left = list(self._items), REFERRED_BYTES
        for place, item_id in self._references.items():
            new[place] = self._item(item_id)
            left -= memoryview(new[place]).nbytes
            if left < 0:
                raise TooLarge(f"The items that `input` names have more than {REFERRED_BYTES >> 20} MiB together.")
        return Said(earlier=earlier, new=new)

    def _next(self) -> str | None:
        if self._previous_id and self._previous_id not in self._records:
            return self._previous_id
        while self._open:
            response_id = response_id_of(self._open[-1])
            if response_id and response_id not in self._records and self._open[-1] not in self._known:
                return response_id
            self._open.pop()
        return None

    def _previous(self, response_id: str) -> Record:
        record = self._records.get(response_id)
        if record is None:
            raise NotFound(
                f"Previous response with id {response_id[:80]!r} not found.",
                code="previous_response_not_found",
                hint="Send the whole history in `input`.",
            )
        return record

    def _item(self, item_id: str) -> msgspec.Raw:
        if item_id not in self._known:
            raise NotFound(f"Item with id {item_id[:80]!r} not found.", hint="Send the item itself.")
        return self._known[item_id]


def begin_building(body: bytes) -> Building:
    """Never raises: what is wrong with a request, who reads all of it says."""
    try:
        return Building(read_foreign(body.removeprefix(b"\xef\xbb\xbf"), _OPENING))
    except NotJson:
        return Building(Opening())


def response_id_of(item_id: str) -> str:
    """The response that an item is of; empty where the id is none of ours."""
    return f"resp_{item_id.partition('_')[2][:-_COUNT_DIGITS]}" if "_" in item_id else ""


def _as_items(sent: str | list[msgspec.Raw]) -> list[msgspec.Raw]:
    if isinstance(sent, str):
        return [msgspec.Raw(msgspec.json.encode({"role": "user", "content": sent}))]
    return sent


def _reference(item: msgspec.Raw) -> Name | None:
    """What it names; None where it is no reference."""
    if memoryview(item).nbytes > REFERENCE_BYTES:
        return None
    named = name_of(item)
    return named if named.type == "item_reference" else None
