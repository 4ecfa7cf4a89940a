"""Coze Studio's quirks, one by one (docs/protocol/studio-web.md §1, §5)."""

import json
from typing import Any

import aiohttp
import pytest

from open_coze import BOT_IDS, OpenClient, asked, open_coze
from realcoze.emulator.account import API_TOKEN
from servers import soon

pytestmark = pytest.mark.usefixtures("nothing_left")

STUDIO: dict[str, Any] = {"personality": "studio"}


async def finished(coze: OpenClient, **query: str) -> dict[str, str]:
    await soon(lambda: coze.server.state.chats[query["chat_id"]].has_ended)
    return query


async def test_a_stream_ends_with_an_event_without_data() -> None:
    async with open_coze(**STUDIO) as coze:
        answer = await coze.chat("hello")
    assert answer.names[-2:] == ["conversation.chat.completed", "conversation.stream.done"]
    assert answer.text.endswith("event:conversation.stream.done\ndata:\n\n")
    assert answer.headers["X-Log-ID"]
    assert "x-tt-logid" not in {name.lower() for name in answer.headers}
    chats = [data for name, data in answer.events if name.startswith("conversation.chat.")]
    assert all(chat.keys().isdisjoint({"usage", "last_error", "required_action"}) for chat in chats)
    assert {(chat["failed_at"], "completed_at" in chat) for chat in chats} == {(0, True)}
    messages = [data for name, data in answer.events if name.startswith("conversation.message.")]
    assert all("created_at" in message and "updated_at" not in message for message in messages)
    assert all("bot_state" in message["meta_data"] for message in messages)


async def test_a_call_that_does_not_say_is_streamed() -> None:
    body = asked("hello")
    del body["stream"]
    async with open_coze(**STUDIO) as coze:
        assert (await coze.post("/v3/chat", body)).said == "hello"
    async with open_coze() as coze:
        assert (await coze.post("/v3/chat", body)).json["data"]["status"] == "in_progress"


async def test_a_whole_chat_has_only_been_created() -> None:
    async with open_coze(**STUDIO) as coze:
        told = (await coze.chat("hello", stream=False)).json
    names = {"id", "conversation_id", "bot_id", "created_at", "completed_at", "failed_at", "status", "section_id"}
    assert set(told["data"]) == names
    assert (told["data"]["status"], told["BaseResp"], told["code"]) == ("created", None, 0)


async def test_retrieve_is_a_get_with_usage_and_fails_as_text() -> None:
    async with open_coze(**STUDIO) as coze:
        query = await finished(coze, **await coze.begin("hello"))
        found = (await coze.get("/v3/chat/retrieve", **query)).json["data"]
        assert (found["status"], found["usage"]["token_count"]) == ("completed", 2)
        assert (await coze.post("/v3/chat/retrieve", **query)).json == {"code": 404, "msg": "not found"}
        for path in ("/v3/chat/retrieve", "/v3/chat/message/list"):
            failed = await coze.get(path, conversation_id="1", chat_id="2")
            assert (failed.status, failed.headers["Content-Type"]) == (500, "text/plain; charset=utf-8")


async def test_messages_have_another_name_and_none_where_there_are_none() -> None:
    async with open_coze(**STUDIO) as coze:
        query = await finished(coze, **await coze.begin("hello"))
        told = (await coze.get("/v3/chat/message/list", **query)).json
        assert ([message["type"] for message in told["Messages"]], "data" in told) == (["answer", "verbose"], False)
        stuck = await coze.begin("hello [[fault stuck]]")
        assert "Messages" not in (await coze.get("/v3/chat/message/list", **stuck)).json


async def test_a_cancel_is_bare_and_a_late_one_is_a_bad_request() -> None:
    async with open_coze(**STUDIO) as coze:
        query = await coze.begin("hello [[fault stuck]]")
        told = (await coze.post("/v3/chat/cancel", query)).json
        assert (set(told), told["ChatV3ChatDetail"]["status"]) == ({"ChatV3ChatDetail", "BaseResp"}, "cancelled")
        late = await coze.post("/v3/chat/cancel", query)
        assert (late.status, late.json) == (400, {"code": 400, "msg": "in progress can not be cancelled"})


async def test_two_chats_may_run_in_one_conversation() -> None:
    async with open_coze(**STUDIO) as coze:
        query = await coze.begin("hello [[fault stuck]]")
        assert (await coze.chat("and I", conversation_id=query["conversation_id"])).said == "and I"


async def test_an_unknown_conversation_is_silently_a_new_one_and_saving_cannot_be_refused() -> None:
    async with open_coze(**STUDIO) as coze:
        begun = await coze.begin("hello", auto_save_history=False)
        assert begun["chat_id"] in coze.server.state.chats
        answer = await coze.chat("hello", conversation_id="1")
        assert answer.events[0][1]["conversation_id"] in coze.server.state.conversations


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"bot_id": int(BOT_IDS["echo"])}, {}),
        ({"user_id": None}, {}),
        ({"parameters": "x"}, {}),
        ({"additional_messages": []}, {}),
        ({}, {"conversation_id": ""}),
        ({}, {"conversation_id": "x"}),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_bad_parameters_are_a_bad_request(body: dict[str, Any], query: dict[str, str], stream: bool) -> None:  # noqa: FBT001 - a parameter
    async with open_coze(**STUDIO) as coze:
        answer = await coze.post("/v3/chat", {**asked("hello"), "stream": stream, **body}, **query)
    assert (answer.status, answer.json["code"]) == (400, 400)


@pytest.mark.parametrize("bot", ["7300000000000000099", BOT_IDS["slow"]])
async def test_a_bot_that_cannot_be_had_fails_as_event_or_as_bad_request(bot: str) -> None:
    async with open_coze(**STUDIO, unpublished=frozenset({BOT_IDS["slow"]})) as coze:
        streamed = await coze.post("/v3/chat", {**asked("hello"), "bot_id": bot})
        whole = await coze.post("/v3/chat", {**asked("hello"), "bot_id": bot, "stream": False})
    assert (streamed.status, streamed.names, streamed.events[0][1]["code"]) == (200, ["error"], 103100002)
    assert (whole.status, whole.json["code"]) == (400, 400)


async def test_a_failure_while_generating_is_an_error_and_then_the_usual_end() -> None:
    async with open_coze(**STUDIO) as coze:
        answer = await coze.chat("hello [[fault failed]]")
    assert answer.names[-3:] == ["error", "conversation.chat.completed", "conversation.stream.done"]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("", "missing authorization in header"),
        (API_TOKEN, "missing authorization in header"),
        ("Bearer pat_wrong", "CheckPermission failed"),
        (f"Bearer Bearer {API_TOKEN}", "missing authorization in header"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wrong_token_is_refused_with_http_200(header: str, text: str, method: str) -> None:
    path, body = ("/v3/chat", asked("hello")) if method == "POST" else ("/v3/chat/retrieve", None)
    async with open_coze(**STUDIO) as coze:
        answer = await coze.call(method, path, body, headers={"Authorization": header})
    assert (answer.status, answer.json) == (200, {"code": 700012006, "msg": f"authentication failed: {text}"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/users/me"),
        ("GET", "/v1/workspaces"),
        ("GET", "/v1/bots"),
        ("GET", "/v1/space/published_bots_list"),
        ("GET", "/v1/files/retrieve"),
        ("POST", "/v1/conversation/message/create"),
        ("POST", "/v3/chat/submit_tool_outputs"),
        ("POST", "/v3/chat/retrieve"),
    ],
)
async def test_what_is_missing_is_not_found(method: str, path: str) -> None:
    async with open_coze(**STUDIO) as coze:
        answer = await coze.call(method, path)
    assert (answer.status, answer.json) == (404, {"code": 404, "msg": "not found"})


async def test_an_id_in_a_path_must_be_a_number() -> None:
    async with open_coze(**STUDIO) as coze:
        answer = await coze.get("/v1/bots/echo")
        assert (answer.status, answer.json["msg"]) == (401, "missing session_key in cookie")
        assert (await coze.get("/v1/bots/1")).json["code"] == 103100002


async def test_conversations_have_other_fields() -> None:
    async with open_coze(**STUDIO) as coze:
        wish = {"name": "one", "messages": [{"role": "user", "content": "x"}], "bot_id": BOT_IDS["echo"]}
        made = (await coze.post("/v1/conversation/create", wish)).json["data"]
        assert (made["name"], made["meta_data"], "creator_d" in made, "updated_at" in made) == ("", None, True, False)
        query = {"conversation_id": made["id"]}
        assert (await coze.get("/v1/conversation/retrieve", **query)).json["ConversationData"] == made
        page = (await coze.post("/v1/conversation/message/list", **query)).json
        assert page.keys().isdisjoint({"first_id", "last_id", "has_more"})
        await coze.chat("hello", conversation_id=made["id"])
        page = (await coze.post("/v1/conversation/message/list", **query)).json
        assert (page["has_more"], len(page["data"])) == (False, 2)
        assert (await coze.get("/v1/conversation/retrieve", conversation_id="1")).json["code"] == 103000002
        deleted = await coze.call("DELETE", f"/v1/conversations/{made['id']}")
        assert deleted.json == {"code": 0, "msg": "", "BaseResp": None}


async def test_an_upload_has_other_fields_and_its_picture_is_found() -> None:
    async with open_coze(**STUDIO) as coze:
        form = aiohttp.FormData()
        form.add_field("file", b"hello", filename="a.txt")
        file = (await coze.call("POST", "/v1/files/upload", data=form)).json["data"]
        assert set(file) == {"uri", "bytes", "CreatedAt", "file_name", "url", "id"}
        items = [{"type": "text", "text": "look"}, {"type": "file", "file_id": file["id"]}]
        message = {"role": "user", "content": json.dumps(items), "content_type": "object_string"}
        assert "5 bytes" in (await coze.chat("", "pictures", additional_messages=[message])).said
        bad = await coze.call("POST", "/v1/files/upload", data=aiohttp.FormData({"x": "y"}, default_to_multipart=True))
        assert bad.json["code"] == 104000006


async def test_the_old_description_of_a_bot_is_bare_and_wants_a_connector() -> None:
    async with open_coze(**STUDIO) as coze:
        failed = await coze.get("/v1/bot/get_online_info", bot_id=BOT_IDS["tools"])
        assert (failed.status, failed.json["code"]) == (500, 500)
        bare = (await coze.get("/v1/bot/get_online_info", bot_id=BOT_IDS["tools"], connector_id="1024")).json
        told = (await coze.get(f"/v1/bots/{BOT_IDS['tools']}")).json["data"]
    assert bare == told
    assert (told["create_time"], "knowledge" in told, set(told["plugin_info_list"][0])) == (
        0,
        False,
        {"plugin_id", "api_id", "api_name"},
    )
