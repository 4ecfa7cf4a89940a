"""Through which connector bytes leave: directly, or by a SOCKS or HTTP proxy.

Every proxy is asked for a tunnel (CONNECT), for plain HTTP destinations too, so that one path serves
API calls and websockets.  `socks5://` and `socks4://` resolve names here, `socks5h://`, `socks4a://`
and `socks://` at the proxy; python-socks (3.2) knows the first two spellings only.
"""

from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp_socks import ProxyConnector, ProxyType

from realcoze.errors import Misconfigured

_SCHEMES = {
    "http": (ProxyType.HTTP, True),
    "socks": (ProxyType.SOCKS5, True),
    "socks5": (ProxyType.SOCKS5, False),
    "socks5h": (ProxyType.SOCKS5, True),
    "socks4": (ProxyType.SOCKS4, False),
    "socks4a": (ProxyType.SOCKS4, True),
}


def connector(proxy: str | None) -> aiohttp.BaseConnector:
    """A connector for one client session.  Raises `Misconfigured`, without the proxy's password."""
    if not proxy:
        return aiohttp.TCPConnector(limit=0)
    parts = urlsplit(proxy)
    known = _SCHEMES.get(parts.scheme.lower())
    if known is None or not parts.hostname or not _port(proxy):
        raise Misconfigured(
            f"The proxy setting has the scheme {parts.scheme or '(none)'} and the host {parts.hostname or '(none)'}.",
            hint=f"Write SCHEME://[USER:PASSWORD@]HOST:PORT with one of {', '.join(_SCHEMES)}.",
        )
    proxy_type, rdns = known
    return ProxyConnector(
        host=parts.hostname,
        port=_port(proxy),
        proxy_type=proxy_type,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        rdns=rdns,
        limit=0,
    )


def _port(proxy: str) -> int:
    try:
        return urlsplit(proxy).port or 0
    except ValueError:
        return 0
