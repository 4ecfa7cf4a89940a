import pytest

from open_coze import open_coze
from realcoze.emulator.account import SESSION_ID
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_a_method_or_path_that_is_not_there_is_not_found() -> None:
    async with open_coze() as coze:
        assert (await coze.get("/v1/nothing")).status == 404
        assert (await coze.get("/v3/chat")).status == 405


async def test_ids_of_two_runs_do_not_meet() -> None:
    """Somebody may have kept the id of a conversation of yesterday's emulator."""
    async with open_coze() as coze:
        name = (await coze.begin("hello"))["conversation_id"]
    async with open_coze() as coze:
        assert (await coze.chat("hello", conversation_id=name)).json["code"] == 4002


async def test_both_sides_have_one_port_and_personalities_ports_of_their_own() -> None:
    playground = PlaygroundSettings(session_id=SESSION_ID, seed=3, pace=7)
    async with emulating(playground) as one, emulating(playground, OpenSettings(personality="studio")) as other:
        assert (one.open_api.settings.seed, one.open_api.settings.pace) == (3, 7)
        assert one.open_api.settings.personality == "coze"
        assert other.open_api.settings.personality == "studio"
        assert one.base != other.base
