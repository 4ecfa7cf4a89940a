"""Proxies for tests: SOCKS4, 4a, 5 and 5h, and HTTP CONNECT, each with a log of what it was asked.

One listener speaks one kind.  Every connection that asks for a tunnel leaves one `Asked` in the log,
whether it was let through or not; what goes through the tunnel is only counted.
"""

import asyncio
import base64
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

import anyio

from servers import PATIENCE_S, Watched

ProxyKind = Literal["socks4", "socks5", "http"]


@dataclass(frozen=True)
class Asked:
    """One CONNECT: where to, whether the client gave a name (and left it to us to look it up), and as whom."""

    host: str
    port: int
    by_name: bool
    user: str = ""
    password: str = ""
    granted: bool = True


@dataclass
class Proxy(Watched):
    """A running one; `log` is its access log."""

    kind: ProxyKind
    user: str = ""
    password: str = ""
    names: dict[str, str] = field(default_factory=dict)
    """Names that only the proxy knows."""
    port: int = 0
    log: list[Asked] = field(default_factory=list)
    open_tunnels: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def granted(self) -> list[Asked]:
        return [asked for asked in self.log if asked.granted]

    def url(self, scheme: str, user: str = "", password: str = "") -> str:
        """The setting that leads here."""
        credentials = f"{user}:{password}@" if user or password else ""
        return f"{scheme}://{credentials}127.0.0.1:{self.port}"


class _Refused(Exception):
    """The client asked for something that it does not get; carries the answer."""


@asynccontextmanager
async def proxying(
    kind: ProxyKind, *, user: str = "", password: str = "", names: dict[str, str] | None = None
) -> AsyncIterator[Proxy]:
    """A proxy for as long as the block lasts; with a `user` it wants credentials."""
    proxy = Proxy(kind, user, password, names or {})
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await _serve(proxy, reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        except _Refused as refused:
            writer.write(refused.args[0])
            with suppress(ConnectionError):
                await writer.drain()
        finally:
            serving.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        with anyio.CancelScope(shield=True), anyio.fail_after(PATIENCE_S):
            await asyncio.gather(*serving, return_exceptions=True)
            await server.wait_closed()


async def _serve(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    shake = {"socks4": _socks4, "socks5": _socks5, "http": _http}[proxy.kind]
    asked, agreed = await shake(proxy, reader, writer)
    proxy.log.append(asked)
    proxy.changed()
    host = proxy.names.get(asked.host, asked.host)
    try:
        far_reader, far_writer = await asyncio.open_connection(host, asked.port)
    except OSError:
        return
    writer.write(agreed)
    proxy.open_tunnels += 1
    try:
        await _join(reader, far_writer, far_reader, writer)
    finally:
        proxy.open_tunnels -= 1
        far_writer.close()
        proxy.changed()


async def _join(
    near: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
    far: asyncio.StreamReader,
    near_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until either side is done."""
    ways = [asyncio.ensure_future(_carry(near, far_writer)), asyncio.ensure_future(_carry(far, near_writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()


async def _socks4(proxy: Proxy, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> tuple[Asked, bytes]:
    """SOCKS4, and 4a where the address is 0.0.0.x and a name follows."""
    head = await reader.readexactly(8)
    assert head[0] == 4, head
    port, address = int.from_bytes(head[2:4]), ipaddress.IPv4Address(head[4:8])
    user = (await reader.readuntil(b"\0"))[:-1].decode()
    by_name = int(address) < 256
    host = (await reader.readuntil(b"\0"))[:-1].decode() if by_name else str(address)
    granted = user == proxy.user
    asked = Asked(host, port, by_name, user, granted=granted)
    if not granted:
        proxy.log.append(asked)
        raise _Refused(b"\0\x5d" + bytes(6))
    return asked, b"\0\x5a" + bytes(6)


async def _socks5(proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[Asked, bytes]:
    version, count = await reader.readexactly(2)
    assert version == 5, version
    methods = await reader.readexactly(count)
    wanted = 2 if proxy.user else 0
    if wanted not in methods:
        proxy.log.append(Asked("", 0, by_name=False, granted=False))
        raise _Refused(b"\x05\xff")
    writer.write(bytes((5, wanted)))
    user = password = ""
    if wanted == 2:
        await reader.readexactly(1)
        user = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        password = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        if (user, password) != (proxy.user, proxy.password):
            proxy.log.append(Asked("", 0, by_name=False, user=user, password=password, granted=False))
            raise _Refused(b"\x01\x01")
        writer.write(b"\x01\x00")
    _, _, _, kind = await reader.readexactly(4)
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
    port = int.from_bytes(await reader.readexactly(2))
    return Asked(host, port, kind == 3, user, password), b"\x05\0\0\x01" + bytes(6)


async def _http(proxy: Proxy, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> tuple[Asked, bytes]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = first.split(" ")
    host, _, port = target.rpartition(":")
    user = password = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name.lower() == "proxy-authorization":
            user, _, password = base64.b64decode(value.removeprefix("Basic ")).decode().partition(":")
    granted = method == "CONNECT" and (user, password) == (proxy.user, proxy.password)
    asked = Asked(host.strip("[]"), int(port), _is_name(host), user, password, granted)
    if not granted:
        proxy.log.append(asked)
        raise _Refused(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
    return asked, b"HTTP/1.1 200 Connection established\r\n\r\n"


def _is_name(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return True
    return False
