"""What is kept of a response: it itself, and all that was said before it, as items.

So a client can ask for it again, go on with it without the history, and name one of its items in the stead of
sending it (`building.py`).  An item's id has its response's within it (`ItemIds`), and is found by that.

Only words are kept: of data that came within a request there remains a note.  The instructions of a request
are its own, and its successors know nothing of them.

Source: openai 3, types/responses/response_item.py and response_item_list.py.
"""

from typing import Any

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.dialects.openai_pages import Page, encode_page
from realcoze.dialects.openai_responses.reply import ItemIds, ResponseBody
from realcoze.domain.ids import RequestId
from realcoze.errors import BadRequest, NotFound

SENT_ITEMS = 0x8000
"""From here on the items of a request are counted; below it those of its response."""

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
    def output(self) -> list[msgspec.Raw]:
        """The items of the response itself."""
        return _told(self).output

    @property
    def is_of_background(self) -> bool:
        return _told(self).background


class _Told(msgspec.Struct):
    """What of a response says how it can be gone on with."""

    status: str
    background: bool
    output: list[msgspec.Raw]


class Name(msgspec.Struct):
    """How an item is called."""

    type: str | None = None
    id: str | None = None


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

_NAME = msgspec.json.Decoder(Name)
_RECORD = msgspec.json.Decoder(Record)
_TOLD = msgspec.json.Decoder(_Told)
_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


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


def name_of(item: msgspec.Raw) -> Name:
    """What an item is called; one that says so in no way that can be read is of no name."""
    try:
        return read_json(bytes(item), _NAME)
    except NotJson:
        return Name()


def with_answer(record: Record, response_id: str) -> list[msgspec.Raw]:
    """All that was said up to a response, and it.  Raises `BadRequest` for one that is no answer to go on with."""
    told = _told(record)
    if told.status in _UNFINISHED:
        raise BadRequest(f"The response {response_id[:80]!r} is not complete yet.", hint="Wait until it is.")
    if told.status not in _GOES_ON:
        raise BadRequest(
            f"The response {response_id[:80]!r} is {told.status}, and there is no answer to go on with.",
            hint="Go on with the one before it.",
        )
    return [*record.items, *told.output]


def cancelled(record: Record) -> Record:
    """The same, told to be stopped by its caller.  What was said of it stays."""
    response = {**_OBJECT.decode(record.response), "status": "cancelled", "error": None}
    return Record(msgspec.Raw(msgspec.json.encode(response)), record.items)


def encode_again(record: Record) -> bytes:
    return msgspec.json.encode(record)


def encode_items(record: Record, page: Page) -> bytes:
    """A part of the items that led to a response, as a list.  Raises `BadRequest`."""
    return encode_page(record.items, page, id_of=lambda item: name_of(item).id or "")


def encode_deleted(response_id: str) -> bytes:
    return msgspec.json.encode(_Deleted(response_id))


def no_such_response(response_id: str) -> NotFound:
    """For one that was never there, that is another caller's, deleted or too old: nobody is told which."""
    return NotFound(
        f"Response with id {response_id[:80]!r} not found.",
        hint="A response is kept for the caller's key that asked for it, for a while, and unless `store` was false.",
    )


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


def _told(record: Record) -> _Told:
    return _TOLD.decode(record.response)
