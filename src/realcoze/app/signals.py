"""Ctrl-C and SIGTERM, for programs that serve."""

import signal

import anyio

STOP = (signal.SIGINT, signal.SIGTERM)


async def until_stopped() -> None:
    """Return when somebody wants the program to end."""
    with anyio.open_signal_receiver(*STOP) as signals:
        async for _ in signals:
            return
