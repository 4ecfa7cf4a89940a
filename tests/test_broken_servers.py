"""The servers that break do break: each is met by a client that is not ours."""

import aiohttp
import pytest

from broken_servers import answer_of, black_hole, forgetful_server, refusing_port, resetting_server
from servers import raw_server

pytestmark = pytest.mark.usefixtures("nothing_left")


async def fetched(http: aiohttp.ClientSession, port: int, *, scheme: str = "http") -> int:
    async with http.post(f"{scheme}://127.0.0.1:{port}/", data=b"x") as response:
        await response.read()
        return response.status


async def test_a_port_that_refuses_and_one_that_swallows() -> None:
    limit = aiohttp.ClientTimeout(connect=0.2)
    async with aiohttp.ClientSession(timeout=limit) as http:
        with refusing_port() as port, pytest.raises(aiohttp.ClientConnectorError):
            await fetched(http, port)
        with black_hole() as port, pytest.raises(aiohttp.ConnectionTimeoutError):
            await fetched(http, port)


async def test_a_connection_that_is_reset_within_its_handshake() -> None:
    async with aiohttp.ClientSession() as http, resetting_server() as server:
        with pytest.raises(aiohttp.ClientConnectorError):
            await fetched(http, server.port, scheme="https")
        assert server.received[0] == b"\x16", "a TLS handshake"


@pytest.mark.parametrize("on_next", [False, True])
async def test_a_connection_is_forgotten_between_two_answers(on_next: bool) -> None:  # noqa: FBT001 - a parameter
    async with aiohttp.ClientSession() as http, forgetful_server(answer_of(), on_next=on_next) as server:
        assert await fetched(http, server.port) == 200
        if on_next:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await fetched(http, server.port)
        assert server.answers == 1


@pytest.mark.parametrize("head", [answer_of(headers=1000), answer_of(size_bytes=100_000)], ids=["many", "large"])
async def test_a_head_that_is_too_large(head: bytes) -> None:
    async with aiohttp.ClientSession() as http, raw_server(head) as server:
        with pytest.raises(aiohttp.ClientError):
            await fetched(http, server.port)
