import pytest

from realcoze.app.address import callable_at, check_names, in_url, port_of
from realcoze.errors import Misconfigured


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


@pytest.mark.parametrize("text", ["", "-1", "65536", "8080x", "８０"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="a number from 0 to 65535"):
        port_of(text)


def test_a_host_and_an_origin_are_as_requests_have_them() -> None:
    check_names(["*", "x.example", "::1", "my_host"], ["https://x.example", "http://x.example:80/", "null", "file://"])
    wrong = ("x.example:80", "1.2.3.4:80", "cafe:80", "[::1", "[::1]", ":", "x.example.", "bücher.example", "")
    for hosts, origins in (*(([host], []) for host in wrong), ([], ["x.example"]), ([], ["*"])):
        with pytest.raises(ValueError, match="write it like"):
            check_names(hosts, origins)
