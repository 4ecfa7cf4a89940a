"""The header fields of a request: found by their names, and what all faces read there."""

from collections.abc import Iterable

from starlette.types import Scope

from realcoze.domain.request import Thread
from realcoze.errors import BadRequest

THREAD_HEADERS = {"x-conversation-id": False, "x-openwebui-chat-id": True}
"""How a client names a conversation, and whether it always sends the whole history with it."""

THREAD_CHARACTERS = 200

_KEPT = "realcoze.fields"
"""Where a scope has its fields once they were asked for."""

_THREAD_FIELDS = tuple((name.encode(), is_whole) for name, is_whole in THREAD_HEADERS.items())


class Fields:
    """The values of each name, which is in lower case.

    Starlette's `Headers` (1.10) goes through all of them for each name that it is asked for, and most are not there.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in raw:
            if name in self._values:
                self._values[name].append(value)
            else:
                self._values[name] = [value]

    def all(self, name: bytes) -> list[str]:
        """Its values, in their order."""
        values = self._values.get(name)
        return [value.decode("latin-1") for value in values] if values else []

    def first(self, name: bytes) -> str:
        """The first of them; empty where there is none."""
        values = self._values.get(name)
        return values[0].decode("latin-1") if values else ""


def fields_of(scope: Scope) -> Fields:
    """Those of one request, looked through once."""
    known: Fields | None = scope.get(_KEPT)
    if known is None:
        known = scope[_KEPT] = Fields(scope["headers"])
    return known


def presented_keys(fields: Fields) -> list[str]:
    """Every key that a request carries, whichever way."""
    keys = fields.all(b"x-api-key")
    for value in fields.all(b"authorization"):
        scheme, _, key = value.partition(" ")
        keys.append(key.strip() if scheme.lower() == "bearer" else "")
    return keys


def thread_of(fields: Fields) -> Thread | None:
    """The conversation that a request belongs to by its client's name for it.  Raises `BadRequest`."""
    for name, is_whole in _THREAD_FIELDS:
        thread_id = fields.first(name)
        if len(thread_id) > THREAD_CHARACTERS:
            raise BadRequest(f"The header {name.decode()} has more than {THREAD_CHARACTERS} characters.")
        if thread_id:
            return Thread(id=thread_id, is_whole=is_whole)
    return None
