"""The bots as models.  Nobody knows when a bot was made, so each has the beginning of time for it."""

from collections.abc import Sequence

import msgspec

from realcoze.domain.ids import BotName

MOST = 1_000
"""The most that one page lists."""

USUAL = 20
"""What one lists unless told."""

_UNKNOWN = "1970-01-01T00:00:00Z"


class _Model(msgspec.Struct, tag_field="type", tag="model"):
    id: str
    display_name: str
    created_at: str = _UNKNOWN


class _Page(msgspec.Struct):
    data: list[_Model]
    has_more: bool
    first_id: str | None
    last_id: str | None


MODELS, MODEL = _Page, _Model
"""What the answers are, for who describes this API."""


def decode_limit(text: str) -> int:
    """How many models a page may have; what is no number is none given."""
    return min(max(int(text), 1), MOST) if text.isdecimal() and len(text) < 10 else USUAL


def encode_model(name: BotName) -> bytes:
    """One model."""
    return msgspec.json.encode(_Model(name, name))


def encode_models(names: Sequence[BotName], *, limit: int, after: str = "", before: str = "") -> bytes:
    """A page of models: the first, or those after or before the name of one."""
    if after in names:
        names = names[names.index(BotName(after)) + 1 :]
    if before in names:
        names = names[: names.index(BotName(before))]
        page = names[-limit:]
    else:
        page = names[:limit]
    first, last = (page[0], page[-1]) if page else (None, None)
    models = [_Model(name, name) for name in page]
    return msgspec.json.encode(_Page(models, len(page) < len(names), first, last))
