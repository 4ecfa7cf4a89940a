"""Streams of the emulated open API: steps of a delivery done on a connection.

Its reader may leave at any time; that ends the stream, and not its chat.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Protocol, assert_never, cast

from aiohttp import web

from realcoze.emulator.delivery import GARBAGE
from realcoze.emulator.open_api.delivery import Cut, End, Garble, Reset, Rest, Step, Trickle, Write
from realcoze.emulator.open_api.settings import Ending, OpenSeen, SeenEnd
from realcoze.emulator.wire import Listener, WireNote

EVENT_STREAM = "text/event-stream"
READ_S = 0.05
"""Before a reset: what the reader's kernel holds when it comes, the reader never gets."""

_NO_LINGER = struct.pack("ii", 1, 0)


class Told(Protocol):
    """A turn that comes to its blocks in time; its id names its streams."""

    id: str

    async def reached(self, count: int) -> None: ...


class Streamer:
    """`closing` is set when the emulator ends: those that rest end with it."""

    def __init__(self, seen: OpenSeen, note: Listener, closing: asyncio.Event) -> None:
        self._seen = seen
        self._note = note
        self._closing = closing

    async def stream(
        self, request: web.Request, run: Told, steps: Sequence[Step], headers: dict[str, str]
    ) -> web.StreamResponse:
        """Do all steps, as far as the reader stays."""
        response = web.StreamResponse(headers=headers)
        how: Ending = "left"
        self._seen.open_streams += 1
        try:
            await response.prepare(request)
            how = await self._do(response, cast("asyncio.Transport", request.transport), run, steps)
        except ConnectionError:
            pass
        finally:
            self._seen.open_streams -= 1
            self._seen.order.append(SeenEnd(run.id, how))
            if how == "left":
                self._note(WireNote("left", "the reader of a stream is gone", 0, run.id))
        return response

    async def _do(
        self, response: web.StreamResponse, transport: asyncio.Transport, run: Told, steps: Sequence[Step]
    ) -> Ending:
        for step in steps:
            match step:
                case Write():
                    await run.reached(step.due)
                    await self._write(response, run, step.data)
                case Trickle():
                    for at in range(len(step.data)):
                        await asyncio.sleep(step.pause_s)
                        await self._write(response, run, step.data[at : at + 1])
                case Rest():
                    await self._closing.wait()
                    return "fault"
                case End():
                    await response.write_eof()
                    return "fault"
                case Garble():
                    transport.write(GARBAGE)
                    transport.close()
                    return "fault"
                case Cut():
                    transport.close()
                    return "fault"
                case Reset():
                    await asyncio.sleep(READ_S)
                    connection = transport.get_extra_info("socket")
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                    transport.abort()
                    return "fault"
                case _:
                    assert_never(step)
        await response.write_eof()
        return "whole"

    async def _write(self, response: web.StreamResponse, run: Told, data: bytes) -> None:
        await response.write(data)
        self._note(WireNote("event", "", len(data), run.id))
