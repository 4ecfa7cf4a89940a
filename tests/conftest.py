"""What all tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from realcoze.upstreams.coze_playground.upstream import Playground
from servers import Coze, emulated, held, reached, until_held


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Asynchronous tests run as the server does: asyncio on uvloop."""
    return "asyncio", {"use_uvloop": True}


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
