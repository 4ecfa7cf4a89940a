"""The three APIs that we speak over HTTP, and which statuses each has beside 200.

Which those are and what they mean is asked of the functions that answer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import msgspec

from realcoze import errors
from realcoze.app.description.call import Api
from realcoze.dialects import openai_wire, statuses
from realcoze.dialects.anthropic_messages import failure as anthropic
from realcoze.dialects.native import failure as native
from realcoze.errors import RealcozeError

DOOR: Mapping[int, str] = {
    400: "`bad_http`: The request is no HTTP, and the connection is closed.",
    403: "`wrong_origin`: A page of another site may not call this server.",
    404: "`no_such_path`: There is no such path.",
    405: "`method_not_allowed`: The path has other methods, which the header `allow` names.",
    408: "`bad_http`: The request came too slowly.",
    421: "`wrong_host`: The server does not answer to this host name.",
    431: "`bad_http`: The request line or the headers are too large.",
}
"""What is refused before any API is asked, in the shape of the one that was called."""

CLOSING = frozenset({400, 408, 431})
"""Those of them that `connection.py` gives, which knows no API: the body is `Closing` then."""


class _BadHttp(msgspec.Struct, tag_field="code", tag="bad_http"):
    message: str


class Closing(msgspec.Struct):
    """The body of the last answer on a connection."""

    error: _BadHttp


LOCAL = frozenset({400, 401, 403, 404, 405, 408, 413, 421, 431, 500})
"""Statuses of what is answered without asking Coze."""


def _statuses(status_of: Callable[[RealcozeError], int]) -> Mapping[int, str]:
    """Each status that `status_of` gives any error, and those of the door, with what they say."""
    told: defaultdict[int, list[str]] = defaultdict(list)
    for error in _each():
        line = f"`{error.code}`: {_about(type(error))}"
        if line not in told[status_of(error)]:
            told[status_of(error)].append(line)
    for status, line in DOOR.items():
        told[status].append(line)
    return {status: "\n\n".join(told[status]) for status in sorted(told)}


def _each() -> Iterator[RealcozeError]:
    """One error of each class, and those whose code or number alone tells their status."""
    for kind in _leaves(RealcozeError):
        yield kind("")
    yield errors.UpstreamDenied("", code="upstream_blocked")
    yield errors.QuotaExhausted("", upstream_code=4028)


def _leaves(kind: type[RealcozeError]) -> Iterator[type[RealcozeError]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from _leaves(each)


def _about(kind: type[RealcozeError]) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


NATIVE = Api(
    name="native",
    about="Our own: docs/native-api.md.",
    failure=native.FAILURE,
    statuses=_statuses(statuses.status_of),
)
OPENAI = Api(
    name="OpenAI",
    about="As OpenAI's clients call it: docs/openai-api.md.",
    failure=openai_wire.FAILURE,
    statuses=_statuses(statuses.status_of),
)
ANTHROPIC = Api(
    name="Anthropic",
    about="As Anthropic's clients call it: docs/anthropic-api.md.",
    failure=anthropic.FAILURE,
    statuses=_statuses(anthropic.status_of),
)
