"""HTTP calls: one that waits for the whole answer, one that pushes it on as it comes.

Redirects are never followed (credentials must not travel), bodies are bounded, compression is not
asked for.  Cancelling a call closes its connection.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO

import aiohttp

from realcoze.errors import UpstreamFailed
from realcoze.transports.failure import host_of, raise_translated, translated
from realcoze.transports.proxy import connector
from realcoze.transports.pushed import HEADER_BYTES, Origins, PushedConnection, Valve, address_of, encode_request

ANSWER_BYTES = 4 << 20
PIECEMEAL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Calls over one pool of connections.  Made by `open_http`; every time is in seconds."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._origins = Origins(session)

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        reply_s: float,
        max_bytes: int = ANSWER_BYTES,
    ) -> Answer:
        """The whole answer, whatever its status.

        Raises `UpstreamFailed` or `UpstreamTimeout`; `reply_s` counts from the start of the call.
        """
        with translated(host_of(url)):
            timeout = _timeout(self._session, total=reply_s)
            async with self._request(method, url, headers, body, timeout) as response:
                with ending_with_connection(response):
                    read = await _read(response, max_bytes)
                return Answer(response.status, _lower(response), read)

    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        idle_s: float | None,
        on_head: Callable[[int, Mapping[str, str]], None],
        on_bytes: Callable[[bytes], None],
        valve: Valve,
    ) -> None:
        """Hand the answer on as it arrives, while `valve` is open; returns when it ended well.

        An end without the last chunk raises `Truncated`, a pause of `idle_s` (where that is given)
        `UpstreamTimeout`.  What the two callbacks raise ends the call and goes through.
        """
        host = host_of(url)
        try:
            address = address_of(url)
            request = encode_request(method, address, headers, body)
            lent = await self._origins.connect(address)
            connection = PushedConnection.on(lent)
            try:
                ended = connection.ask(
                    request, lent=lent, host=host, idle_s=idle_s, on_head=on_head, on_bytes=on_bytes, valve=valve
                )
                del request  # an answer may take hours
                broken = await ended
            finally:
                connection.leave()
            try:
                if broken is not None:
                    raise broken
            finally:
                del broken, ended  # they would hold this frame, and it the turn
        except Exception as error:  # a block that translates would be two generators more for each answer
            raise_translated(error, host)
            raise

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.client._RequestContextManager:
        return self._session.request(
            method, url, headers=headers, data=_payload(body), timeout=timeout, allow_redirects=False
        )


@asynccontextmanager
async def open_http(*, proxy: str | None = None, connect_s: float, tls_s: float) -> AsyncIterator[HttpClient]:
    """A client for as long as the block lasts.  Raises `Misconfigured` for a proxy it cannot use."""
    session = aiohttp.ClientSession(
        connector=connector(proxy),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_s + tls_s, sock_connect=connect_s),
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        max_line_size=HEADER_BYTES,
        max_field_size=HEADER_BYTES,
    )
    async with session:
        yield HttpClient(session)


def _payload(body: bytes) -> bytes | BytesIO | None:
    """A file is written piece by piece; aiohttp (3.14) hands bytes to the connection at once, and warns of it."""
    if len(body) > PIECEMEAL_BYTES:
        return BytesIO(body)
    return body or None


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    body = bytearray()
    while chunk := await more_of(response):
        body += chunk
        if len(body) > max_bytes:
            said = f"The answer of {response.url.host} is larger than {max_bytes} bytes."
            raise UpstreamFailed(said, code="upstream_protocol")
    return bytes(body)


@contextmanager
def ending_with_connection(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Wake whoever waits for more of a body when its connection is gone.

    Where bytes that are no chunk ended it, aiohttp (3.14.5) does not, and its reader would wait for ever.
    """
    protocol = response.connection.protocol if response.connection is not None else None
    closed = protocol.closed if protocol is not None else None
    content = response.content

    def wake(gone: "asyncio.Future[None]") -> None:
        if not gone.cancelled():
            gone.exception()
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("The body cannot be read."))

    if closed is None:
        yield
        return
    closed.add_done_callback(wake)
    try:
        yield
    finally:
        # The connection goes on to other answers.
        closed.remove_done_callback(wake)


async def more_of(response: aiohttp.ClientResponse) -> bytes:
    """What has come of a body, at least one byte of it; nothing at its end."""
    try:
        return await response.content.readany()
    except RuntimeError as error:
        # The same, where nobody waited yet.
        raise aiohttp.ClientPayloadError("The body cannot be read.") from error


def _timeout(session: aiohttp.ClientSession, *, total: float) -> aiohttp.ClientTimeout:
    base = session.timeout
    return aiohttp.ClientTimeout(total=total, connect=base.connect, sock_connect=base.sock_connect)


def _lower(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}
