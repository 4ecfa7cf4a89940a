"""Lists of OpenAI's API: what part of one is asked for, and the part.

Source: openai 3, types/file_list_params.py and types/responses/input_item_list_params.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from realcoze.errors import BadRequest

T = TypeVar("T")

DIGITS = 9
"""More has no limit that is one; Python takes long to read a number of many."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` of a list, from the one after the id `after` on."""

    limit: int
    is_newest_first: bool = True
    after: str = ""


class _Listed(msgspec.Struct):
    data: Sequence[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


PAGE = _Listed
"""What an answer is, for who describes these APIs."""


def read_page(query: Mapping[str, str], *, usual: int, most: int) -> Page:
    """What the query of a request asks for; `usual` is the limit where it names none.  Raises `BadRequest`."""
    limit, order = query.get("limit", str(usual)), query.get("order", "desc")
    if not (limit.isdecimal() and len(limit) <= DIGITS and 1 <= int(limit) <= most):
        raise BadRequest(f"`limit` is a number from 1 to {most}.")
    if order not in ("asc", "desc"):
        raise BadRequest("`order` is asc or desc.")
    return Page(limit=int(limit), is_newest_first=order == "desc", after=query.get("after", ""))


def encode_page(oldest_first: Sequence[T], page: Page, *, id_of: Callable[[T], str]) -> bytes:
    """The body that answers.  Raises `BadRequest` where the list has nothing of the id that is to be before it."""
    listed = list(reversed(oldest_first)) if page.is_newest_first else list(oldest_first)
    if page.after:
        places = [place for place, each in enumerate(listed) if id_of(each) == page.after]
        if not places:
            raise BadRequest("`after` names nothing of this list.", hint="Begin again without it.")
        listed = listed[places[0] + 1 :]
    shown = listed[: page.limit]
    first, last = (id_of(shown[0]), id_of(shown[-1])) if shown else (None, None)
    return msgspec.json.encode(_Listed(shown, first, last, len(listed) > len(shown)))
