"""What one event of a stream says, of chats and of workflows alike."""

from typing import TypeVar

import msgspec

from realcoze.dialects.json_text import NotJson, read_json
from realcoze.errors import UpstreamFailed
from realcoze.framing.sse import ServerSentEvent

T = TypeVar("T")

_ANYTHING = msgspec.json.Decoder()


def read_payload(event: ServerSentEvent, decoder: msgspec.json.Decoder[T]) -> T:
    """The data of an event.  Raises `UpstreamFailed` (`upstream_protocol`)."""
    try:
        return decoder.decode(event.data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _read_broken(event, decoder)


def _read_broken(event: ServerSentEvent, decoder: msgspec.json.Decoder[T]) -> T:
    """Of what is no JSON as it stands, that which can be made out."""
    try:
        return read_json(event.text, decoder)
    except NotJson as error:
        raise UpstreamFailed(f"An event {event.event} cannot be read: {error}.", code="upstream_protocol") from error


def is_whole(data: str) -> bool:
    """One whole JSON value, or the unquoted marker of the end."""
    if data == "[DONE]":
        return True
    try:
        read_json(data, _ANYTHING)
    except NotJson:
        return False
    return True
