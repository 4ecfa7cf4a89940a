import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
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
from realcoze.dialects.openai_responses.request import Asked
from realcoze.dialects.openai_responses.stream import ResponseEncoder
from realcoze.domain.event import TurnDone
from realcoze.domain.ids import CallerId, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.errors import RateLimited, Truncated
from realcoze.faces.openai.background import Listening
from realcoze.faces.openai.responses import PATH
from realcoze.gateway.kept import RECORD_BYTES, key_of
from realcoze.gateway.unattended import WHOLE, Bounds
from servers import PATIENCE_S, Gathered, NoFlow

pytestmark = pytest.mark.anyio


def asked(**members: Any) -> bytes:
    return request(json.dumps({"model": "bot", "input": "Hello", "background": True, **members}).encode(), path=PATH)


@asynccontextmanager
async def keeping(bot: Bot, *, whole: Bounds = WHOLE) -> AsyncIterator[Served]:
    async with keeping_answers(whole=whole) as where, serving(bot, keeping=where) as served:
        yield served


async def post(served: Served, **members: Any) -> Any:
    answer = parsed(await exchange(served.port, asked(**members)))
    assert answer.status == 200, answer.json
    return answer.json


async def call(served: Served, path: str, *, method: str = "GET") -> Answer:
    return parsed(await exchange(served.port, request(b"", path=f"{PATH}/{path}", method=method)))


async def until_over(served: Served, response_id: str) -> Any:
    """What a client gets that asks until the response is complete, as OpenAI's guide has it."""
    with anyio.fail_after(PATIENCE_S):
        while (told := (await call(served, response_id)).json)["status"] in ("queued", "in_progress"):
            assert (told["output"], told["background"]) == ([], True)
    return told


def events(text: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def names(text: str) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events(text)]


async def waiting(turn: Turn) -> None:
    """A bot that has begun, and ends when it is told to."""
    turn.start()
    turn.say("Wa")
    await turn.go.wait()
    turn.say("rm")
    turn.done()


async def test_a_response_is_queued_and_can_be_fetched_until_it_is_complete(nothing_left: None) -> None:
    bot = Bot(waiting)
    async with keeping(bot) as served:
        told = await post(served)
        assert (told["status"], told["background"], told["store"], told["output"]) == ("queued", True, True, [])
        turn = await bot.turn()
        assert (await call(served, told["id"])).json["status"] == "in_progress"
        turn.go.set()
        over = await until_over(served, told["id"])
    assert (over["status"], over["output"][0]["content"][0]["text"]) == ("completed", "Warm")
    assert {**over, "status": "queued", "output": [], "conversation": None} == told


async def test_one_that_fails_says_why(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        raise RateLimited("Slowly.")

    async with keeping(Bot(script)) as served:
        over = await until_over(served, (await post(served))["id"])
    assert (over["status"], over["error"]) == ("failed", {"code": "rate_limit_exceeded", "message": "Slowly."})


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_known_to_be_wrong_is_told_at_once(stream: Any, nothing_left: None) -> None:
    demanded = {"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"}
    bot = Bot(waiting)
    async with keeping(bot) as served:
        for members, status in (({"model": "nope"}, 404), (demanded, 400)):
            refused = parsed(await exchange(served.port, asked(stream=stream, **members)))
            assert (refused.status, refused.json["error"]["type"]) == (status, "invalid_request_error")
    assert not bot.turns


@pytest.mark.parametrize("stream", [False, True])
async def test_one_can_be_cancelled_and_its_turn_is(stream: Any, nothing_left: None) -> None:
    bot = Bot(waiting)
    async with keeping(bot) as served, connected(served.port) as client:
        await client.send(asked(stream=stream))
        await client.until(b"output_text.delta" if stream else b'"queued"')
        told = events(parsed(client.got).text)[0]["response"] if stream else parsed(client.got).json
        turn = await bot.turn()
        cancelled = (await call(served, f"{told['id']}/cancel", method="POST")).json
        assert (cancelled["status"], cancelled["error"], turn.is_cancelled) == ("cancelled", None, True)
        again = (await call(served, f"{told['id']}/cancel", method="POST")).json
        assert (await call(served, told["id"])).json == again == cancelled
        going_on = parsed(await exchange(served.port, asked(previous_response_id=told["id"])))
        assert (going_on.status, len(bot.turns)) == (400, 1)
        if stream:
            answer = parsed(await client.rest())
            assert (names(answer.text)[-2:], answer.has_last_chunk) == (["failed", "error"], True)
            assert cancelled["output"][0]["status"] == "incomplete"


async def test_one_that_is_complete_stays_so_when_it_is_cancelled(nothing_left: None) -> None:
    async with keeping(saying("Warm")) as served:
        over = await until_over(served, (await post(served))["id"])
        assert (await call(served, f"{over['id']}/cancel", method="POST")).json == over


async def test_one_that_is_deleted_is_stopped(nothing_left: None) -> None:
    bot = Bot(waiting)
    async with keeping(bot) as served:
        told, turn = await post(served), await bot.turn()
        assert (await call(served, told["id"], method="DELETE")).json["deleted"]
        assert turn.is_cancelled
        assert (await call(served, told["id"])).status == 404


async def test_a_stream_tells_of_it_as_it_is_made(nothing_left: None) -> None:
    async with keeping(saying("Warm")) as served:
        answer = parsed(await exchange(served.port, asked(stream=True)))
        told = events(answer.text)[-1]["response"]
        assert (await call(served, told["id"])).json == told
    assert names(answer.text)[:3] == ["created", "queued", "in_progress"]
    assert (names(answer.text)[-1], answer.has_last_chunk) == ("completed", True)


async def test_a_turn_goes_on_though_the_reader_of_its_stream_has_left(nothing_left: None) -> None:
    bot = Bot(waiting)
    async with keeping(bot) as served:
        async with connected(served.port) as client:
            await client.send(asked(stream=True))
            await client.until(b"output_text.delta")
            told = events(parsed(client.got).text)[0]["response"]
            client.leave()
        turn = await bot.turn()
        assert (await call(served, told["id"])).json["status"] == "in_progress"
        turn.go.set()
        over = await until_over(served, told["id"])
    assert (over["status"], over["output"][0]["content"][0]["text"]) == ("completed", "Warm")


async def test_a_reader_that_is_slow_holds_the_turn_up_until_it_leaves(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        while not turn.is_paused:
            turn.say("x" * 100_000)
            await anyio.lowlevel.checkpoint()
        await turn.until_ready()
        turn.done()

    bot = Bot(script)
    async with keeping(bot) as served:
        async with connected(served.port) as client:
            await client.send(asked(stream=True))
            turn = await bot.turn()
            await turn.until(lambda: turn.is_paused)
            assert not turn.is_over
            client.leave()
        await turn.until(lambda: turn.is_over)
    assert not turn.is_cancelled


async def test_a_stream_that_fails_before_its_first_word_is_a_status_and_nothing_is_kept(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        raise Truncated("It broke off.")

    async with keeping_answers() as where, serving(Bot(script), keeping=where) as served:
        answer = parsed(await exchange(served.port, asked(stream=True)))
        response_id = f"resp_{answer.headers['x-request-id'].removeprefix('req_')}"
        assert (answer.status, await where.kept.find(key_of(CallerId(""), response_id))) == (502, None)


def test_who_leaves_before_the_turn_begins_holds_nothing_up_and_the_response_is_made() -> None:
    asked = Asked(request=Request(messages=(say("user", "Hi"),)), model="bot", is_background=True)
    encoder, sink, flow = ResponseEncoder(asked, RequestId("req_1"), created=7), Gathered(), NoFlow()
    listening = Listening(sink, encoder)
    listening.leave()
    listening.open(flow)
    listening.feed(TurnDone())
    assert (sink.flows, sink.events, encoder.is_closed) == ([], [], True)


@pytest.mark.parametrize("whole", [Bounds(turns=1, size_bytes=1 << 20), Bounds(turns=9, size_bytes=400)])
@pytest.mark.parametrize("stream", [False, True])
async def test_there_are_never_more_than_the_most(stream: Any, whole: Bounds, nothing_left: None) -> None:
    """Each has between 200 and 400 bytes, with the items that are kept of it."""
    bot = Bot(waiting)
    async with keeping(bot, whole=whole) as served:
        told, turn = await post(served), await bot.turn()
        refused = parsed(await exchange(served.port, asked(stream=stream)))
        assert (refused.status, refused.json["error"]["code"], len(bot.turns)) == (503, "overloaded", 1)
        assert refused.headers["retry-after"]
        turn.go.set()
        await until_over(served, told["id"])


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_is_begun_that_nobody_could_find(stream: Any, nothing_left: None) -> None:
    bot = Bot(waiting)
    async with keeping(bot) as served:
        sent = asked(stream=stream, metadata={"a": "x" * RECORD_BYTES})
        refused = parsed(await exchange(served.port, sent))
        assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_request_error")
        assert "longer than 1 MiB" in refused.json["error"]["message"]
    assert not bot.turns


@pytest.mark.parametrize("stream", [False, True])
async def test_one_that_the_end_of_the_server_interrupts_never_looks_complete(stream: Any, nothing_left: None) -> None:
    bot = Bot(waiting)
    async with keeping_answers() as where:
        async with serving(bot, keeping=where, grace_s=0) as served, connected(served.port) as client:
            await client.send(asked(stream=stream))
            await client.until(b"output_text.delta" if stream else b'"queued"')
            told = events(parsed(client.got).text)[0]["response"] if stream else parsed(client.got).json
            turn = await bot.turn()
        assert not turn.is_over
    found = await where.kept.find(key_of(CallerId(""), told["id"]))
    assert found is not None
    response = json.loads(found)["response"]
    assert (turn.is_cancelled, response["status"]) == (True, "failed")
    assert response["error"]["message"] == "The answer was stopped before it was complete."
