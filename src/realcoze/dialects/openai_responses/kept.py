"""What is kept of a response: it itself, and all that was said before it, as items.

So a client can ask for it again, go on with it without the history, and name one of its items in the stead of
sending it.  An item's id has its response's within it (`ItemIds`), and is found by that.

Only words are kept: of data that came within a request there remains a note.  The instructions of a request
are its own, and its successors know nothing of them.

Source: openai 3, types/responses/response_item.py and response_item_list.py.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.dialects.openai_pages import Page, encode_page
from realcoze.dialects.openai_responses.reply import ItemIds, ResponseBody
from realcoze.domain.ids import RequestId
from realcoze.errors import BadRequest, NotFound

SENT_ITEMS = 0x8000
"""From here on the items of a request are counted; below it those of its response."""

REFERENCE_BYTES = 1000
"""A longer item is none; it may hold a file, through which nobody need look twice."""

BUILT_ON = 1000
"""Responses that one request may build on; each is looked up."""

_COUNT_DIGITS = 4
_OF_OUTPUT = "output_text"
_GOES_ON = frozenset({"completed", "incomplete"})
_UNFINISHED = frozenset({"queued", "in_progress"})

_KINDS = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


class Record(msgspec.Struct):
    """A response as it was last told, and the items that led to it."""

    response: msgspec.Raw
    items: list[msgspec.Raw]

    @property
    def body(self) -> bytes:
        """The response, as an answer has it."""
        return bytes(self.response)

    @property
    def is_of_background(self) -> bool:
        return _told(self).background


class _Told(msgspec.Struct):
    """What of a response says how it can be gone on with."""

    status: str
    background: bool
    output: list[msgspec.Raw]


class _Named(msgspec.Struct):
    type: str | None = None
    id: str | None = None


class Opening(msgspec.Struct):
    """What of a request says on which responses it builds; the rest of it is `request.py`'s."""

    previous_response_id: str | None = None
    input: str | list[msgspec.Raw] = ""

    @property
    def response_ids(self) -> frozenset[str]:
        """The responses that are to be looked up for it.  Raises `BadRequest` for more than anybody needs."""
        references = filter(None, map(_reference, _as_items(self.input)))
        items = (response_id_of(each.id or "") for each in references)
        found = frozenset(each for each in (self.previous_response_id, *items) if each)
        if len(found) > BUILT_ON:
            raise BadRequest(
                f"`input` names items of more than {BUILT_ON} responses.", hint="Send the items themselves."
            )
        return found


class Said(msgspec.Struct):
    """All items that an answer is asked for to: those before the request, and the request's own."""

    earlier: list[msgspec.Raw]
    new: list[msgspec.Raw]

    @property
    def items(self) -> list[msgspec.Raw]:
        return [*self.earlier, *self.new]


class _Deleted(msgspec.Struct):
    id: str
    object: str = "response"
    deleted: bool = True


DELETED = _Deleted
"""What the answer to who deletes one is, for who describes this API."""

_OPENING = msgspec.json.Decoder(Opening)
_NAMED = msgspec.json.Decoder(_Named)
_RECORD = msgspec.json.Decoder(Record)
_TOLD = msgspec.json.Decoder(_Told)
_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


def read_opening(body: bytes) -> Opening:
    """Never raises: what is wrong with a request, who reads all of it says."""
    try:
        return read_json(body.removeprefix(b"\xef\xbb\xbf"), _OPENING)
    except NotJson:
        return Opening()


def resolved(opening: Opening, records: Mapping[str, Record]) -> Said:
    """Everything that is said, by what is kept of the responses that the request builds on.

    Raises `NotFound` for what is not there, and `BadRequest` for a response that came to nothing.
    """
    previous_id = opening.previous_response_id
    earlier = _with_answer(_found(previous_id, records), previous_id) if previous_id else []
    return Said(earlier=earlier, new=[_dereferenced(item, records) for item in _as_items(opening.input)])


def response_id_of(item_id: str) -> str:
    """The response that an item is of; empty where the id is none of ours."""
    return f"resp_{item_id.partition('_')[2][:-_COUNT_DIGITS]}" if "_" in item_id else ""


def items_to_keep(said: Said, request_id: RequestId) -> list[msgspec.Raw]:
    """All of them as they are listed and gone on with: each with an id, a message's content in parts, no data."""
    ids = ItemIds(request_id, before=SENT_ITEMS)
    return [*said.earlier, *(msgspec.Raw(msgspec.json.encode(_in_full(item, ids))) for item in said.new)]


def encode_record(response: ResponseBody, items: list[msgspec.Raw]) -> bytes:
    """What is kept of a response as it stands."""
    return msgspec.json.encode(Record(msgspec.Raw(msgspec.json.encode(response)), items))


def decode_record(data: bytes) -> Record | None:
    """None for what another version may have written."""
    try:
        record = _RECORD.decode(data)
        _told(record)
    except msgspec.MsgspecError:
        return None
    return record


def cancelled(record: Record) -> Record:
    """The same, told to be stopped by its caller.  What was said of it stays."""
    response = {**_OBJECT.decode(record.response), "status": "cancelled", "error": None}
    return Record(msgspec.Raw(msgspec.json.encode(response)), record.items)


def encode_again(record: Record) -> bytes:
    return msgspec.json.encode(record)


def encode_items(record: Record, page: Page) -> bytes:
    """A part of the items that led to a response, as a list.  Raises `BadRequest`."""
    return encode_page(record.items, page, id_of=lambda item: _name(item).id or "")


def encode_deleted(response_id: str) -> bytes:
    return msgspec.json.encode(_Deleted(response_id))


def no_such_response(response_id: str) -> NotFound:
    """For one that was never there, that is another caller's, deleted or too old: nobody is told which."""
    return NotFound(
        f"Response with id {response_id[:80]!r} not found.",
        hint="A response is kept for the caller's key that asked for it, for a while, and unless `store` was false.",
    )


def _found(response_id: str, records: Mapping[str, Record]) -> Record:
    if response_id not in records:
        raise NotFound(
            f"Previous response with id {response_id[:80]!r} not found.",
            code="previous_response_not_found",
            hint="Send the whole history in `input`.",
        )
    return records[response_id]


def _with_answer(record: Record, response_id: str) -> list[msgspec.Raw]:
    told = _told(record)
    if told.status in _UNFINISHED:
        raise BadRequest(f"The response {response_id[:80]!r} is not complete yet.", hint="Wait until it is.")
    if told.status not in _GOES_ON:
        raise BadRequest(
            f"The response {response_id[:80]!r} is {told.status}, and there is no answer to go on with.",
            hint="Go on with the one before it.",
        )
    return [*record.items, *told.output]


def _dereferenced(item: msgspec.Raw, records: Mapping[str, Record]) -> msgspec.Raw:
    named = _reference(item)
    if named is None:
        return item
    record = records.get(response_id_of(named.id or ""))
    for each in [*record.items, *_told(record).output] if record is not None else ():
        if _name(each).id == named.id:
            return each
    raise NotFound(f"Item with id {(named.id or '')[:80]!r} not found.", hint="Send the item itself.")


def _in_full(item: msgspec.Raw, ids: ItemIds) -> dict[str, Any]:
    try:
        whole: dict[str, Any] = _without_data(read_json(bytes(item), _OBJECT))
    except NotJson as error:
        raise BadRequest(f"An item of `input` cannot be read: {error}.") from error
    except RecursionError as error:
        raise BadRequest("An item of `input` is nested too deeply.") from error
    kind = whole.setdefault("type", None) or "message"
    whole["type"] = kind
    whole["id"] = whole.get("id") or ids.new(_KINDS.get(str(kind), "item"))
    if kind == "message":
        whole.setdefault("status", "completed")
        if isinstance(whole.get("content"), str):
            whole["content"] = [_text_part(whole["content"], whole.get("role"))]
    return whole


def _text_part(text: str, role: object) -> dict[str, Any]:
    if role == "assistant":
        return {"type": _OF_OUTPUT, "text": text, "annotations": []}
    return {"type": "input_text", "text": text}


def _without_data(value: Any) -> Any:
    """The same without the bytes of files, wherever they stand."""
    if isinstance(value, list):
        return [_without_data(each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("file_data"):
        return _note(f"[a file: {value['filename']}]" if value.get("filename") else "[a file]")
    image = value.get("image_url")
    if _is_data(image.get("url") if isinstance(image, dict) else image):
        return _note("[a picture]")
    return {name: _without_data(each) for name, each in value.items()}


def _note(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text, "omitted": True}


def _is_data(value: object) -> bool:
    return isinstance(value, str) and value[:5].lower() == "data:"


def _as_items(sent: str | list[msgspec.Raw]) -> list[msgspec.Raw]:
    if isinstance(sent, str):
        return [msgspec.Raw(msgspec.json.encode({"role": "user", "content": sent}))]
    return sent


def _reference(item: msgspec.Raw) -> _Named | None:
    """What it names; None where it is no reference."""
    if memoryview(item).nbytes > REFERENCE_BYTES:
        return None
    named = _name(item)
    return named if named.type == "item_reference" else None


def _name(item: msgspec.Raw) -> _Named:
    """What an item is called; one that says so in no way that can be read is of no name."""
    try:
        return read_json(bytes(item), _NAMED)
    except NotJson:
        return _Named()


def _told(record: Record) -> _Told:
    return _TOLD.decode(record.response)
