"""Fetching what a caller's URL names, from where anybody could get it: the port `Fetches`.

`domain/urls.py` decides, this obeys: for a connection a name is resolved once, all its addresses are checked, and one
of them is connected to, with the name in TLS and in `Host`.  Each redirect begins anew, and so does the second attempt
that aiohttp makes where a host hangs up.  There are no cookies, no credentials, no compression and no kept connections,
and neither `proxy` nor the environment counts: a proxy would resolve by itself.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from realcoze.domain.ids import CallerId
from realcoze.domain.media import size_in_words
from realcoze.domain.ports import Fetched
from realcoze.domain.urls import PORT, Url, is_public, read_url, refused
from realcoze.errors import BadRequest, TooLarge
from realcoze.shares import Shares
from realcoze.transports.http import ending_with_connection, more_of

REDIRECTS = 3
REDIRECTING = frozenset({301, 302, 303, 307, 308})

AT_ONCE = 8
"""Files that are fetched, or held by who asked for them; each may be as large as the limit says."""

AT_ONCE_OF_ONE = 4
"""Of them for one caller: who uploads slowly what was fetched leaves the others some."""

SocketAddress = tuple[str, int]
Resolve = Callable[[str], Awaitable[Sequence[SocketAddress]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`total_s` is for all of it, from the first name that is looked up to the last byte; `wait_s` for its turn."""

    size_bytes: int = 20 << 20
    total_s: float = 10.0
    wait_s: float = 30.0


async def look_up(host: str) -> list[SocketAddress]:
    """Every address of a name.  Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    return [(str(address[0]), PORT) for *_, address in found]


class Fetcher:
    """Made by `open_fetcher`."""

    def __init__(self, session: aiohttp.ClientSession, limits: Limits) -> None:
        self._session = session
        self._limits = limits
        self._places = Shares(
            AT_ONCE,
            share=AT_ONCE_OF_ONE,
            wait_s=limits.wait_s,
            what="files are being fetched or passed on",
            hint="Try again shortly, or upload the files.",
        )

    @asynccontextmanager
    async def fetched(self, url: str, *, caller: CallerId) -> AsyncIterator[Fetched]:
        """See `Fetches`.  Waits for a place."""
        asked = read_url(url)
        async with self._places.place(caller):
            yield await self._fetch(asked)

    async def _fetch(self, url: Url) -> Fetched:
        try:
            with anyio.fail_after(self._limits.total_s):
                for _ in range(1 + REDIRECTS):
                    found = await self._ask(url)
                    if isinstance(found, bytes):
                        return Fetched(data=found, name=url.name)
                    url = found
        except TimeoutError as error:
            raise _failed(f"was not answered within {self._limits.total_s:g} seconds", retryable=True) from error
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise _failed("leads to a host whose certificate, or TLS, is not to be trusted") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _failed(f"was not answered ({type(error).__name__})", retryable=True) from error
        raise _failed(f"is redirected more than {REDIRECTS} times")

    async def _ask(self, url: Url) -> bytes | Url:
        """What stands there, or where it stands instead."""
        async with self._session.get(_written(url), allow_redirects=False) as response:
            status, headers = response.status, response.headers
            if status in REDIRECTING and "Location" in headers:
                return url.redirected(headers["Location"])
            if status != 200:
                raise _failed(f"was answered with {status}", retryable=status >= 500)
            if headers.get("Content-Encoding", "identity").lower() != "identity":
                raise _failed("was answered with a compressed body, which was not asked for")
            if (response.content_length or 0) > self._limits.size_bytes:
                raise self._too_large()
            with ending_with_connection(response):
                return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        while chunk := await more_of(response):
            body += chunk
            if len(body) > self._limits.size_bytes:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"What stands at a URL is larger than {size_in_words(self._limits.size_bytes)}.")


@asynccontextmanager
async def open_fetcher(
    *,
    limits: Limits | None = None,
    resolve: Resolve = look_up,
    is_allowed: Callable[[str], bool] = is_public,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Fetcher]:
    """A fetcher for as long as the block lasts; `tls` is for a host whose certificate only its caller trusts."""

    def opened(info: tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]) -> socket.socket:
        """The last look at an address, on whatever way it came here."""
        family, kind, protocol, _, address = info
        if not is_allowed(address[0]):
            raise PermissionError("not public")
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        resolver=_Checked(resolve, is_allowed),
        socket_factory=opened,
        ssl=tls or True,
        use_dns_cache=False,
        force_close=True,
        limit=0,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Accept-Encoding": "identity", "User-Agent": "realcoze"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )
    async with session:
        yield Fetcher(session, limits or Limits())


class _Checked(AbstractResolver):
    """Hands on the addresses of a name, which is looked up once, if each of them is allowed."""

    def __init__(self, resolve: Resolve, is_allowed: Callable[[str], bool]) -> None:
        self._resolve = resolve
        self._is_allowed = is_allowed

    async def resolve(
        self,
        host: str,
        port: int = 0,  # noqa: ARG002 - each address comes with its own
        family: socket.AddressFamily = socket.AF_UNSPEC,
    ) -> list[ResolveResult]:
        try:
            found = await self._resolve(host)
        except OSError:
            found = []
        # One answer for both: whether a name is known on this machine's own network is nobody's business.
        if not found or not all(self._is_allowed(address) for address, _ in found):
            raise refused("names a host that is not known, or not public")
        return [
            ResolveResult(hostname=host, host=address, port=at, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for address, at in found
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def _written(url: Url) -> URL:
    """The same for aiohttp, which is to change nothing."""
    path, _, query = url.target.partition("?")
    return URL.build(scheme="https", host=url.host, path=path, query_string=query, encoded=True)


def _failed(why: str, *, retryable: bool = False) -> BadRequest:
    return BadRequest(
        f"The URL of a picture or file {why}.",
        code="url_not_fetched",
        hint="Upload the file, or give a URL at which it can be had by anybody.",
        retryable=retryable,
    )
