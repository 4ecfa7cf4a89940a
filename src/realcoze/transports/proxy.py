"""Through which connector bytes leave: directly, or by a SOCKS or HTTP proxy.

Every proxy is asked for a tunnel (CONNECT), for plain HTTP destinations too, so that one path serves
API calls and websockets.  `socks5://` and `socks4://` resolve names here, `socks5h://`, `socks4a://`
and `socks://` at the proxy; python-socks (3.2) knows the first two spellings only.
"""

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class _Proxy:
    host: str
    port: int
    type: ProxyType
    resolves_names: bool
    user: str = field(repr=False)
    password: str = field(repr=False)


def connector(proxy: str | None) -> aiohttp.BaseConnector:
    """A connector for one client session.  Raises `Misconfigured`, without the proxy's password."""
    if not proxy:
        return aiohttp.TCPConnector(limit=0)
    known = _parsed(proxy)
    return ProxyConnector(
        host=known.host,
        port=known.port,
        proxy_type=known.type,
        username=known.user,
        password=known.password,
        rdns=known.resolves_names,
        limit=0,
    )


def check_proxy(proxy: str | None) -> None:
    """Raise `Misconfigured` for a setting that `connector` would refuse."""
    if proxy:
        _parsed(proxy)


def _parsed(proxy: str) -> _Proxy:
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        raise _refused("is no address") from None
    known = _SCHEMES.get(parts.scheme.lower())
    if known is None or not host or not port:
        raise _refused(f"has the scheme {parts.scheme or '(none)'} and the host {host or '(none)'}")
    proxy_type, resolves_names = known
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    _check_credentials(proxy_type, user, password)
    return _Proxy(host, port, proxy_type, resolves_names, user, password)


def _check_credentials(proxy_type: ProxyType, user: str, password: str) -> None:
    """Refuse what the protocol cannot carry, before python-socks meets it in the middle of a turn."""
    if proxy_type is ProxyType.HTTP:
        fits = ":" not in user and max(map(ord, user + password), default=0) < 256
    elif proxy_type is ProxyType.SOCKS4:
        fits = user.isascii() and "\0" not in user
    else:
        fits = max(len(user.encode()), len(password.encode())) < 256
    if not fits:
        raise _refused(f"has a user name or password that {proxy_type.name} cannot carry")


def _refused(what: str) -> Misconfigured:
    return Misconfigured(
        f"The proxy setting {what}.",
        hint=f"Write SCHEME://[USER:PASSWORD@]HOST:PORT with one of {', '.join(_SCHEMES)}.",
    )
