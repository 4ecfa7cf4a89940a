"""Launch: what the page asks first, and what opens the websocket.

Source: docs/protocol/playground-2024.md §2.
"""

import msgspec

from realcoze.dialects.coze_playground.envelope import Envelope, decode_answer, encode_success
from realcoze.errors import UpstreamFailed

PATH = "/api/playground/user/launch"
REQUEST = b"{}"


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """The channel of bot debugging; all texts, `domain` with its scheme (`wss://…`)."""

    app_key: str = msgspec.field(name="frontier_app_key")
    app_id: str = msgspec.field(name="frontier_app_id")
    product_id: str = msgspec.field(name="frontier_product_id")
    domain: str = msgspec.field(name="frontier_domain")
    access_key: str = msgspec.field(name="frontier_access_key", default="")
    message_service_id: str = ""


class _Data(msgspec.Struct):
    config: Launch
    type: int = 1


_DECODER = msgspec.json.Decoder(Envelope[_Data])


def decode_launch(status: int, body: bytes) -> Launch:
    """The launch data in an answer.  Raises what `decode_answer` raises."""
    data = decode_answer(status, body, _DECODER)
    if data is None:
        raise UpstreamFailed("Coze's launch answer has no data.", code="upstream_protocol")
    return data.config


def encode_launch(launch: Launch) -> bytes:
    """The answer of a server."""
    return encode_success(_Data(config=launch))
