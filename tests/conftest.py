"""What all tests share."""

import asyncio
import functools
import inspect
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from realcoze.app.serving import allow_files
from realcoze.upstreams.coze_playground.upstream import Playground
from servers import Coze, emulated, held, reached, until_held

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    # Run under nohup, these tests would hand their deafness on to the programs that they start.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

allow_files()  # some tests hold both ends of a thousand connections


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Asynchronous tests run as the server does: asyncio on uvloop."""
    return "asyncio", {"use_uvloop": True}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Bound each asynchronous test in its own loop.

    The alarm of pytest-timeout (2.4, method signal) is never looked at while uvloop (0.23) waits, so a
    test that hangs would hang for ever.
    """
    default_s = float(config.getini("timeout") or 60)

    def limit_s(item: pytest.Item) -> float:
        mark = item.get_closest_marker("timeout")
        return float(mark.args[0]) if mark else default_s

    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.obj = _bounded(item.obj, limit_s(item))
    # The longest first, so that no worker begins them when the others have ended.
    items.sort(key=limit_s, reverse=True)


def _bounded(test: Callable[..., Awaitable[None]], limit_s: float) -> Callable[..., Awaitable[None]]:
    @functools.wraps(test)
    async def bounded(*args: Any, **kwargs: Any) -> None:
        async with asyncio.timeout(limit_s):
            await test(*args, **kwargs)

    return bounded


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """Afterwards there are as many tasks, sockets, listeners and files as before."""
    before = held()
    yield
    await until_held(before)


@pytest.fixture
async def coze(nothing_left: None) -> AsyncIterator[Coze]:
    """A Coze of our own, as fast as it can."""
    async with emulated() as running:
        yield running


@pytest.fixture
async def playground(coze: Coze, tmp_path: Path) -> AsyncIterator[Playground]:
    """An upstream to it."""
    async with reached(coze, tmp_path / "state") as upstream:
        yield upstream
