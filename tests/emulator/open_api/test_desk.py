import pytest

from open_coze import open_coze
from realcoze.emulator.account import API_TOKEN

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer wrong", API_TOKEN, f"bearer {API_TOKEN}", "Bearer ünï"])
@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/workspaces", "/v1/bots/1", "/v3/chat/retrieve"])
async def test_a_wrong_token_is_refused_everywhere(token: str, path: str) -> None:
    async with open_coze() as coze:
        answer = await coze.call("GET", path, headers={"Authorization": token})
    assert (answer.status, answer.json["code"]) == (401, 4100)


async def test_each_answer_has_a_name_of_its_own() -> None:
    async with open_coze() as coze:
        answers = [await coze.get("/v1/users/me") for _ in range(2)]
        stream = await coze.chat("hello")
    names = [answer.headers["x-tt-logid"] for answer in answers]
    assert [answer.json["detail"]["logid"] for answer in answers] == names
    assert len({*names, stream.headers["x-tt-logid"]}) == 3
    assert all(len(name) == 32 for name in names)


async def test_the_next_calls_can_be_refused() -> None:
    async with open_coze() as coze:
        coze.server.refuse_next(4100)
        coze.server.refuse_next(4009)
        answers = [await coze.get("/v1/users/me") for _ in range(3)]
    assert [(answer.status, answer.json["code"]) for answer in answers] == [(401, 4100), (200, 4009), (200, 0)]


async def test_a_token_may_lack_a_permission() -> None:
    async with open_coze(forbidden=frozenset({"/v3/chat/cancel"})) as coze:
        query = await coze.begin("hello")
        assert (await coze.post("/v3/chat/cancel", query)).json["code"] == 4101


async def test_every_call_is_seen_with_its_body() -> None:
    async with open_coze() as coze:
        await coze.get("/v1/conversations", bot_id="1")
        await coze.post("/v1/conversation/create", {"name": "x"})
        seen = coze.server.seen
        notes = [note.detail for note in coze.wire.notes if note.kind == "call"]
    assert [(call.method, call.path, call.query, call.body) for call in seen.calls] == [
        ("GET", "/v1/conversations", {"bot_id": "1"}, b""),
        ("POST", "/v1/conversation/create", {}, b'{"name": "x"}'),
    ]
    assert seen.count("/v1/conversations") == 1
    assert notes == ["GET /v1/conversations", "POST /v1/conversation/create"]
