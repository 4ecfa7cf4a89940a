"""Ctrl-C, SIGTERM, a closed terminal."""

import signal
from collections.abc import Awaitable, Callable

import anyio

from realcoze.faces.terminal.exits import TERMINATED

STOP = (signal.SIGINT, signal.SIGTERM)
"""What ends a program that serves."""
END = (signal.SIGTERM, signal.SIGHUP)
"""What ends every other one; there Ctrl-C has a meaning of its own."""


async def until_stopped() -> None:
    """Return when somebody wants the program to end."""
    await _until(*STOP)


async def unless_ended(work: Callable[[], Awaitable[int]]) -> int:
    """The exit code of `work`, which is cancelled, and can put everything back, when the program is told to end."""
    code = TERMINATED
    async with anyio.create_task_group() as tasks:

        async def end() -> None:
            # nohup has the second one ignored, and means it.
            await _until(*(number for number in END if signal.getsignal(number) is not signal.SIG_IGN))
            tasks.cancel_scope.cancel()

        tasks.start_soon(end)
        code = await work()
        tasks.cancel_scope.cancel()
    return code


async def _until(*numbers: signal.Signals) -> None:
    with anyio.open_signal_receiver(*numbers) as signals:
        async for _ in signals:
            return
