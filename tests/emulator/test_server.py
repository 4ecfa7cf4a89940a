import aiohttp
import pytest

from realcoze.emulator.account import SESSION_ID
from realcoze.emulator.drawing import drawn, path_of
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating
from realcoze.errors import Misconfigured

pytestmark = pytest.mark.usefixtures("nothing_left")

SETTINGS = PlaygroundSettings(session_id=SESSION_ID)


async def test_it_listens_on_a_free_port_of_loopback_and_says_where() -> None:
    async with emulating(SETTINGS) as emulator, emulating(SETTINGS) as another:
        assert emulator.base.startswith("http://127.0.0.1:")
        assert emulator.base != another.base
        assert emulator.playground.socket_base == emulator.base.replace("http", "ws")
        async with aiohttp.ClientSession() as client, client.get(f"{emulator.base}/nowhere") as response:
            assert response.status == 404


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_what_a_bot_draws_can_be_had(personality: Personality) -> None:
    async with emulating(SETTINGS, OpenSettings(personality=personality)) as emulator:
        url = f"{emulator.base}{path_of('a cat/dog')}"
        async with aiohttp.ClientSession() as client, client.get(url) as response:
            assert (response.status, await response.read()) == (200, drawn("a cat/dog"))


async def test_a_port_that_is_taken_is_said_so() -> None:
    async with emulating(SETTINGS) as emulator:
        port = int(emulator.base.rpartition(":")[2])
        with pytest.raises(Misconfigured, match=f"Cannot listen on 127.0.0.1, port {port}"):
            async with emulating(SETTINGS, port=port):
                pytest.fail("it listens")


async def test_what_is_raised_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with emulating(SETTINGS):
            raise ZeroDivisionError
