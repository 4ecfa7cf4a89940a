"""Ctrl-C, SIGTERM, a closed terminal."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager

import anyio

from realcoze.faces.terminal.exits import TERMINATED
from realcoze.tasks import background_tasks

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a program that serves."""
END = (signal.SIGTERM, signal.SIGHUP)
"""What ends one that talks; there Ctrl-C has a meaning of its own."""


def told(*numbers: signal.Signals) -> AbstractContextManager[AsyncIterator[signal.Signals]]:
    """These signals, as they come, for as long as the block lasts."""
    # nohup has this one ignored, and means it.
    is_deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return anyio.open_signal_receiver(*(number for number in numbers if not (is_deaf and number is signal.SIGHUP)))


async def until_stopped() -> None:
    """Return when somebody wants the program to end."""
    with told(*STOP) as signals:
        await anext(signals)


async def unless_ended(work: Callable[[], Awaitable[int]]) -> int:
    """The exit code of `work`, which is cancelled, and can put everything back, when the program is told to end."""
    code = TERMINATED
    async with background_tasks() as tasks:

        async def end() -> None:
            with told(*END) as signals:
                await anext(signals)
            tasks.cancel_scope.cancel()

        tasks.start_soon(end)
        code = await work()
    return code  # noqa: RET504 - a block that is cancelled ends before its last line
