import pytest

from open_coze import BOT_IDS, open_coze
from realcoze.emulator.account import SPACE_ID

pytestmark = pytest.mark.usefixtures("nothing_left")

OLD, NEW = "/v1/space/published_bots_list", "/v1/bots"
HIDDEN = BOT_IDS["slow"]


async def test_both_lists_of_bots_have_those_that_are_published() -> None:
    async with open_coze(unpublished=frozenset({HIDDEN})) as coze:
        old = (await coze.get(OLD, space_id=SPACE_ID)).json["data"]
        new = (await coze.get(NEW, workspace_id=SPACE_ID)).json["data"]
    expected = {name: bot_id for name, bot_id in BOT_IDS.items() if bot_id != HIDDEN}
    assert {bot["bot_name"]: bot["bot_id"] for bot in old["space_bots"]} == expected
    assert {bot["name"]: bot["id"] for bot in new["items"]} == expected
    assert old["total"] == new["total"] == 7
    assert {bot["publish_time"] for bot in old["space_bots"]} == {"1750000000"}


@pytest.mark.parametrize("page", ["page_num", "page_index"])
async def test_the_new_list_comes_in_pages_under_either_name(page: str) -> None:
    async with open_coze() as coze:
        told = (await coze.get(NEW, workspace_id=SPACE_ID, page_size="4", **{page: "2"})).json["data"]
    assert ([bot["name"] for bot in told["items"]], told["total"]) == (["echo", "pictures", "secretary", "reckoner"], 8)


@pytest.mark.parametrize(("status", "count"), [("all", 8), ("published_online", 7), ("unpublished_draft", 1)])
async def test_the_new_list_can_have_others(status: str, count: int) -> None:
    async with open_coze(unpublished=frozenset({HIDDEN})) as coze:
        told = (await coze.get(NEW, workspace_id=SPACE_ID, publish_status=status)).json["data"]
    assert len(told["items"]) == count


async def test_a_bot_is_described_by_both_calls() -> None:
    async with open_coze() as coze:
        old = (await coze.get("/v1/bot/get_online_info", bot_id=BOT_IDS["tools"])).json["data"]
        new = (await coze.get(f"/v1/bots/{BOT_IDS['tools']}", is_published="true")).json["data"]
    assert old == new
    assert (new["name"], new["plugin_info_list"][0]["api_info_list"][0]["name"]) == ("tools", "lookup")


async def test_what_is_not_there_is_said_so() -> None:
    async with open_coze(unpublished=frozenset({HIDDEN})) as coze:
        assert (await coze.get(OLD, space_id="1")).json["code"] == 4200
        assert (await coze.get(NEW)).json["code"] == 4200
        assert (await coze.get("/v1/bots/1")).json["code"] == 4200
        assert (await coze.get(f"/v1/bots/{HIDDEN}")).json["code"] == 4015


async def test_there_is_one_workspace_and_one_user() -> None:
    async with open_coze() as coze:
        spaces = (await coze.get("/v1/workspaces", page_num="1", page_size="20")).json["data"]
        beyond = (await coze.get("/v1/workspaces", page_num="2")).json["data"]
        me = (await coze.get("/v1/users/me")).json["data"]
    assert [space["id"] for space in spaces["workspaces"]] == [SPACE_ID]
    assert (beyond["workspaces"], beyond["total_count"]) == ([], 1)
    assert me["user_name"] == "emulated"
