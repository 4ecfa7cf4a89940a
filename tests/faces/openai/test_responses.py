"""What is the same for all calls of OpenAI's API stands in test_answering.py, the background in test_background.py."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from native_server import (
    Answer,
    Bot,
    Served,
    Turn,
    connected,
    exchange,
    keeping_answers,
    parsed,
    request,
    saying,
    serving,
)
from realcoze.domain.ports import Chats, Store
from realcoze.errors import Internal, Truncated
from realcoze.faces.openai.responses import PATH
from realcoze.gateway.kept import RECORD_BYTES
from realcoze.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio

KEYS = ("a-key-of-32-characters-and-more-", "another-of-32-characters-or-more")


def body(**members: Any) -> bytes:
    return json.dumps({"model": "bot", "input": "Hello", **members}).encode()


def names(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith("event: ")]
    return [line.removeprefix("event: response.") for line in lines]


def responses(text: str) -> list[dict[str, Any]]:
    """The response of each event that has one."""
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    return [event["response"] for event in events if "response" in event]


@asynccontextmanager
async def keeping(
    bots: Chats | Mapping[str, Chats], store: Store | None = None, **server: Any
) -> AsyncIterator[Served]:
    """A server that keeps responses."""
    async with keeping_answers(store) as where, serving(bots, keeping=where, **server) as served:
        yield served


async def call(served: Served, path: str = "", *, method: str = "GET", **headers: str) -> Answer:
    return parsed(await exchange(served.port, request(b"", path=f"{PATH}{path}", method=method, **headers)))


async def ask(served: Served, **members: Any) -> Any:
    answer = parsed(await exchange(served.port, request(body(**members), path=PATH)))
    assert answer.status == 200, answer.json
    return answer.json


def failed(answer: Answer) -> tuple[int, str]:
    assert answer.headers["x-request-id"].startswith("req_")
    return answer.status, answer.json["error"]["code"]


@pytest.mark.parametrize("path", [PATH, "/responses", "/v1/v1/responses/"])
async def test_a_whole_response(path: str, nothing_left: None) -> None:
    bot = saying("Warm")
    async with serving(bot) as served:
        answer = parsed(await exchange(served.port, request(body(tools=[{}]), path=path)))
    assert (answer.status, answer.headers["x-realcoze-ignored"]) == (200, "tools")
    assert answer.json["id"] == f"resp_{answer.headers['x-request-id'].removeprefix('req_')}"
    assert answer.json["output"][0]["content"][0]["text"] == "Warm"
    assert bot.turns[0].request.messages[0].text == "Hello"


async def test_a_streamed_response(nothing_left: None) -> None:
    async with serving(saying("Warm")) as served:
        answer = parsed(await exchange(served.port, request(body(stream=True), path=PATH)))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (names(answer.text)[-1], answer.has_last_chunk) == ("completed", True)


async def half(turn: Turn) -> None:
    turn.start()
    turn.say("Hal")
    raise Truncated("The answer broke off.")


async def test_a_response_that_breaks_off_never_looks_complete_and_is_kept_as_what_it_is(nothing_left: None) -> None:
    async with keeping(Bot(half)) as served:
        answer = parsed(await exchange(served.port, request(body(stream=True), path=PATH)))
        assert (answer.status, answer.has_last_chunk) == (200, False)
        assert names(answer.text)[-2:] == ["output_text.delta", "failed"]
        told = responses(answer.text)[-1]
        kept = (await call(served, f"/{told['id']}")).json
    assert (kept, kept["status"], kept["error"]["code"]) == (told, "failed", "server_error")
    assert kept["output"][0]["content"][0]["text"] == "Hal"


async def test_what_is_wrong_is_told_in_openai_s_shape(nothing_left: None) -> None:
    async with serving(saying("Warm")) as served:
        for wrong, status in ((body(tool_choice="required"), 400), (body(model="nobody"), 404)):
            answer = parsed(await exchange(served.port, request(wrong, path=PATH)))
            assert (answer.status, answer.json["error"]["type"]) == (status, "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_can_be_had_again_as_it_was_told(stream: Any, nothing_left: None) -> None:
    async with keeping(saying("Warm")) as served:
        answer = parsed(await exchange(served.port, request(body(stream=stream), path=PATH)))
        told = responses(answer.text)[-1] if stream else answer.json
        again = await call(served, f"/{told['id']}")
    assert told["store"]
    assert (again.status, again.json) == (200, told)


async def test_a_response_can_be_had_before_its_stream_has_ended(nothing_left: None) -> None:
    """Its client may ask for it as soon as it has read the last event, and the upstream take its time."""

    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Warm")
        turn.done()
        await turn.go.wait()

    bot = Bot(script)
    async with keeping(bot) as served, connected(served.port) as client:
        await client.send(request(body(stream=True), path=PATH))
        await client.until(b"event: response.completed")
        told = responses(parsed(client.got).text)[-1]
        assert (await call(served, f"/{told['id']}")).json == told
        bot.script = at_once
        again = await ask(served, previous_response_id=told["id"])
        bot.turns[0].go.set()
    assert again["previous_response_id"] == told["id"]


async def at_once(turn: Turn) -> None:
    turn.start()
    turn.say("Warm")
    turn.done()


async def test_the_next_turn_is_asked_with_all_that_was_said(nothing_left: None) -> None:
    bot = saying("Warm")
    async with keeping(bot) as served:
        first = await ask(served, input="One", instructions="Be brief.")
        second = await ask(served, input="Two", previous_response_id=first["id"])
        await ask(served, input="Three", previous_response_id=second["id"])
        branch = await ask(served, input="Two, differently", previous_response_id=first["id"])
    said = [[message.text for message in turn.request.messages] for turn in bot.turns]
    assert said == [
        ["Be brief.\n\nOne"],
        ["One", "Warm", "Two"],
        ["One", "Warm", "Two", "Warm", "Three"],
        ["One", "Warm", "Two, differently"],
    ]
    assert branch["previous_response_id"] == first["id"]


async def test_its_items_can_be_listed(nothing_left: None) -> None:
    async with keeping(saying("Warm")) as served:
        first = await ask(served, input="One")
        second = await ask(served, input="Two", previous_response_id=first["id"])
        newest = (await call(served, f"/{second['id']}/input_items?limit=2")).json
        rest = (await call(served, f"/{second['id']}/input_items?after={newest['last_id']}")).json
        oldest = (await call(served, f"/{second['id']}/input_items?order=asc")).json
        assert failed(await call(served, f"/{second['id']}/input_items?limit=0")) == (400, "bad_request")
        assert failed(await call(served, f"/{second['id']}/input_items?after=x")) == (400, "bad_request")

    def texts(listed: Any) -> list[str]:
        return [item["content"][0]["text"] for item in listed["data"]]

    assert (texts(newest), newest["has_more"], texts(rest), rest["has_more"]) == (["Two", "Warm"], True, ["One"], False)
    assert texts(oldest) == ["One", "Warm", "Two"]
    assert oldest["data"][1]["id"] == first["output"][0]["id"]


async def test_what_is_deleted_is_gone_for_all_purposes(nothing_left: None) -> None:
    async with keeping(saying("Warm")) as served:
        path = f"/{(first := await ask(served))['id']}"
        deleted = (await call(served, path, method="DELETE")).json
        assert deleted == {"id": first["id"], "object": "response", "deleted": True}
        for gone in (
            await call(served, path),
            await call(served, path, method="DELETE"),
            await call(served, f"{path}/input_items"),
            await call(served, f"{path}/cancel", method="POST"),
        ):
            assert failed(gone) == (404, "not_found")
        going_on = parsed(await exchange(served.port, request(body(previous_response_id=first["id"]), path=PATH)))
        assert failed(going_on) == (404, "previous_response_not_found")


async def test_what_is_not_to_be_kept_is_not_and_says_so(nothing_left: None) -> None:
    store = MemoryStore()
    async with keeping(saying("Warm"), store) as served:
        told = await ask(served, store=False)
        streamed = parsed(await exchange(served.port, request(body(store=False, stream=True), path=PATH)))
        assert failed(await call(served, f"/{told['id']}")) == (404, "not_found")
    assert (told["store"], len(store)) == (False, 0)
    assert [response["store"] for response in responses(streamed.text)] == [False, False, False]


async def test_where_nothing_is_kept_nothing_is_promised(nothing_left: None) -> None:
    bot = saying("Warm")
    async with serving(bot) as served:
        told = await ask(served, store=True)
        path = f"/{told['id']}"
        for gone in (await call(served, path), await call(served, path, method="DELETE")):
            assert failed(gone) == (404, "not_found")
        for stream in (False, True):
            asked = request(body(background=True, stream=stream), path=PATH)
            assert failed(parsed(await exchange(served.port, asked))) == (400, "bad_request")
    assert (told["store"], len(bot.turns)) == (False, 1)


async def test_what_is_too_long_is_answered_and_not_kept(nothing_left: None) -> None:
    store, long = MemoryStore(), "x" * RECORD_BYTES
    async with keeping({"bot": saying("Warm"), "talker": saying(long)}, store) as served:
        for members in ({"input": long}, {"model": "talker"}):
            told = await ask(served, **members)
            assert not told["store"]
            assert failed(await call(served, f"/{told['id']}")) == (404, "not_found")
        asked = request(body(input=long, background=True), path=PATH)
        assert failed(parsed(await exchange(served.port, asked))) == (400, "bad_request")
    assert len(store) == 0


async def test_a_response_is_its_caller_s_alone(nothing_left: None) -> None:
    async with keeping(saying("Warm"), key=KEYS[0]) as served:
        asked = request(body(), path=PATH, x_api_key=KEYS[0])
        told = parsed(await exchange(served.port, asked)).json
        assert (await call(served, f"/{told['id']}", x_api_key=KEYS[0])).json == told
        assert failed(await call(served, f"/{told['id']}")) == (401, "invalid_api_key")
        assert failed(await call(served, f"/{told['id']}", x_api_key=KEYS[1])) == (401, "invalid_api_key")


async def test_what_has_failed_is_not_gone_on_with_and_coze_is_not_asked(nothing_left: None) -> None:
    bot = Bot(half)
    async with keeping(bot) as served:
        answer = parsed(await exchange(served.port, request(body(stream=True), path=PATH)))
        first = responses(answer.text)[-1]["id"]
        going_on = parsed(await exchange(served.port, request(body(previous_response_id=first), path=PATH)))
    assert (failed(going_on), len(bot.turns)) == ((400, "bad_request"), 1)


async def test_only_a_response_of_the_background_can_be_cancelled_and_none_is_streamed_again(
    nothing_left: None,
) -> None:
    async with keeping(saying("Warm")) as served:
        path = f"/{(await ask(served))['id']}"
        assert failed(await call(served, f"{path}/cancel", method="POST")) == (400, "bad_request")
        assert failed(await call(served, f"{path}?stream=true")) == (400, "bad_request")


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        turn.say("Half")
        await turn.go.wait()

    store, bot = MemoryStore(), Bot(script)
    async with keeping(bot, store) as served:
        async with connected(served.port) as client:
            await client.send(request(body(stream=True), path=PATH))
            await client.until(b"output_text.delta")
            client.leave()
        await bot.turns[0].until(lambda: bot.turns[0].is_over)
        told = responses(parsed(client.got).text)[0]
        assert failed(await call(served, f"/{told['id']}")) == (404, "not_found")
    assert (bot.turns[0].is_cancelled, len(store)) == (True, 0)


async def test_a_client_that_does_not_wait_for_a_whole_response_leaves_nothing(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        await turn.go.wait()

    store, bot = MemoryStore(), Bot(script)
    async with keeping(bot, store) as served:
        async with connected(served.port) as client:
            await client.send(request(body(), path=PATH))
            turn = await bot.turn()
            client.leave()
        await turn.until(lambda: turn.is_over)
    assert (turn.is_cancelled, len(store)) == (True, 0)


class Broken(MemoryStore):
    """A store that always fails."""

    async def replace(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        raise Internal("the disk is full", code="store_failed")

    async def get(self, shelf: str, key: str) -> bytes | None:
        raise Internal("the disk is full", code="store_failed")


async def test_a_store_that_fails_costs_no_turn_and_is_told_of_to_who_asks_it(nothing_left: None) -> None:
    async with keeping(saying("Warm"), Broken()) as served:
        told = await ask(served)
        assert told["output"][0]["content"][0]["text"] == "Warm"
        assert failed(await call(served, f"/{told['id']}")) == (500, "store_failed")
