"""One method of one path, as the description tells it.

A body is told by the type that it is read by or written from; `document.py` makes a schema of it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

JSON = "application/json"
SSE = "text/event-stream"

Bytes = Annotated[str, msgspec.Meta(extra_json_schema={"format": "binary"})]
"""A file, as it is."""


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """An API that we speak: its name, what the body of an error is, and what each of its statuses means."""

    name: str
    about: str
    failure: Any
    statuses: Mapping[int, str]


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a request beside its body; `type` is what may stand there."""

    name: str
    place: Literal["header", "path", "query"]
    about: str
    type: Any = str


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A body under a media type; `examples` are such that are answered, by whatever bot comes first.

    Of a stream of server-sent events `events` are the types of their data, and `last` is what the last one says in
    place of JSON.  Of a stream of lines `type` is that of each.
    """

    media: str = JSON
    type: Any = str
    events: tuple[Any, ...] = ()
    last: str = ""
    examples: Mapping[str, Any] = {}


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A row.  Who asks it needs the key if the server has one, unless `is_open`.

    `apis` are those whose clients call it, of which more than one share a few paths.  `errors` are the statuses
    that it can have beside 200; None for all that its APIs have.
    """

    method: str
    path: str
    summary: str
    apis: tuple[Api, ...]
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: tuple[Content, ...] = ()
    answer: tuple[Content, ...] = ()
    headers: Mapping[str, str] = {}
    errors: frozenset[int] | None = None
    is_open: bool = False


def whole_and_streamed(type_: Any, **members: Any) -> Content:
    """The body of a question, with it as an example that is answered whole, and one that is streamed."""
    return Content(type=type_, examples={"whole": members, "streamed": {**members, "stream": True}})


IGNORED: Mapping[str, str] = {
    "x-realcoze-ignored": "What of the request was passed over, though it would change the answer"
}
"""The header of answers that pass over members of their request."""

THREAD = (
    Parameter(
        name="x-conversation-id",
        place="header",
        about="Any name of the conversation, for bots that go on with it",
        type=Annotated[str, msgspec.Meta(max_length=200)],
    ),
    Parameter(
        name="x-openwebui-chat-id",
        place="header",
        about="The same, from a client that sends the whole history with it",
        type=Annotated[str, msgspec.Meta(max_length=200)],
    ),
)
"""How a client names the conversation that a turn belongs to."""
