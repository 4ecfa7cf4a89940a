"""The emulator's server side, called with a plain HTTP client; our own upstream is no judge of it."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest

from realcoze.dialects.coze_playground.access import access_key
from realcoze.emulator.account import APP_ID, APP_KEY, BOTS, PRODUCT_ID, SESSION_ID, bot_config
from realcoze.emulator.delivery import Pace
from realcoze.emulator.fault import CALL_FAULTS
from realcoze.framing.frontier import FrontierReader
from servers import PATIENCE_S, Coze, Wire, emulated, soon

pytestmark = pytest.mark.usefixtures("nothing_left")

DEVICE = "987654321"
COOKIE = {"Cookie": f"sessionid={SESSION_ID}"}


class Client:
    """The page's side of the protocol, by hand (docs/protocol/playground-2024.md)."""

    def __init__(self, coze: Coze, http: aiohttp.ClientSession) -> None:
        self._coze = coze
        self._http = http

    async def post(self, path: str, body: Any = None, headers: dict[str, str] = COOKIE) -> tuple[int, Any]:
        async with self._http.post(self._coze.base + path, json=body or {}, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def launch(self, headers: dict[str, str] = COOKIE) -> tuple[int, Any]:
        return await self.post("/api/playground/user/launch", headers=headers)

    async def execute(self, text: str, bot: int = 4, push_uuid: str = "u", **more: Any) -> tuple[int, Any]:
        body = bot_config(BOTS[bot])
        body["work_info"]["message_info"] = json.dumps([{"role": 2, "content": text, "contentType": 1}])
        return await self.post("/api/draftbot/execute", {**body, "device_id": DEVICE, "push_uuid": push_uuid, **more})

    @asynccontextmanager
    async def socket(self, **query: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        key = access_key(product_id=PRODUCT_ID, app_key=APP_KEY, device_id=DEVICE)
        told = {"device_id": DEVICE, "access_key": key, "fpid": PRODUCT_ID, "aid": APP_ID, **query}
        url = self._coze.base.replace("http", "ws") + "/ws/v2"
        async with self._http.ws_connect(url, params=told, protocols=("binary", "base64", "pbbp2")) as socket:
            yield socket


@asynccontextmanager
async def _client(**settings: Any) -> AsyncIterator[tuple[Coze, Client]]:
    async with emulated(**settings) as coze, aiohttp.ClientSession() as http:
        yield coze, Client(coze, http)


async def _pushes(socket: aiohttp.ClientWebSocketResponse, *, until: str = '"is_finish":"1"') -> list[Any]:
    """All pushes up to the first that has the mark."""
    reader, pushes = FrontierReader(), []
    with anyio.fail_after(PATIENCE_S):
        while True:
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
            for payload in reader.feed(message.data):
                pushes.append(json.loads(payload.data))
                if until.encode() in payload.data:
                    return pushes


async def test_launch_tells_all_that_the_socket_needs() -> None:
    async with _client() as (coze, client):
        status, answer = await client.launch()
        assert status == 200
        config = answer["data"]["config"]
        assert (answer["code"], answer["msg"]) == (0, "success")
        assert config["frontier_app_key"] == APP_KEY
        assert config["frontier_app_id"] == APP_ID
        assert config["frontier_product_id"] == PRODUCT_ID
        assert config["frontier_domain"] == f"ws://127.0.0.1:{coze.port}"
        assert coze.server.seen.launches == 1


@pytest.mark.parametrize("cookie", ["", "sessionid=", "sessionid=wrong", "other=x", "sessionid=ünï"])
async def test_a_wrong_session_is_refused_everywhere(cookie: str) -> None:
    async with _client() as (coze, client):
        for path in ("/api/playground/user/launch", "/api/draftbot/update", "/api/draftbot/execute"):
            status, answer = await client.post(path, headers={"Cookie": cookie})
            assert (status, answer) == (200, {"code": 700012006, "msg": "login session invalid"})
        assert list(coze.server.seen.executions) == []


async def test_a_blocked_region_is_refused_everywhere() -> None:
    async with _client(region_blocked=True) as (_, client):
        for path in ("/api/playground/user/launch", "/api/draftbot/update", "/api/draftbot/execute"):
            _, answer = await client.post(path)
            assert answer["code"] == 1
            assert "regional restrictions" in answer["msg"]


async def test_an_answer_comes_as_snapshots_over_the_socket() -> None:
    async with _client() as (coze, client), client.socket() as socket:
        push_uuid = str(uuid.uuid4())
        assert await client.execute("one two three", push_uuid=push_uuid) == (
            200,
            {"code": 0, "msg": "success", "data": {}},
        )
        pushes = await _pushes(socket)
        assert [push["message"]["content"] for push in pushes] == ["one", "one two", *["one two three"] * 2]
        assert {push["message"]["ext"]["PushUuid"] for push in pushes} == {push_uuid}
        assert [push["message"]["ext"]["is_finish"] for push in pushes] == ["0", "0", "0", "1"]
        assert {push["message"]["reply_type"] for push in pushes} == {1}
        assert coze.server.seen.executions[0].push_uuid == push_uuid
        assert coze.server.seen.frames == 4


async def test_steps_come_before_the_answer_and_suggestions_after() -> None:
    async with _client() as (_, client), client.socket() as socket:
        await client.execute("Berlin?", bot=2)
        pushes = await _pushes(socket, until='"content_type":2')
        kinds = [push["message"]["reply_type"] for push in pushes]
        assert kinds[:5] == [3, 4, 3, 4, 6]
        assert kinds[-1] == 2
        assert set(kinds[5:-1]) == {1}
        assert pushes[-2]["message"]["ext"]["has_suggest"] == "1"
        assert pushes[-2]["message"]["ext"]["token"]


async def test_the_same_seed_says_the_same() -> None:
    texts = []
    for seed in (3, 3, 4, 5, 6):
        async with _client(seed=seed) as (_, client), client.socket() as socket:
            await client.execute("hello", bot=0)
            texts.append((await _pushes(socket))[-1]["message"]["content"])
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


async def test_without_a_socket_a_push_is_lost() -> None:
    async with _client() as (coze, client):
        await client.execute("one two", push_uuid="gone")
        await coze.wire.until_count("lost", 3)
        assert list(coze.server.seen.lost) == ["gone"] * 3
        assert coze.server.seen.frames == 0


async def test_a_push_goes_to_the_sockets_of_its_device_only() -> None:
    other = access_key(product_id=PRODUCT_ID, app_key=APP_KEY, device_id="1")
    async with (
        _client() as (_, client),
        client.socket() as one,
        client.socket() as two,
        client.socket(device_id="1", access_key=other) as stranger,
    ):
        await client.execute("one two")
        assert await _pushes(one) == await _pushes(two)
        await stranger.send_str("hi")
        assert (await stranger.receive()).data == "hi"  # and nothing before it


@pytest.mark.parametrize(
    "query",
    [
        {"access_key": ""},
        {"access_key": "0" * 32},
        {"access_key": "ü"},
        {"device_id": "1"},
        {"device_id": "", "access_key": access_key(product_id=PRODUCT_ID, app_key=APP_KEY, device_id="")},
    ],
)
async def test_the_access_key_is_verified_against_the_device(query: dict[str, str]) -> None:
    async with _client() as (coze, client):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with client.socket(**query):
                pytest.fail("it opened")
        assert caught.value.status == 403
        assert caught.value.headers is not None
        assert caught.value.headers["Handshake-Status"] == "403"
        assert caught.value.headers["Handshake-Msg"] == "forbidden"
        assert coze.server.seen.sockets == 0


async def test_a_good_key_can_be_refused_too() -> None:
    async with _client(key_accepted=False) as (_, client):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with client.socket():
                pytest.fail("it opened")
        assert caught.value.status == 403


async def test_too_many_sockets_of_a_device_are_refused_with_514() -> None:
    async with _client(most_sockets=2) as (coze, client):
        async with client.socket(), client.socket():
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                async with client.socket():
                    pytest.fail("it opened")
            assert caught.value.status == 514
            assert caught.value.headers is not None
            assert caught.value.headers["Handshake-Autherrcode"] == "1000040350"
            assert caught.value.headers["Handshake-Msg"] == "auth failed"
        await coze.wire.until_count("closed", 2)
        async with client.socket():
            pass


async def test_the_subprotocol_is_chosen_where_it_is_offered() -> None:
    async with _client() as (_, client), client.socket() as socket:
        assert socket.protocol == "pbbp2"


async def test_hi_is_echoed_and_nothing_else() -> None:
    async with _client() as (coze, client), client.socket() as socket:
        for message in ("hello", "hi", "Hi", "hi"):
            await socket.send_str(message)
        await socket.send_bytes(b"hi")
        await socket.send_str("hi")
        for _ in range(3):
            assert (await socket.receive()).data == "hi"
        assert coze.server.seen.heartbeats == 3


async def test_cut_every_so_many_frames() -> None:
    async with _client(cut_every=3) as (coze, client):
        for cuts in (1, 2):
            async with client.socket() as socket:
                await client.execute("one two three four five six")
                got = [message async for message in socket]
                assert len(got) == 3
                assert socket.close_code == 1006
            assert coze.server.seen.cuts == cuts
        await coze.wire.until_count("lost", 2 * 4)


async def test_a_deaf_socket_hears_and_says_nothing_more() -> None:
    async with _client() as (coze, client), client.socket() as socket:
        await client.execute("one two [[fault deaf after=1]]")
        await _pushes(socket, until='"one"')
        await socket.send_str("hi")
        await coze.wire.until_count("lost", 2)
        assert coze.server.seen.heartbeats == 0
        assert coze.server.seen.cuts == 0


async def test_the_pace_is_tokens_a_second_and_the_bots_own() -> None:
    """The waits as the loop was asked for them: no clock is looked at."""
    paces: list[float] = []

    class Noted(Pace):
        def __init__(self, tokens_per_s: float, _now: float) -> None:
            paces.append(tokens_per_s)
            super().__init__(1000, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realcoze.emulator.playground.Pace", Noted)
        async with _client(pace=50) as (_, client), client.socket() as socket:
            for bot in (4, 3):  # echo, and the slow one
                await client.execute("one two three", bot=bot)
                await _pushes(socket)
    assert paces == [50, 5]


async def test_every_refusal_of_a_call() -> None:
    refusals = {
        "region": (200, 1),
        "session": (200, 700012006),
        "risk": (200, 700012014),
        "quota": (200, 4008),
        "signature": (403, None),
        "broken": (502, None),
    }
    async with _client() as (coze, client), client.socket():
        for name, (status, code) in refusals.items():
            got_status, answer = await client.execute(f"hello [[fault {name}]]")
            assert got_status == status, name
            if code is not None:
                assert answer["code"] == code
            elif name == "signature":
                assert answer == ""
            else:
                assert answer.startswith("<html>")
        assert coze.server.seen.frames == 0
        assert set(refusals) | {"stall", "early", "silent"} == set(CALL_FAULTS)


async def test_early_pushes_before_it_answers_and_silent_never_pushes() -> None:
    async with _client() as (coze, client), client.socket() as socket:
        await client.execute("one two [[fault early]]")
        assert coze.server.seen.frames == 3
        await _pushes(socket)
        await client.execute("one two [[fault silent]]")
        await client.execute("done")
        assert (await _pushes(socket))[-1]["message"]["content"] == "done"


async def test_a_stalled_call_ends_with_the_emulator() -> None:
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks, _client() as (coze, client):
            tasks.start_soon(client.execute, "hello [[fault stall]]")
            await coze.wire.until_count("execute", 1)
            tasks.cancel_scope.cancel()


async def test_a_call_that_cannot_be_answered_is_refused() -> None:
    async with _client() as (_, client):
        for more in ({"bot_id": "1"}, {"work_info": {"message_info": "[]"}}, {"work_info": {"message_info": "{"}}):
            _, answer = await client.execute("hello", **more)
            assert answer["code"] in (4000, 4006), more
            assert answer["msg"]
        _, answer = await client.post("/api/draftbot/execute", {"bot_id": 5})
        assert answer["code"] == 4000
        _, answer = await client.execute("hello [[fault cuts]]")
        assert answer["code"] == 4000
        assert "no fault 'cuts'" in answer["msg"]


async def test_update_is_accepted() -> None:
    async with _client() as (coze, client):
        assert (await client.post("/api/draftbot/update", bot_config(BOTS[0])))[1]["code"] == 0
        assert coze.wire.count("update") == 1


async def test_all_that_goes_over_the_wire_is_noted() -> None:
    async with _client() as (coze, client):
        await client.launch()
        async with client.socket() as socket:
            await socket.send_str("hi")
            await socket.receive()
            await client.execute("one", push_uuid="the-turn")
            await _pushes(socket)
        await coze.wire.until_count("closed", 1)
        kinds = [note.kind for note in coze.wire.notes]
        assert kinds == ["launch", "socket", "heartbeat", "execute", "frame", "frame", "closed"]
        by_kind = {note.kind: note for note in coze.wire.notes}
        assert by_kind["execute"].detail == "echo, 1 messages"
        assert by_kind["execute"].push_uuid == by_kind["frame"].push_uuid == "the-turn"
        assert all(note.size > 0 for note in coze.wire.notes if note.kind in ("launch", "execute", "frame"))
        assert list(coze.server.seen.closes) == [1000]


async def test_nothing_that_was_said_is_noted() -> None:
    async with _client() as (coze, client), client.socket() as socket:
        await client.execute("my-question")
        await _pushes(socket)
        assert "my-question" not in str(coze.wire.notes)


async def test_an_answer_that_is_being_given_ends_with_the_emulator() -> None:
    wire = Wire()
    async with _client(pace=0.001) as (coze, client):
        await client.execute("one two three")
        await coze.wire.until_count("lost", 1)
        wire.notes = coze.wire.notes
    await soon(lambda: not coze.server._playing)
    assert len([note for note in wire.notes if note.kind == "lost"]) == 1
