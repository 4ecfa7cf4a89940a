"""The emulator as a whole: one server on one port, for as long as a block lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from realcoze.emulator.imagex import ImagexServer
from realcoze.emulator.playground import BODY_BYTES, PlaygroundServer, PlaygroundSettings
from realcoze.emulator.wire import Listener, ignore
from realcoze.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running one; `base` is what an upstream's base address must be."""

    base: str
    playground: PlaygroundServer
    imagex: ImagexServer


@asynccontextmanager
async def emulating(
    settings: PlaygroundSettings, *, host: str = "127.0.0.1", port: int = 0, listener: Listener = ignore
) -> AsyncIterator[Emulator]:
    """Listen on `port` (0 takes a free one).  Raises `Misconfigured` when that is taken."""
    playground = PlaygroundServer(settings, listener)
    imagex = ImagexServer(listener, playground.refused, token_life_s=settings.upload_token_s)
    playground.find_file = imagex.find
    app = web.Application(client_max_size=BODY_BYTES)
    app.add_routes([*playground.routes(), *imagex.routes()])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise Misconfigured(f"Cannot listen on {host}, port {port}: {error.strerror}.") from error
        address = f"{host}:{runner.addresses[0][1]}"
        playground.socket_base = f"ws://{address}"
        imagex.host = address
        yield Emulator(f"http://{address}", playground, imagex)
    finally:
        await playground.close()
        await runner.cleanup()
