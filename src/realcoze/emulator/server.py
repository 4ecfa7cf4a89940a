"""The emulator as a whole: one server on one port, for as long as a block lasts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from realcoze.emulator import drawing
from realcoze.emulator.imagex import ImagexServer
from realcoze.emulator.open_api.server import OpenServer
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.emulator.playground import BODY_BYTES, PlaygroundServer, PlaygroundSettings
from realcoze.emulator.wire import Listener, ignore
from realcoze.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running one; `base` is what an upstream's base address must be."""

    base: str
    playground: PlaygroundServer
    imagex: ImagexServer
    open_api: OpenServer


@asynccontextmanager
async def emulating(
    settings: PlaygroundSettings,
    open_settings: OpenSettings | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    listener: Listener = ignore,
) -> AsyncIterator[Emulator]:
    """Listen on `port` (0 takes a free one).  Raises `Misconfigured` when that is taken.

    Without settings of its own, the open API is coze.com's, with the playground's pace and seed.
    """
    playground = PlaygroundServer(settings, listener)
    imagex = ImagexServer(listener, playground.refused, token_life_s=settings.upload_token_s)
    playground.find_file = imagex.find
    open_api = OpenServer(open_settings or OpenSettings(seed=settings.seed, pace=settings.pace), listener)
    app = web.Application(client_max_size=BODY_BYTES)
    app.add_routes([web.get(drawing.ROUTE, _draw), *playground.routes(), *imagex.routes(), *open_api.routes()])
    # A stream whose reader has left is to end at once, and not at its next write.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise Misconfigured(
                f"Cannot listen on {host}, port {port}: {error.strerror}.",
                hint="Choose another with --port (0 takes a free one), or end the program that has it.",
            ) from error
        address = f"{host}:{runner.addresses[0][1]}"
        playground.socket_base = f"ws://{address}"
        imagex.host = address
        playground.base = open_api.state.base = f"http://{address}"
        yield Emulator(f"http://{address}", playground, imagex, open_api)
    finally:
        await open_api.close()
        await playground.close()
        await runner.cleanup()


async def _draw(request: web.Request) -> web.Response:
    """What a bot drew; like the addresses of Coze's pictures this one needs no token."""
    return web.Response(body=drawing.drawn(request.match_info["subject"]), content_type="image/png")
