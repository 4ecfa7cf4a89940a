"""Where turns are played and streamed, and where they end with the emulator."""

import asyncio
import time
from collections.abc import Coroutine, Iterable
from email.utils import formatdate
from typing import Any

from aiohttp import web

from realcoze.emulator.delivery import Pace
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import Block
from realcoze.emulator.open_api.delivery import Rest, deliver
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.fault import raw_answer
from realcoze.emulator.open_api.stream import EVENT_STREAM, Streamer, Told


class Stage:
    """Shared by chats, chatflows and workflows."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._playing: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self._streamer = Streamer(desk.seen, desk.note, self._closing)

    def pace(self, factor: float = 1.0) -> Pace | None:
        """A new one, relative to the emulator's; None for as fast as possible."""
        speed = self._desk.settings.pace * factor
        return Pace(speed, asyncio.get_running_loop().time()) if speed else None

    def play(self, playing: Coroutine[Any, Any, None]) -> None:
        """Let a turn run on its own."""
        task = asyncio.get_running_loop().create_task(playing)
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)

    async def stream(
        self, request: web.Request, run: Told, blocks: Iterable[Block], fault: Fault | None
    ) -> web.StreamResponse:
        """Its blocks as they come, with the fault."""
        steps = [Rest()] if fault and fault.name == "silent" else list(deliver(tuple(blocks), fault))
        content_type = "text/plain" if fault and fault.name == "mime" else f"{EVENT_STREAM}; charset=utf-8"
        named = {self._desk.personality.logid_header: request[LOGID]}
        headers = {"Content-Type": content_type, "Cache-Control": "no-cache", **named}
        return await self._streamer.stream(request, run, steps, headers)

    async def instead(self, request: web.Request, fault: Fault | None) -> web.StreamResponse | None:
        """The answer to a call that a fault keeps from becoming a turn; None for all others."""
        if fault is None:
            return None
        if fault.name == "stall":
            await self._closing.wait()
        raw = raw_answer(fault, http_date=formatdate(time.time() + 30, usegmt=True))
        if raw is None:
            return None
        headers = {**raw.headers, self._desk.personality.logid_header: request[LOGID]}
        return web.Response(status=raw.status, body=raw.body, content_type=raw.content_type, headers=headers)

    async def unless_closing(self, wait: Coroutine[Any, Any, object]) -> None:
        """Wait, but no longer than the emulator is there."""
        waits = {asyncio.ensure_future(each) for each in (wait, self._closing.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def close(self) -> None:
        """End the turns, and the streams that rest."""
        self._closing.set()
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
