"""The list of models: the bots, by the names that they are asked for with."""

from collections.abc import Iterable

import msgspec

from realcoze.domain.ids import BotName

OWNER = "coze"
CREATED = 1_700_000_000
"""When a bot was made nobody tells; every program wants a number that does not change."""


class _Model(msgspec.Struct):
    id: str
    object: str = "model"
    created: int = CREATED
    owned_by: str = OWNER


class _List(msgspec.Struct):
    object: str
    data: list[_Model]


MODELS, MODEL = _List, _Model
"""What the answers are, for who describes this API."""


def encode_models(names: Iterable[BotName]) -> bytes:
    """The body of the whole list."""
    return msgspec.json.encode(_List("list", [_Model(name) for name in names]))


def encode_model(name: BotName) -> bytes:
    """The body of one."""
    return msgspec.json.encode(_Model(name))
