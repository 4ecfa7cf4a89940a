import asyncio
import socket
import ssl

import aiohttp
import pytest
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError
from yarl import URL

from realcoze.errors import Misconfigured, UpstreamFailed, UpstreamTimeout
from realcoze.transports.failure import host_of, translated


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.coze.com/api?key=s3cret", "www.coze.com"),
        ("ws://user:s3cret@127.0.0.1:80/ws", "127.0.0.1"),
        ("https://[::1]:8080/", "::1"),
        ("", "(no host)"),
        ("/path", "(no host)"),
        ("ws://[bad", "(no host)"),
    ],
)
def test_of_an_address_only_the_host_is_told(url: str, host: str) -> None:
    assert host_of(url) == host


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


NO_NAME = socket.gaierror(-2, "Name or service not known")
BAD_CERTIFICATE = ssl.SSLCertVerificationError(1, "self-signed certificate")


@pytest.mark.parametrize(
    ("raised", "expected", "code", "message"),
    [
        (ssl.SSLError(1, "x"), UpstreamFailed, "upstream_tls", "No secure connection to coze."),
        (
            _caused(aiohttp.ClientOSError(1, "x"), BAD_CERTIFICATE),
            UpstreamFailed,
            "upstream_tls",
            "No secure connection to coze.",
        ),
        (ProxyTimeoutError("x"), UpstreamTimeout, "upstream_timeout", "The proxy did not answer in time for coze."),
        (
            ProxyConnectionError("refused"),
            UpstreamFailed,
            "upstream_unreachable",
            "The proxy gave no connection to coze: refused",
        ),
        (ProxyError("407"), UpstreamFailed, "upstream_unreachable", "The proxy gave no connection to coze: 407"),
        (
            asyncio.IncompleteReadError(b"", 2),
            UpstreamFailed,
            "upstream_unreachable",
            "The proxy hung up when asked for coze.",
        ),
        (TimeoutError(), UpstreamTimeout, "upstream_timeout", "coze did not answer in time."),
        (aiohttp.ServerTimeoutError(), UpstreamTimeout, "upstream_timeout", "coze did not answer in time."),
        (
            _caused(aiohttp.ClientOSError(-2, "x"), NO_NAME),
            UpstreamFailed,
            "upstream_unreachable",
            "coze cannot be reached: Name or service not known.",
        ),
        (
            aiohttp.InvalidURL("x"),
            UpstreamFailed,
            "upstream_unreachable",
            "coze is no address that can be called.",
        ),
        (
            aiohttp.NonHttpUrlClientError(URL("ftp://x")),
            UpstreamFailed,
            "upstream_unreachable",
            "coze is no address that can be called.",
        ),
        (
            UnicodeError("label too long"),
            UpstreamFailed,
            "upstream_unreachable",
            "coze is no address that can be called.",
        ),
        (
            aiohttp.ServerDisconnectedError(),
            UpstreamFailed,
            "upstream_protocol",
            "coze broke the connection off (ServerDisconnectedError).",
        ),
        (
            ConnectionResetError(),
            UpstreamFailed,
            "upstream_protocol",
            "coze broke the connection off (ConnectionResetError).",
        ),
        (
            aiohttp.ClientPayloadError("x"),
            UpstreamFailed,
            "upstream_protocol",
            "coze broke the connection off (ClientPayloadError).",
        ),
    ],
)
def test_each_foreign_error_is_translated(
    raised: Exception, expected: type[UpstreamFailed], code: str, message: str
) -> None:
    with pytest.raises(expected) as caught, translated("coze"):
        raise raised
    assert caught.value.code == code
    assert caught.value.message == message
    assert caught.value.__cause__ is raised
    assert caught.value.retryable is (code == "upstream_unreachable")


@pytest.mark.parametrize("raised", [Misconfigured("mine"), ZeroDivisionError(), KeyError("x"), OSError(5, "disk")])
def test_what_is_not_the_networks_goes_through(raised: Exception) -> None:
    with pytest.raises(type(raised)) as caught, translated("coze"):
        raise raised
    assert caught.value is raised


def test_when_all_is_well_nothing_happens() -> None:
    with translated("coze"):
        pass
