"""Who we are on the socket: device id, access key, and the socket's address.

Source: docs/protocol/playground-2024.md §3 and §4.1.
"""

import hashlib
from urllib.parse import urlencode

from realcoze.dialects.coze_playground.launch import Launch

SALT = "f8a69f1719916z"
"""The same for every Frontier client; no secret."""

DEVICE_ID_NOISE_BITS = 28


def device_id(*, now_ms: int, noise: int) -> str:
    """A device id as Coze's page rolls it: the low 32 bits of the clock, XOR 28 random bits."""
    mixed = (now_ms ^ noise) & 0xFFFFFFFF
    return str(abs(mixed - (1 << 32) if mixed >> 31 else mixed))


def access_key(*, product_id: str, app_key: str, device_id: str) -> str:
    """What the server checks against the `device_id` of the socket's address: 32 hex digits."""
    plain = f"{product_id}{app_key}{device_id}{SALT}"
    return hashlib.md5(plain.encode(), usedforsecurity=False).hexdigest()


def socket_url(launch: Launch, device_id: str) -> str:
    """Where to open the websocket; the domain of the launch data carries its scheme."""
    key = access_key(product_id=launch.product_id, app_key=launch.app_key, device_id=device_id)
    query = urlencode(
        {
            "device_platform": "web",
            "version_code": "10000",
            "access_key": key,
            "fpid": launch.product_id,
            "aid": launch.app_id,
            "device_id": device_id,
            "xsack": "0",
            "xaack": "0",
            "xsqos": "0",
            "qos_sdk_version": "2",
            "language": "zh-CN",
        }
    )
    return f"{launch.domain.rstrip('/')}/ws/v2?{query}"
