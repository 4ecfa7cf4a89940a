from typing import Any

import pytest

from open_coze import BOT_IDS, OpenClient, open_coze

pytestmark = pytest.mark.usefixtures("nothing_left")

LIST = "/v1/conversation/message/list"


async def filled(coze: OpenClient, count: int) -> tuple[str, list[str]]:
    """A conversation of so many messages, and their ids."""
    messages = [{"role": "user", "content": f"number {number}", "content_type": "text"} for number in range(count)]
    made = (await coze.post("/v1/conversation/create", {"messages": messages, "bot_id": BOT_IDS["echo"]})).json["data"]
    kept = (await coze.post(LIST, {"order": "asc"}, conversation_id=made["id"])).json["data"]
    return made["id"], [message["id"] for message in kept]


async def test_a_conversation_is_made_found_renamed_listed_and_deleted() -> None:
    async with open_coze() as coze:
        wish = {"bot_id": BOT_IDS["echo"], "name": "one", "meta_data": {"a": "b"}}
        made = (await coze.post("/v1/conversation/create", wish)).json["data"]
        name = made["id"]
        assert (made["name"], made["meta_data"], made["last_section_id"]) == ("one", {"a": "b"}, name)
        assert (await coze.get("/v1/conversation/retrieve", conversation_id=name)).json["data"] == made
        renamed = (await coze.call("PUT", f"/v1/conversations/{name}", {"name": "two"})).json["data"]
        assert renamed["name"] == "two"
        listed = (await coze.get("/v1/conversations", bot_id=BOT_IDS["echo"])).json["data"]
        assert listed == {"conversations": [renamed], "has_more": False}
        deleted = await coze.call("DELETE", f"/v1/conversations/{name}")
        assert (deleted.json["code"], "data" in deleted.json) == (0, False)
        assert (await coze.get("/v1/conversation/retrieve", conversation_id=name)).json["code"] == 4002


async def test_nothing_need_be_said_of_a_new_conversation() -> None:
    async with open_coze() as coze:
        made = (await coze.call("POST", "/v1/conversation/create")).json["data"]
    assert (made["meta_data"], made["name"]) == ({}, "")


async def test_conversations_come_in_pages_newest_first() -> None:
    async with open_coze() as coze:
        names = [(await filled(coze, 0))[0] for _ in range(5)]
        query = {"bot_id": BOT_IDS["echo"], "page_size": "2"}
        first = (await coze.get("/v1/conversations", **query)).json["data"]
        last = (await coze.get("/v1/conversations", **query, page_num="3", sort_order="ASC")).json["data"]
    assert ([found["id"] for found in first["conversations"]], first["has_more"]) == ([names[4], names[3]], True)
    assert ([found["id"] for found in last["conversations"]], last["has_more"]) == ([names[4]], False)


@pytest.mark.parametrize("query", [{}, {"page_num": "0"}, {"page_size": "51"}, {"page_num": "x"}])
async def test_a_list_that_cannot_be_is_refused(query: dict[str, str]) -> None:
    async with open_coze() as coze:
        told = {"bot_id": BOT_IDS["echo"], **query} if query else {}
        assert (await coze.get("/v1/conversations", **told)).json["code"] == 4000


async def test_a_cleared_conversation_keeps_its_messages_and_forgets_its_context() -> None:
    async with open_coze() as coze:
        begun = (await coze.chat("my name is Ada", "memory")).events[0][1]
        name = begun["conversation_id"]
        section = (await coze.post(f"/v1/conversations/{name}/clear")).json["data"]
        answer = await coze.chat("do you remember?", "memory", name)
        kept = (await coze.post(LIST, conversation_id=name)).json["data"]
    assert section["conversation_id"] == name
    assert answer.events[0][1]["section_id"] == section["id"] != begun["section_id"]
    assert "Ada" not in answer.said
    assert len(kept) == 4


@pytest.mark.parametrize(
    ("wish", "places", "has_more"),
    [
        ({}, [4, 3, 2, 1, 0], False),
        ({"limit": 2}, [4, 3], True),
        ({"limit": 2, "order": "asc"}, [0, 1], True),
        ({"order": "asc", "after": 1}, [2, 3, 4], False),
        ({"order": "asc", "after": 1, "limit": 2}, [2, 3], True),
        ({"before": 3, "limit": 2}, [2, 1], True),
        ({"before": 3, "limit": 2, "order": "asc"}, [1, 2], True),
        ({"after": 1, "limit": 2}, [3, 2], True),
        ({"before": 0}, [], False),
        ({"before": 4, "after": 0, "order": "asc"}, [1, 2, 3], False),
        ({"limit": 0}, [4], True),
    ],
)
async def test_messages_come_in_pages(wish: dict[str, Any], places: list[int], has_more: bool) -> None:  # noqa: FBT001 - a parameter
    async with open_coze() as coze:
        name, ids = await filled(coze, 5)
        told = {key: value for key, value in wish.items() if key in ("limit", "order")}
        told |= {f"{side}_id": ids[wish[side]] for side in ("before", "after") if side in wish}
        page = (await coze.post(LIST, told, conversation_id=name)).json
    expected = [ids[place] for place in places]
    assert [message["id"] for message in page["data"]] == expected
    assert (page["first_id"], page["last_id"]) == ((expected[0], expected[-1]) if expected else ("", ""))
    assert page["has_more"] == has_more


async def test_messages_of_one_chat_can_be_listed() -> None:
    async with open_coze() as coze:
        first = (await coze.chat("one")).events[0][1]
        await coze.chat("two", conversation_id=first["conversation_id"])
        wish = {"chat_id": first["id"], "limit": None, "order": "asc"}
        page = (await coze.post(LIST, wish, conversation_id=first["conversation_id"])).json["data"]
    assert [(message["content"], message["type"]) for message in page] == [("one", "question"), ("one", "answer")]


async def test_a_message_is_made_found_changed_and_removed() -> None:
    async with open_coze() as coze:
        name, _ = await filled(coze, 0)
        wish = {"role": "user", "content": "hello", "content_type": "text", "meta_data": None}
        made = (await coze.post("/v1/conversation/message/create", wish, conversation_id=name)).json["data"]
        query = {"conversation_id": name, "message_id": made["id"]}
        assert (made["type"], made["content"]) == ("question", "hello")
        assert (await coze.get("/v1/conversation/message/retrieve", **query)).json["data"] == made
        change = {"content": "other", "content_type": None, "meta_data": {"a": "b"}}
        changed = (await coze.post("/v1/conversation/message/modify", change, **query)).json
        assert "data" not in changed
        assert (changed["message"]["content"], changed["message"]["meta_data"]) == ("other", {"a": "b"})
        assert (await coze.post("/v1/conversation/message/modify", {}, **query)).json["message"]["content"] == "other"
        removed = (await coze.post("/v1/conversation/message/delete", **query)).json["data"]
        assert removed["id"] == made["id"]
        assert (await coze.get("/v1/conversation/message/retrieve", **query)).json["code"] == 4005


async def test_what_is_wrong_with_a_call_is_said() -> None:
    async with open_coze() as coze:
        name, _ = await filled(coze, 1)
        wish = {"role": "system", "content": "x"}
        assert (await coze.post("/v1/conversation/message/create", wish, conversation_id=name)).json["code"] == 4005
        assert (await coze.post(LIST, {"after_id": "1"}, conversation_id=name)).json["code"] == 4005
        assert (await coze.post(LIST, {"limit": "x"}, conversation_id=name)).json["code"] == 4000
        assert (await coze.post(LIST, conversation_id="1")).json["code"] == 4002
