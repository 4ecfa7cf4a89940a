from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from native_server import saying, serving
from realcoze import __version__
from realcoze.app.description.document import CALLS

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"


@asynccontextmanager
async def told(**server: Any) -> AsyncIterator[Any]:
    """The document of a server."""
    async with (
        serving(saying("Hi"), **server) as served,
        aiohttp.ClientSession(served.url) as session,
        session.get("/openapi.json") as response,
    ):
        assert response.status == 200
        yield await response.json()


async def test_every_route_of_the_server_is_described_and_no_other() -> None:
    """One that is not would make the answer an error."""
    async with told() as document:
        there = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
        assert there == set(CALLS)
        assert document["info"]["version"] == __version__
        assert document["servers"] == [{"url": "./"}]


async def test_it_needs_no_key_and_names_no_bot() -> None:
    async with told(key=KEY) as document:
        assert document["paths"]["/"]["post"]["security"] == [{"bearer": []}, {"x-api-key": []}]
        assert KEY not in str(document)
