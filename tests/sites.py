"""A site of the web, with TLS and a name, on a loopback address of its own; and a fetcher that may go there.

`127.0.0.2` plays the public internet.  What stands at `127.0.0.1` is private: whoever connects to it was deceived.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from certificates import self_signed, trusting
from realcoze.transports.fetch import Fetcher, SocketAddress, open_fetcher

PUBLIC = "127.0.0.2"
NAME = "pictures.example"


@dataclass
class Site:
    """`seen` has the host and path of each request, `named` the names that TLS was begun with."""

    tls: ssl.SSLContext
    at: SocketAddress = (PUBLIC, 0)
    seen: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    def fetching(self, **settings: Any) -> AbstractAsyncContextManager[Fetcher]:
        """A fetcher for which this site is all of the web."""
        told: dict[str, Any] = {"resolve": self.look_up, "is_allowed": PUBLIC.__eq__, "tls": self.tls}
        return open_fetcher(**{**told, **settings})

    async def look_up(self, host: str) -> Sequence[SocketAddress]:
        self.looked_up.append(host)
        if host != NAME:
            raise OSError("no such name")
        return [self.at]


@asynccontextmanager
async def site(folder: Path, *routes: web.RouteDef) -> AsyncIterator[Site]:
    """It stands at https://pictures.example for who looks it up with `Site.look_up`."""
    context = self_signed(folder, NAME)
    here = Site(trusting(folder))
    context.sni_callback = lambda _socket, name, _context: here.named.append(name)

    @web.middleware
    async def noting(request: web.Request, handler: Any) -> web.StreamResponse:
        here.seen.append(f"{request.host}{request.path_qs}")
        answer: web.StreamResponse = await handler(request)
        return answer

    app = web.Application(middlewares=[noting])
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, PUBLIC, 0, ssl_context=context).start()
        here.at = (PUBLIC, runner.addresses[0][1])
        yield here
    finally:
        await runner.cleanup()
