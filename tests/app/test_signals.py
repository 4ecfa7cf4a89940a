import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest

from realcoze.app.signals import END, STOP, told, unless_ended, until_stopped
from realcoze.errors import Busy
from realcoze.faces.terminal.exits import TERMINATED
from servers import PATIENCE_S, soon


async def send(number: signal.Signals, before: object) -> None:
    """Send it to ourselves, once somebody heeds it."""
    await soon(lambda: signal.getsignal(number) != before)
    os.kill(os.getpid(), number)


@contextmanager
def ignoring(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", STOP)
async def test_a_server_stops_when_it_is_told(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_stopped)
            await send(number, before)


@pytest.mark.parametrize("number", END)
async def test_work_is_ended_and_puts_everything_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    put_back = False

    async def work() -> int:
        nonlocal put_back
        try:
            await send(number, before)
            await anyio.sleep_forever()
        finally:
            put_back = True
        return 0

    with anyio.fail_after(PATIENCE_S):
        assert await unless_ended(work) == TERMINATED == 143
    assert put_back


async def test_work_that_nobody_ends_has_its_own_code() -> None:
    async def work() -> int:
        return 77

    assert await unless_ended(work) == 77


async def test_work_that_fails_fails_as_it_does() -> None:
    async def work() -> int:
        raise Busy("The conversation already runs a turn.")

    with pytest.raises(Busy):
        await unless_ended(work)


async def test_what_nohup_has_ignored_stays_ignored() -> None:
    with ignoring(signal.SIGHUP):
        with told(*END) as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
            with anyio.fail_after(PATIENCE_S):
                assert await anext(signals) is signal.SIGTERM
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
