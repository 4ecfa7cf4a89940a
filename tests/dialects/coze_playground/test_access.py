from urllib.parse import parse_qsl, urlsplit

import pytest

from realcoze.dialects.coze_playground.access import DEVICE_ID_NOISE_BITS, access_key, device_id, socket_url
from realcoze.dialects.coze_playground.launch import Launch

KEY = "e0e931d0c0c689f3aed0cfd0fe88f5cf"
APP_KEY = "0123456789abcdef0123456789abcdef"


def test_vector_access_key() -> None:
    assert access_key(product_id="1234", app_key=APP_KEY, device_id="987654321") == KEY


def test_weakness_02_every_call_hashes_afresh() -> None:
    keys = {access_key(product_id="1234", app_key=APP_KEY, device_id="987654321") for _ in range(3)}
    assert keys == {KEY}
    assert access_key(product_id="1234", app_key=APP_KEY, device_id="987654322") != KEY


@pytest.mark.parametrize(
    ("now_ms", "noise", "expected"),
    [
        (0, 0, "0"),
        (0, (1 << 28) - 1, "268435455"),
        (5, 3, "6"),
        (1_708_900_000_000, 0, "496983808"),  # the low 32 bits are 3797983488, so negative in JavaScript
        (1_708_900_000_000, 1, "496983807"),
        (1 << 31, 0, "2147483648"),
        ((1 << 31) - 1, 0, "2147483647"),
        (1 << 32, 7, "7"),
    ],
)
def test_weakness_27_a_device_id_is_made_of_its_arguments_alone(now_ms: int, noise: int, expected: str) -> None:
    assert DEVICE_ID_NOISE_BITS == 28
    assert device_id(now_ms=now_ms, noise=noise) == expected


def test_the_address_of_the_socket_has_every_parameter_in_the_order_of_the_page() -> None:
    launch = Launch(app_key=APP_KEY, app_id="513695", product_id="1234", domain="wss://frontier.example")
    assert socket_url(launch, "987654321") == (
        "wss://frontier.example/ws/v2?device_platform=web&version_code=10000"
        f"&access_key={KEY}&fpid=1234&aid=513695&device_id=987654321"
        "&xsack=0&xaack=0&xsqos=0&qos_sdk_version=2&language=zh-CN"
    )


def test_an_address_is_not_disturbed_by_odd_launch_data() -> None:
    launch = Launch(app_key="k", app_id="1&x=2", product_id="é", domain="ws://127.0.0.1:8082/")
    parts = urlsplit(socket_url(launch, "1"))
    assert (parts.scheme, parts.netloc, parts.path) == ("ws", "127.0.0.1:8082", "/ws/v2")
    query = dict(parse_qsl(parts.query))
    assert (query["aid"], query["fpid"], len(query)) == ("1&x=2", "é", 11)
