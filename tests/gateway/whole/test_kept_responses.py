"""Responses that are gone on with: through the server to an emulated Coze, judged by what that received."""

import base64
import json
import operator
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from houses import open_settings_for
from pictures import png
from realcoze.app.config import Bot, Settings
from realcoze.app.server import listening
from realcoze.app.store import Store
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.gateway.continuity import History
from servers import PATIENCE_S, Coze, emulated

pytestmark = pytest.mark.usefixtures("nothing_left")

HISTORIES: tuple[History, ...] = ("continue", "replay")
RECKONER = BotName("reckoner")
SUMS = {"add": operator.add, "multiply": operator.mul, "subtract": operator.sub}
ENDLESS = "one two three [[fault stuck after=1]]"
QUESTIONS = ["My name is Ada", "I like tea", "Who am I?"]


@pytest.fixture
async def coze(nothing_left: None) -> AsyncIterator[Coze]:
    async with emulated(OpenSettings(pace=0.0)) as running:
        yield running


def _settings(coze: Coze, folder: Path, history: History, **store: Any) -> Settings:
    settings = open_settings_for(coze, folder)
    bots = {BotName(bot.name): Bot(upstream="coze", bot_id=bot.bot_id, history=history) for bot in BOTS}
    return replace(settings, bots=bots, store=Store(**store))


class Client:
    """A client that leaves the history to the server."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = f"{url}/v1/responses"

    async def ask(self, asked: Any, *, model: str = "memory", **members: Any) -> dict[str, Any]:
        body = {"model": model, "input": asked, **members}
        async with self._http.post(self._url, json=body) as response:
            told: dict[str, Any] = await response.json()
            assert response.status == 200, told
            return told

    async def say(self, *questions: str, after: str | None = None) -> dict[str, Any]:
        """One turn after another; the last response."""
        told: dict[str, Any] = {"id": after}
        for question in questions:
            told = await self.ask(question, previous_response_id=told["id"])
        return told

    async def begin(self, asked: str) -> str:
        """Have a response made in the background, and leave with its first word; its id."""
        body = {"model": "echo", "input": asked, "background": True, "stream": True}
        async with self._http.post(self._url, json=body) as stream:
            first = await stream.content.readuntil(b"event: response.output_text.delta")
        response_id: str = json.loads(first.splitlines()[1].removeprefix(b"data: "))["response"]["id"]
        return response_id

    async def cancel(self, response_id: str) -> dict[str, Any]:
        async with self._http.post(f"{self._url}/{response_id}/cancel") as response:
            cancelled: dict[str, Any] = await response.json()
        return cancelled


@asynccontextmanager
async def _served(settings: Settings) -> AsyncIterator[Client]:
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as http,
    ):
        yield Client(http, f"http://127.0.0.1:{port}")


def _text(told: dict[str, Any]) -> str:
    return "".join(part["text"] for item in told["output"] for part in item.get("content", ()))


def _received(coze: Coze) -> list[list[str]]:
    """The messages of each chat that Coze was asked for."""
    return [[message.content or "" for message in chat.additional_messages or ()] for chat in coze.open_api.seen.chats]


def _conversations(coze: Coze) -> list[str]:
    """The conversation that each call named."""
    calls = [call for call in coze.open_api.seen.calls if call.path == "/v3/chat"]
    return [call.query.get("conversation_id", "") for call in calls]


async def test_a_bot_that_continues_gets_what_is_new_in_the_conversation_before(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path, "continue")) as client:
        last = await client.say(*QUESTIONS)
    assert _text(last) == "You are Ada."
    assert _received(coze) == [[question] for question in QUESTIONS]
    first, *named = _conversations(coze)
    assert (first, len(set(named)), "" in named) == ("", 1, False)


async def test_a_bot_that_replays_gets_everything(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path, "replay")) as client:
        last = await client.say(*QUESTIONS)
    assert _text(last) == "You are Ada."
    assert [len(messages) for messages in _received(coze)] == [1, 3, 5]
    assert set(_conversations(coze)) == {""}


async def test_two_branches_of_one_response_never_mix(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path, "continue")) as client:
        first = await client.say("Hello")
        ada, bob = [await client.say(f"My name is {name}", after=first["id"]) for name in ("Ada", "Bob")]
        answers = [_text(await client.say("Who am I?", after=branch["id"])) for branch in (ada, bob)]
    assert answers == ["You are Ada.", "You are Bob."]


@pytest.mark.parametrize("history", HISTORIES)
async def test_tools_are_run_for_a_response_and_their_results_go_on_with_it(
    coze: Coze, tmp_path: Path, history: History
) -> None:
    async with _served(_settings(coze, tmp_path, history)) as client:
        first = await client.ask("remind me at 10:30 of the weather", model="secretary")
        calls = [item for item in first["output"] if item["type"] == "function_call"]
        results = [{"type": "function_call_output", "call_id": call["call_id"], "output": "done"} for call in calls]
        second = await client.ask(results, model="secretary", previous_response_id=first["id"])
        third = await client.ask("Thank you", model="secretary", previous_response_id=second["id"])
    assert _text(second) == "The tool says: done; done"
    assert third["status"] == "completed"


@pytest.mark.parametrize("history", HISTORIES)
async def test_a_bot_that_is_told_of_tools_in_words_works_a_sum_out_step_by_step(
    coze: Coze, tmp_path: Path, history: History
) -> None:
    settings = _settings(coze, tmp_path, history)
    settings.bots[RECKONER].tools = "emulate"
    numbers = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}
    tools = [{"type": "function", "name": name, "parameters": numbers} for name in SUMS]
    async with _served(settings) as client:
        told = await client.ask("What is (2 + 3) * 4 - 1?", model=RECKONER, tools=tools)
        called = []
        while calls := [item for item in told["output"] if item["type"] == "function_call"]:
            called += [call["name"] for call in calls]
            worked_out = [SUMS[call["name"]](*json.loads(call["arguments"]).values()) for call in calls]
            results = [
                {"type": "function_call_output", "call_id": call["call_id"], "output": str(value)}
                for call, value in zip(calls, worked_out, strict=True)
            ]
            told = await client.ask(results, model=RECKONER, tools=tools, previous_response_id=told["id"])
    assert (called, _text(told)) == (["add", "multiply", "subtract"], "That makes 19.")
    if history == "continue":
        assert {len(messages) for messages in _received(coze)} == {1}


@pytest.mark.parametrize("history", HISTORIES)
async def test_responses_outlast_a_restart_where_there_is_a_file(coze: Coze, tmp_path: Path, history: History) -> None:
    settings = _settings(coze, tmp_path, history, path=str(tmp_path / "store.sqlite"))
    async with _served(settings) as client:
        first = await client.say(QUESTIONS[0])
    async with _served(settings) as client:
        last = await client.say(QUESTIONS[2], after=first["id"])
    assert _text(last) == "You are Ada."
    assert len(_received(coze)[1]) == (1 if history == "continue" else 3)


async def test_a_conversation_with_a_picture_is_gone_on_with(coze: Coze, tmp_path: Path) -> None:
    """Of the picture a note is kept; the bot that continues has seen it."""
    data = f"data:image/png;base64,{base64.b64encode(png(3, 2)).decode()}"
    content = [{"type": "input_text", "text": "Look"}, {"type": "input_image", "image_url": data}]
    async with _served(_settings(coze, tmp_path, "continue")) as client:
        first = await client.ask([{"role": "user", "content": content}])
        await client.say("And now?", after=first["id"])
    assert _received(coze)[1] == ["And now?"]


async def test_a_response_that_is_cancelled_is_stopped_at_coze(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path, "replay")) as client:
        response_id = await client.begin(ENDLESS)
        assert not coze.open_api.seen.cancelled
        cancelled = await client.cancel(response_id)
        assert len(coze.open_api.seen.cancelled) == 1
    assert (cancelled["status"], cancelled["output"][0]["status"]) == ("cancelled", "incomplete")


async def test_a_server_that_stops_stops_what_is_made_in_the_background_at_coze(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path, "replay")) as client:
        await client.begin(ENDLESS)
        assert not coze.open_api.seen.cancelled
    assert len(coze.open_api.seen.cancelled) == 1
