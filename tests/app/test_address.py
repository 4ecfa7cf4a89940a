import pytest

from realcoze.app.address import callable_at, in_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "127.0.0.1:80"),
        ("0.0.0.0", "127.0.0.1:80"),
        ("::", "[::1]:80"),
        ("::1", "[::1]:80"),
        ("bots.example.org", "bots.example.org:80"),
    ],
)
def test_an_address_that_stands_for_all_is_called_on_loopback(host: str, url: str) -> None:
    assert callable_at(host, 80) == url


def test_only_the_newer_kind_of_address_has_brackets() -> None:
    assert (in_url("::"), in_url("127.0.0.1")) == ("[::]", "127.0.0.1")
