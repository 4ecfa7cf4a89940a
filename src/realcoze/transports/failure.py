"""What went wrong below us, in our own errors: the one place that knows aiohttp's exceptions.

Behind a proxy the libraries are less exact (aiohttp 3.14, aiohttp-socks 0.12, python-socks 3.2): what
fails there comes out of aiohttp as a plain `ClientOSError` whose cause is the real one, and a SOCKS
proxy that hangs up as `asyncio.IncompleteReadError`, an EOFError that nobody translates.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from realcoze.errors import UpstreamFailed, UpstreamTimeout

_PROXY_HINT = "Check the `proxy` setting: its address, its port, its user name and password, and that it runs."
_TLS_HINT = "The certificate was refused and nothing was sent. Check the clock, the host name and any proxy in between."


@lru_cache(maxsize=128)
def host_of(url: str) -> str:
    """The part of an address that may stand in a message: no path, no query, no user."""
    try:
        return urlsplit(url).hostname or "(no host)"
    except ValueError:
        return "(no host)"


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Translate what is raised inside; `host` names the other side in the message."""
    try:
        yield
    except Exception as error:
        raise_translated(error, host)
        raise


def raise_translated(error: Exception, host: str) -> None:
    """Raise what `error` means; one that is not the transport's is left to its caller."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            raise _insecure(host) from error
        case ProxyTimeoutError():
            raise UpstreamTimeout(f"The proxy did not answer in time for {host}.", hint=_PROXY_HINT) from error
        case ProxyConnectionError() | ProxyError():
            raise _unreachable(f"The proxy gave no connection to {host}: {error}", hint=_PROXY_HINT) from error
        case EOFError():
            raise _unreachable(f"The proxy hung up when asked for {host}.", hint=_PROXY_HINT) from error
        case TimeoutError():
            raise UpstreamTimeout(f"{host} did not answer in time.") from error
        case aiohttp.ClientConnectorError():
            raise _unreachable(f"{host} cannot be reached: {error.strerror or type(error).__name__}.") from error
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | UnicodeError():
            raise _unreachable(f"{host} is no address that can be called.") from error
        case aiohttp.ClientError() | ConnectionError():
            raise _broken_off(host, error) from error


def _broken_off(host: str, error: Exception) -> UpstreamFailed:
    if isinstance(error.__cause__, ssl.SSLError):
        return _insecure(host)
    if isinstance(error.__cause__, socket.gaierror):
        return _unreachable(f"{host} cannot be reached: {error.__cause__.strerror}.")
    return UpstreamFailed(f"{host} broke the connection off ({type(error).__name__}).", code="upstream_protocol")


def _insecure(host: str) -> UpstreamFailed:
    return UpstreamFailed(f"No secure connection to {host}.", code="upstream_tls", hint=_TLS_HINT)


def _unreachable(message: str, *, hint: str | None = None) -> UpstreamFailed:
    return UpstreamFailed(message, code="upstream_unreachable", hint=hint, retryable=True)
