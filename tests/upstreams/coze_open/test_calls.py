import pytest

from realcoze.domain.ids import ChatId, ConversationId
from realcoze.emulator.account import API_TOKEN, BOTS
from realcoze.emulator.open_api.settings import OpenSettings as EmulatorSettings
from realcoze.errors import NotFound, RealcozeError, UpstreamDenied
from realcoze.upstreams.credentials import Secret
from servers import emulated, reached_openly

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_whose_token_it_is_and_what_it_reaches() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        assert (await upstream.calls.me()).user_name
        workspaces, count = await upstream.calls.workspaces(1)
        assert len(workspaces) == count >= 1
        bots, total = await upstream.calls.bots(str(workspaces[0].id), 1)
        assert {bot.known_as for bot in bots} == {bot.bot_id for bot in BOTS}
        assert total == len(BOTS)
        assert (await upstream.calls.bot(BOTS[0].bot_id)).name == BOTS[0].name


async def test_a_bot_that_is_not_published_is_told_with_its_remedy() -> None:
    settings = EmulatorSettings(pace=0, unpublished=frozenset({BOTS[0].bot_id}))
    async with emulated(settings) as coze, reached_openly(coze.base) as upstream:
        with pytest.raises(NotFound) as caught:
            await upstream.calls.bot(BOTS[0].bot_id)
    assert "Publish" in str(caught.value.hint)


async def test_every_call_carries_the_token_and_our_own_name() -> None:
    async with emulated() as coze, reached_openly(coze.base, token=Secret("pat_wrong")) as upstream:
        with pytest.raises(UpstreamDenied) as caught:
            await upstream.calls.me()
        assert (caught.value.code, caught.value.upstream_code) == ("upstream_auth", 4100)
        assert "pat_wrong" not in f"{caught.value.message}{caught.value.hint}"
        assert caught.value.logid
    assert API_TOKEN.startswith("pat_")


async def test_a_chat_that_is_not_there_cannot_be_cancelled() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        with pytest.raises(RealcozeError) as caught:
            await upstream.calls.cancel(ConversationId("1"), ChatId("2"))
    assert caught.value.upstream_code
