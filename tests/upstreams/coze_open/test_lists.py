from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiohttp import web

from realcoze.dialects.coze_open.catalog import PAGE_SIZE
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.settings import OpenSettings as EmulatorSettings
from realcoze.errors import BadRequest, NotFound, QuotaExhausted, RateLimited, RealcozeError, UpstreamDenied
from realcoze.upstreams.coze_open.lists import MOST
from servers import emulated, reached_openly, web_server

pytestmark = pytest.mark.usefixtures("nothing_left")


class Listing:
    """Constructed answers of the two calls: bots by workspace, or the code of a refusal."""

    def __init__(self, spaces: Mapping[str, Sequence[str] | int], *, total: int | None = None) -> None:
        self.spaces = spaces
        self.total = total
        self.asked: list[str] = []

    def routes(self) -> tuple[web.RouteDef, ...]:
        return web.get("/v1/workspaces", self._workspaces), web.get("/v1/bots", self._bots)

    async def _workspaces(self, request: web.Request) -> web.Response:
        self.asked.append(f"workspaces {request.query['page_num']}")
        told = [{"id": each, "name": each} for each in self.spaces]
        return _answer({"workspaces": _page(told, request), "total_count": len(told)})

    async def _bots(self, request: web.Request) -> web.Response:
        space = request.query["workspace_id"]
        self.asked.append(f"{space} {request.query['page_num']}")
        ids = self.spaces[space]
        if isinstance(ids, int):
            return web.json_response({"code": ids, "msg": "refused"})
        told = [{"id": each, "name": f"bot {each}"} for each in ids]
        return _answer({"items": _page(told, request), "total": len(told) if self.total is None else self.total})


def _page(told: list[Any], request: web.Request) -> list[Any]:
    number, size = int(request.query["page_num"]), int(request.query["page_size"])
    return told[(number - 1) * size : number * size]


def _answer(data: dict[str, Any]) -> web.Response:
    return web.json_response({"code": 0, "msg": "", "data": data})


async def listed(listing: Listing) -> list[str]:
    async with web_server(*listing.routes()) as address, reached_openly(f"http://{address}") as coze:
        return [bot.known_as for bot in await coze.lists.all_bots()]


async def test_all_pages_of_all_workspaces_are_read() -> None:
    spaces = {str(number): [str(1000 * number)] for number in range(1, PAGE_SIZE + 1)}
    many = [str(number) for number in range(1, 2 * PAGE_SIZE + 1)]
    listing = Listing({**spaces, "51": many})
    assert await listed(listing) == [*(ids[0] for ids in spaces.values()), *many]
    assert listing.asked[:3] == ["workspaces 1", "workspaces 2", "1 1"]
    assert listing.asked[-2:] == ["51 1", "51 2"]


async def test_a_workspace_that_the_token_may_not_look_into_is_passed_over() -> None:
    assert await listed(Listing({"1": 4101, "2": ["7"]})) == ["7"]
    with pytest.raises(UpstreamDenied) as caught:
        await listed(Listing({"1": 4101, "2": 4101}))
    assert caught.value.code == "upstream_forbidden"


async def test_a_workspace_that_fails_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    listing = Listing({"1": ["7"], "2": 4000, "3": 4101, "4": ["8"]})
    assert await listed(listing) == ["7", "8"]
    assert "the bots of 2 of 4 workspaces could not be listed: " in caplog.text
    for spaces in ({"1": 4000, "2": 4101}, {"1": 4101, "2": 4000}):
        with pytest.raises(BadRequest):
            await listed(Listing(spaces))


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        (4100, UpstreamDenied, "upstream_auth"),
        (4102, UpstreamDenied, "upstream_blocked"),
        (4011, QuotaExhausted, "insufficient_quota"),
        (4020, RateLimited, "rate_limited"),
    ],
)
async def test_what_concerns_the_token_or_the_account_ends_it(code: int, kind: type[RealcozeError], name: str) -> None:
    listing = Listing({"1": ["7"], "2": code, "3": ["8"]})
    with pytest.raises(kind) as caught:
        await listed(listing)
    assert caught.value.code == name
    assert listing.asked == ["workspaces 1", "1 1", "2 1"]


async def test_a_list_that_says_too_much_of_itself_ends_all_the_same() -> None:
    listing = Listing({"1": [str(number) for number in range(PAGE_SIZE)]}, total=10**9)
    assert len(await listed(listing)) == PAGE_SIZE
    endless = Listing({"1": [str(number) for number in range(MOST + PAGE_SIZE)]}, total=10**9)
    assert len(await listed(endless)) == MOST


async def test_no_workspace_has_no_bots() -> None:
    assert await listed(Listing({})) == []


async def test_studio_has_no_lists_and_that_is_said() -> None:
    async with emulated(EmulatorSettings(personality="studio")) as coze, reached_openly(coze.base) as upstream:
        with pytest.raises(NotFound, match="Coze Studio has none"):
            await upstream.lists.workspaces()
        with pytest.raises(NotFound, match="Coze Studio has none"):
            await upstream.lists.bots("1")


async def test_a_real_list_has_the_published_bots() -> None:
    async with emulated() as coze, reached_openly(coze.base) as upstream:
        assert {bot.known_as for bot in await upstream.lists.all_bots()} == {bot.bot_id for bot in BOTS}
