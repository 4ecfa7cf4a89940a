"""What went wrong below us, in our own errors: the one place that knows aiohttp's exceptions."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from realcoze.errors import UpstreamFailed, UpstreamTimeout

_PROXY_HINT = "Check the `proxy` setting: its address, its port, its user name and password, and that it runs."
_TLS_HINT = "The certificate was refused and nothing was sent. Check the clock, the host name and any proxy in between."


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Translate what is raised inside; `host` names the other side in the message."""
    try:
        yield
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise UpstreamFailed(f"No secure connection to {host}.", code="upstream_tls", hint=_TLS_HINT) from error
    except ProxyTimeoutError as error:
        raise UpstreamTimeout(f"The proxy did not answer in time for {host}.", hint=_PROXY_HINT) from error
    except (ProxyConnectionError, ProxyError) as error:
        raise _unreachable(f"The proxy gave no connection to {host}: {error}", hint=_PROXY_HINT) from error
    except TimeoutError as error:
        raise UpstreamTimeout(f"{host} did not answer in time.") from error
    except aiohttp.ClientConnectorError as error:
        raise _unreachable(f"{host} cannot be reached: {error.strerror or type(error).__name__}.") from error
    except aiohttp.InvalidURL as error:
        raise _unreachable(f"{host} is no address that can be called.") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        said = f"{host} broke the connection off ({type(error).__name__})."
        raise UpstreamFailed(said, code="upstream_protocol") from error


def _unreachable(message: str, *, hint: str | None = None) -> UpstreamFailed:
    return UpstreamFailed(message, code="upstream_unreachable", hint=hint, retryable=True)
