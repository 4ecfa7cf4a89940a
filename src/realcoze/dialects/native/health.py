"""`GET /health`: that we are there, which bots are served, and how each upstream stands.

Source: docs/native-api.md, "Health".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Health(msgspec.Struct):
    """`upstreams` by the names of the settings; what stands there depends on their kind."""

    status: str
    version: str
    bots: Sequence[str]
    upstreams: Mapping[str, Any]


def encode_health(version: str, bots: Sequence[str], upstreams: Mapping[str, Any]) -> bytes:
    """The body of an answer."""
    return msgspec.json.encode(Health("ok", version, bots, upstreams))
