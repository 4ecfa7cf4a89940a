"""What programs send that know nothing of Coze: to an emulated Coze, judged by what that received."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from houses import open_settings_for, settings_for
from pictures import png
from realcoze.app.config import Bot, Settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.content import Inline, Text
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolResult
from realcoze.emulator.account import BOTS, CHATFLOW, WORKFLOWS
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from realcoze.errors import NotFound, TooLarge
from servers import PATIENCE_S, Coze, emulated

pytestmark = pytest.mark.usefixtures("nothing_left")

MEMORY, ECHO, PICTURES, SECRETARY = map(BotName, ("memory", "echo", "pictures", "secretary"))
IDS = {BotName(bot.name): bot.bot_id for bot in BOTS}
CHAT = "USER: My name is Ada\nASSISTANT: Hello Ada"
TAGS = (
    "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history.\n\n### Output:\n"
    'JSON format: { "tags": ["tag1", "tag2", "tag3"] }\n\n### Chat History:\n<chat_history>\n'
    f"{CHAT}\n</chat_history>"
)
TITLE = TAGS.replace('"tags": ["tag1", "tag2", "tag3"]', '"title": "your title"')
REMIND = say("user", "Remind me at 18:00 of the weather")


@pytest.fixture(params=["coze", "studio"])
async def coze(request: pytest.FixtureRequest, nothing_left: None) -> AsyncIterator[Coze]:
    personality: Personality = request.param
    async with emulated(OpenSettings(personality=personality, pace=0.0)) as running:
        yield running


def _settings(coze: Coze, folder: Path, **bots: Bot) -> Settings:
    """The emulator's bots, and these in their stead."""
    settings = open_settings_for(coze, folder)
    return replace(settings, bots={**settings.bots, **{BotName(name): bot for name, bot in bots.items()}})


def _bot(name: BotName, **fields: Any) -> Bot:
    return Bot(upstream="coze", bot_id=IDS[name], **fields)


async def _ask(settings: Settings, bot: BotName, *messages: Message, **fields: Any) -> Reply:
    async with open_house(settings) as house:
        return await house.gateway.ask(Request(messages=messages, bot=bot, **fields))


@asynccontextmanager
async def _client(settings: Settings, **headers: str) -> AsyncIterator["Client"]:
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as http,
    ):
        yield Client(http, f"http://127.0.0.1:{port}", headers)


class Client:
    def __init__(self, http: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._http, self._url = http, url
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def ask(self, *texts: str, bot: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """A history that begins with the user."""
        messages = [{"role": 2 - place % 2, "content": text} for place, text in enumerate(texts)]
        body = {"messages": messages, "bot": bot, **more}
        async with self._http.post(self._url, json=body, headers=self._headers) as response:
            return response.status, await response.json()


def _received(coze: Coze) -> list[list[str]]:
    """The messages of each chat that Coze was asked for."""
    return [[message.content or "" for message in chat.additional_messages or ()] for chat in coze.open_api.seen.chats]


async def test_background_requests_cost_no_call_and_leave_the_conversation_alone(coze: Coze, tmp_path: Path) -> None:
    """CLIENTS §5 item 21."""
    settings = _settings(coze, tmp_path, memory=_bot(MEMORY, history="continue"))
    async with _client(settings, x_openwebui_chat_id="1", x_conversation_id="tea") as client:
        _, first = await client.ask("My name is Ada", bot="memory")
        for asked, wanted in ((TITLE, {"title": "My name is Ada"}), (TAGS, {"tags": ["General"]})):
            status, told = await client.ask(asked, bot="memory")
            assert status == 200
            assert json.loads(told["content"]) == wanted
        _, last = await client.ask("My name is Ada", first["content"], "Who am I?", bot="memory")
    assert last["content"] == "You are Ada."
    assert _received(coze) == [["My name is Ada"], ["Who am I?"]]
    assert len(coze.open_api.state.conversations) == 1
    assert len(coze.open_api.seen.calls) == 2


async def test_background_requests_may_go_to_another_bot_or_to_the_bot_itself(coze: Coze, tmp_path: Path) -> None:
    settings = _settings(
        coze,
        tmp_path,
        memory=_bot(MEMORY, history="continue", background="little one"),
        echo=_bot(ECHO, aliases=["little one"]),
        pictures=_bot(PICTURES, background="pass"),
    )
    async with _client(settings, x_conversation_id="tea") as client:
        await client.ask("My name is Ada", bot="memory")
        _, told = await client.ask(TAGS, bot="memory")
        assert told["content"] == TAGS
        _, told = await client.ask("Who am I?", bot="memory")
        assert told["content"] == "You are Ada."
        await client.ask(TAGS, bot="pictures")
    assert [chat.bot_id for chat in coze.open_api.seen.chats] == [IDS[MEMORY], IDS[ECHO], IDS[MEMORY], IDS[PICTURES]]


async def test_a_question_that_merely_looks_so_is_asked(coze: Coze, tmp_path: Path) -> None:
    async with _client(_settings(coze, tmp_path)) as client:
        for texts in (("### Task:\nSort my mail.",), ("Hello", "Hi!", TAGS)):
            status, told = await client.ask(*texts, bot="echo")
            assert (status, told["content"]) == (200, texts[-1])


async def test_instructions_stand_in_front_of_a_conversation_that_goes_on(coze: Coze, tmp_path: Path) -> None:
    settings = _settings(coze, tmp_path, memory=_bot(MEMORY, history="continue"))
    first, then = say("user", "My name is Ada"), say("user", "Who am I?")
    async with open_house(settings) as house:
        asked = Request(messages=(first,), bot=MEMORY, instructions="Be kind.")
        reply = await house.gateway.ask(asked)
        again = (first, say("assistant", reply.text), then)
        assert (await house.gateway.ask(msgspec.structs.replace(asked, messages=again))).text == "You are Ada."
        await house.gateway.ask(msgspec.structs.replace(asked, messages=again, instructions="Be rude."))
    prefixed = "Be rude.\n\nMy name is Ada"
    assert _received(coze) == [["Be kind.\n\nMy name is Ada"], ["Who am I?"], [prefixed, reply.text, "Who am I?"]]
    assert len(coze.open_api.state.conversations) == 2


async def test_instructions_may_be_a_variable_or_nothing(coze: Coze, tmp_path: Path) -> None:
    echo, memory = _bot(ECHO, instructions="variable:persona"), _bot(MEMORY, instructions="drop")
    settings = _settings(coze, tmp_path, echo=echo, memory=memory)
    for bot in (ECHO, MEMORY):
        await _ask(settings, bot, say("user", "Hello"), instructions="Be kind.")
    assert _received(coze) == [["Hello"], ["Hello"]]
    assert [chat.custom_variables for chat in coze.open_api.seen.chats] == [{"persona": "Be kind."}, None]


async def test_a_workflow_gets_instructions_as_a_parameter_or_not_at_all(coze: Coze, tmp_path: Path) -> None:
    workflow_id = next(each.workflow_id for each in WORKFLOWS if each.name == "poem")
    settings = _settings(
        coze,
        tmp_path,
        poem=Bot(upstream="coze", workflow_id=workflow_id),
        styled=Bot(upstream="coze", workflow_id=workflow_id, instructions="variable:style"),
        guide=Bot(upstream="coze", chatflow_id=CHATFLOW.workflow_id),
    )
    for bot in ("poem", "styled", "guide"):
        await _ask(settings, BotName(bot), say("user", "tea"), instructions="Be kind.")
    bodies = [json.loads(call.body) for call in coze.open_api.seen.calls]
    assert [body["parameters"].get("style") for body in bodies] == [None, "Be kind.", None]
    assert [body["parameters"].get("input") for body in bodies[:2]] == ["tea", "tea"]
    assert bodies[2]["additional_messages"][0]["content"] == "Be kind.\n\ntea"


async def test_files_that_come_with_a_question_are_seen(coze: Coze, tmp_path: Path) -> None:
    cat, paper = Inline(data=png(4, 3), name="cat.png"), Inline(data=b"%PDF-1.7", name="paper.pdf")
    question = Message(role="user", parts=(Text(text="Look"), cat, paper, cat))
    reply = await _ask(_settings(coze, tmp_path), PICTURES, question)
    seen = reply.text.split("\n\n")
    assert [told.partition(",")[0] for told in seen] == [
        "I see `image/png`",
        "I see `application/pdf`",
        seen[0].partition(",")[0],
    ]
    assert "4 × 3 pixels" in seen[0]
    assert sum(call.path == "/v1/files/upload" for call in coze.open_api.seen.calls) == 2


async def test_a_file_that_is_too_large_is_refused_before_anything_is_asked(coze: Coze, tmp_path: Path) -> None:
    settings = _settings(coze, tmp_path)
    settings.upstreams["coze"].upload_bytes = 10
    with pytest.raises(TooLarge):
        await _ask(settings, PICTURES, Message(role="user", parts=(Inline(data=png(4, 3)),)))
    assert len(coze.open_api.seen.calls) == 0


async def test_on_the_playground_files_are_seen_and_instructions_stand_in_front(coze: Coze, tmp_path: Path) -> None:
    settings = settings_for(coze, tmp_path)
    async with open_house(settings) as house:
        picture = Message(role="user", parts=(Inline(data=png(4, 3)),))
        seen = await house.gateway.ask(Request(messages=(picture,), bot=PICTURES))
        told = await house.gateway.ask(Request(messages=(say("user", "Hi"),), bot=ECHO, instructions="Be kind."))
        tags = await house.gateway.ask(Request(messages=(say("user", TAGS),), bot=ECHO))
    assert "image/png" in seen.text
    assert told.text == "Be kind.\n\nHi"
    assert json.loads(tags.text) == {"tags": ["General"]}
    assert coze.wire.count("execute") == 2


HAS_TOOLS = pytest.mark.parametrize("coze", ["coze"], indirect=True)
"""Coze Studio has no call that takes results."""


@HAS_TOOLS
@pytest.mark.parametrize("history", ["replay", "continue"])
async def test_results_of_tools_need_no_more_than_the_ids_of_their_calls(
    coze: Coze, tmp_path: Path, history: Any
) -> None:
    """CLIENTS §5 item 9."""
    settings = _settings(coze, tmp_path, secretary=_bot(SECRETARY, history=history))
    async with open_house(settings) as house:
        asked = Request(messages=(REMIND,), bot=SECRETARY)
        waiting = await house.gateway.ask(asked)
        assert [call.name for call in waiting.tool_calls] == ["add_reminder", "get_weather"]
        results = tuple(ToolResult(call_id=call.call_id, output=call.name) for call in waiting.tool_calls)
        with_results = msgspec.structs.replace(asked, tool_results=results)
        told = await house.gateway.ask(with_results)
        with pytest.raises(NotFound, match="not known any more"):
            await house.gateway.ask(with_results)
        more = (REMIND, say("assistant", told.text), say("user", "Thank you"))
        await house.gateway.ask(msgspec.structs.replace(asked, messages=more))
    assert told.text == "The tool says: add_reminder; get_weather"
    assert len(_received(coze)[-1]) == (1 if history == "continue" else 3)
    assert sum(call.path == "/v3/chat/submit_tool_outputs" for call in coze.open_api.seen.calls) == 1


@HAS_TOOLS
async def test_results_of_tools_find_their_turn_over_http_and_after_a_restart(coze: Coze, tmp_path: Path) -> None:
    """The file is there because some bot goes on with conversations."""
    settings = _settings(coze, tmp_path, memory=_bot(MEMORY, history="continue"))
    async with _client(settings) as client:
        status, waiting = await client.ask(REMIND.text, bot="secretary")
        assert status == 200
    results = [{"call_id": call["id"], "output": "done"} for call in waiting["tool_calls"]]
    async with _client(settings) as client:
        status, told = await client.ask(bot="secretary", tool_results=results)
        assert (status, told["content"]) == (200, "The tool says: done; done")
        status, told = await client.ask(bot="secretary", tool_results=results)
        assert (status, told["error"]["code"]) == (404, "not_found")
