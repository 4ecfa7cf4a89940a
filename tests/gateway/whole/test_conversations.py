"""Conversations that last: through the server to an emulated Coze, judged by what that received and remembers."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from houses import open_settings_for
from realcoze.app.config import Bot, Settings
from realcoze.app.server import listening
from realcoze.app.store import Store
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.account import BOTS, CHATFLOW, WORKFLOWS
from realcoze.emulator.guide import QUESTION
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from realcoze.gateway.continuity import History
from servers import PATIENCE_S, Coze, emulated

pytestmark = pytest.mark.usefixtures("nothing_left")

MEMORY = BotName("memory")
BOT_ID = next(bot.bot_id for bot in BOTS if bot.name == MEMORY)
CHATS = 50


@pytest.fixture(params=["coze", "studio"])
async def coze(request: pytest.FixtureRequest, nothing_left: None) -> AsyncIterator[Coze]:
    personality: Personality = request.param
    async with emulated(OpenSettings(personality=personality, pace=0.0)) as running:
        yield running


@asynccontextmanager
async def _served(settings: Settings) -> AsyncIterator[str]:
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        yield f"http://127.0.0.1:{port}"


def _settings(coze: Coze, folder: Path, *, kind: Any = "sqlite", **server: Any) -> Settings:
    """One bot, which goes on with conversations."""
    settings = open_settings_for(coze, folder, **server)
    bot = Bot(upstream="coze", bot_id=BOT_ID, history="continue")
    return replace(settings, bots={MEMORY: bot}, store=Store(kind=kind))


class Client:
    """A client that keeps the history itself and sends all of it each time, as most do."""

    def __init__(self, http: aiohttp.ClientSession, url: str, **headers: str) -> None:
        self.history: list[dict[str, Any]] = []
        self.url = url
        self.more: dict[str, Any] = {}
        """What stands beside the history."""
        self._http = http
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def say(self, text: str) -> str:
        self.history.append({"role": 2, "content": text})
        answer = await self.send({"messages": self.history, **self.more} if self.more else self.history)
        self.history.append({"role": 1, "content": answer})
        return answer

    async def send(self, body: Any) -> str:
        async with self._http.post(self.url, json=body, headers=self._headers) as response:
            told = await response.json()
        assert response.status == 200, told
        answer = told["content"]
        assert isinstance(answer, str)
        return answer


@asynccontextmanager
async def _client(url: str, **headers: str) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        yield Client(http, url, **headers)


def _received(coze: Coze) -> list[list[str]]:
    """The messages of each chat that Coze was asked for."""
    return [[message.content or "" for message in chat.additional_messages or ()] for chat in coze.open_api.seen.chats]


def _conversations(coze: Coze) -> list[str]:
    """The conversation that each call named."""
    calls = [call for call in coze.open_api.seen.calls if call.path == "/v3/chat"]
    return [call.query.get("conversation_id", "") for call in calls]


QUESTIONS = ["My name is Ada", "I like tea", "And cake", "Do you remember what I said?", "Who am I?"]


async def test_five_turns_send_what_is_new_and_stay_in_one_conversation(coze: Coze, tmp_path: Path) -> None:
    """CLIENTS §5 item 11."""
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        answers = [await client.say(question) for question in QUESTIONS]
    assert _received(coze) == [[question] for question in QUESTIONS]
    first, *named = _conversations(coze)
    assert first == ""
    assert len(set(named)) == 1
    assert list(coze.open_api.state.conversations) == [named[0]]
    assert all(said in answers[3] for said in QUESTIONS[:3])
    assert answers[4] == "You are Ada."


async def test_a_bot_that_replays_sends_everything_each_time(coze: Coze, tmp_path: Path) -> None:
    settings = _settings(coze, tmp_path)
    settings = replace(settings, bots={MEMORY: Bot(upstream="coze", bot_id=BOT_ID)})
    async with _served(settings) as url, _client(url) as client:
        for question in QUESTIONS[:3]:
            await client.say(question)
    assert [len(messages) for messages in _received(coze)] == [1, 3, 5]
    assert _conversations(coze) == ["", "", ""]
    assert not (tmp_path / "temp" / "conversations.sqlite").exists()


async def test_a_history_that_was_edited_begins_a_new_conversation_and_sends_everything(
    coze: Coze, tmp_path: Path
) -> None:
    """CLIENTS §5 item 11."""
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        for question in QUESTIONS[:3]:
            await client.say(question)
        client.history[2]["content"] = "I like coffee"
        answer = await client.say("Do you remember what I said?")
        await client.say("Who am I?")
    assert "coffee" in answer
    assert "tea" not in answer
    assert [len(messages) for messages in _received(coze)] == [1, 1, 1, 7, 1]
    first, second = coze.open_api.state.conversations
    assert _conversations(coze) == ["", first, first, "", second]


async def test_an_answer_that_is_asked_for_again_begins_a_new_conversation(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        for question in QUESTIONS[:2]:
            await client.say(question)
        await client.send(client.history[:3])
    assert [len(messages) for messages in _received(coze)] == [1, 1, 3]


async def _talk(clients: list[Client], turns: int, *, start: int) -> None:
    """All of them at once, the turns of each one after another; they begin alike."""

    async def one(number: int, client: Client) -> None:
        for turn in range(start, start + turns):
            await client.say("Hello" if turn == 0 else f"<{number}> in turn {turn}")

    async with anyio.create_task_group() as tasks:
        for number, client in enumerate(clients):
            tasks.start_soon(one, number, client)


def _nonces(coze: Coze, conversation_id: str) -> set[str]:
    messages = coze.open_api.state.conversations[conversation_id].messages
    said = (message.content or "" for message in messages if message.role == "user")
    return {text.partition(">")[0] for text in said if text.startswith("<")}


async def test_chats_that_begin_alike_never_mix_even_after_a_restart(coze: Coze, tmp_path: Path) -> None:
    """CLIENTS §5 item 11."""
    settings = _settings(coze, tmp_path)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(3 * PATIENCE_S)) as http:
        async with _served(settings) as url:
            clients = [Client(http, url) for _ in range(CHATS)]
            await _talk(clients, 3, start=0)
        async with _served(settings) as url:
            for client in clients:
                client.url = url
            await _talk(clients, 2, start=3)
    assert all(len(messages) == 1 for messages in _received(coze))
    assert len(coze.open_api.state.conversations) == CHATS
    nonces = [_nonces(coze, conversation_id) for conversation_id in coze.open_api.state.conversations]
    assert all(len(found) == 1 for found in nonces)
    assert len(set.union(*nonces)) == CHATS
    for number, client in enumerate(clients):
        assert set(re.findall(r"<\d+>", str(client.history))) == {f"<{number}>"}


async def test_a_store_in_memory_forgets_at_a_restart_and_everything_is_sent(coze: Coze, tmp_path: Path) -> None:
    settings = _settings(coze, tmp_path, kind="memory")
    async with _served(settings) as url, _client(url) as client:
        await client.say(QUESTIONS[0])
        await client.say(QUESTIONS[1])
        history = client.history
    async with _served(settings) as url, _client(url) as client:
        client.history = history
        await client.say(QUESTIONS[2])
    assert [len(messages) for messages in _received(coze)] == [1, 1, 5]


async def test_a_conversation_that_coze_has_forgotten_is_begun_anew_with_everything(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        await client.say(QUESTIONS[0])
        await client.say(QUESTIONS[1])
        coze.open_api.state.conversations.clear()
        answer = await client.say("Who am I?")
        await client.say("And now?")
    assert answer == "You are Ada."
    assert [len(messages) for messages in _received(coze)] == [1, 1, 1, 5, 1]
    *_, found, after = _conversations(coze)
    assert found == ""
    assert after in coze.open_api.state.conversations


async def test_callers_with_other_users_do_not_share_a_conversation(coze: Coze, tmp_path: Path) -> None:
    """CLIENTS §5 item 11."""
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        hello = {"role": 2, "content": "Hello"}
        answer = await client.send({"messages": [hello], "user": "ada"})
        both = [hello, {"role": 1, "content": answer}, {"role": 2, "content": "Again"}]
        await client.send({"messages": both, "user": "bob"})
        await client.send({"messages": both, "user": "ada"})
    assert [len(messages) for messages in _received(coze)] == [1, 3, 1]


async def test_a_client_that_names_its_chat_may_send_what_is_new_only(coze: Coze, tmp_path: Path) -> None:
    """CLIENTS §5 item 11."""
    async with _served(_settings(coze, tmp_path)) as url, _client(url, x_conversation_id="tea party") as client:
        for question in QUESTIONS[:4]:
            answer = await client.send([{"role": 2, "content": question}])
    assert all(said in answer for said in QUESTIONS[:3])
    assert len(coze.open_api.state.conversations) == 1


async def test_a_client_that_names_its_chat_and_sends_everything_is_not_disturbed_by_its_other_questions(
    coze: Coze, tmp_path: Path
) -> None:
    """Open WebUI asks for titles and the like in the name of the chat."""
    async with _served(_settings(coze, tmp_path)) as url, _client(url, x_openwebui_chat_id="1") as client:
        await client.say(QUESTIONS[0])
        await client.send([{"role": 2, "content": "Make a title of: My name is Ada"}])
        await client.say(QUESTIONS[1])
    assert _received(coze)[-1] == [QUESTIONS[1]]
    async with _served(_settings(coze, tmp_path)) as url, _client(url, x_openwebui_chat_id="2") as other:
        other.history = client.history
        await other.say(QUESTIONS[2])
    assert len(_received(coze)[-1]) == 5


async def test_a_client_that_names_cozes_conversation_goes_on_there_with_what_is_new(
    coze: Coze, tmp_path: Path
) -> None:
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        await client.say(QUESTIONS[0])
        (conversation_id,) = coze.open_api.state.conversations
        messages = [*client.history, {"role": 2, "content": "Who am I?"}]
        assert await client.send({"messages": messages, "conversation_id": conversation_id}) == "You are Ada."
    assert _received(coze)[-1] == ["Who am I?"]
    assert _conversations(coze)[-1] == conversation_id


@pytest.mark.parametrize("history", ["replay", "continue"])
async def test_the_question_of_a_chatflow_is_answered_by_the_next_turn(
    coze: Coze, tmp_path: Path, history: History
) -> None:
    bot = Bot(upstream="coze", chatflow_id=CHATFLOW.workflow_id, history=history)
    settings = replace(_settings(coze, tmp_path), bots={BotName("guide"): bot})
    async with _served(settings) as url, _client(url) as client:
        client.more = {"parameters": {"CONVERSATION_NAME": "tea"}}  # Studio begins no chatflow without it
        assert await client.say("Please ask me") == QUESTION
        assert await client.say("Paris") == "You said: Paris"
        assert "“Thank you”" in await client.say("Thank you")
    assert len(coze.open_api.state.conversations) == 1
    sent = [[message.content for message in call.additional_messages or ()] for call in coze.open_api.seen.chatflows]
    everything = [message["content"] for message in client.history[:-1]]
    assert sent[-1] == (["Thank you"] if history == "continue" else everything)


async def test_the_questions_of_a_workflow_are_answered_by_the_next_turns(coze: Coze, tmp_path: Path) -> None:
    quiz = next(each for each in WORKFLOWS if each.name == "quiz")
    bot = Bot(upstream="coze", workflow_id=quiz.workflow_id)
    settings = replace(_settings(coze, tmp_path), bots={BotName("quiz"): bot})
    async with _served(settings) as url, _client(url) as client:
        answers = [await client.say(text) for text in ("Begin", "4", "blue")]
    assert len(set(answers)) == 3
    resumed = [call for call in coze.open_api.seen.calls if call.path == "/v1/workflow/stream_resume"]
    assert len(resumed) == 2
    assert [b'"4"' in call.body for call in resumed] == [True, False]


async def test_nothing_that_was_said_is_written_down(coze: Coze, tmp_path: Path) -> None:
    async with _served(_settings(coze, tmp_path)) as url, _client(url) as client:
        for _ in range(3):
            await client.say("My name is Schikaneder")
        kept = b"".join(file.read_bytes() for file in (tmp_path / "temp").glob("conversations.sqlite*"))
    (conversation_id,) = coze.open_api.state.conversations
    assert conversation_id.encode() in kept
    assert b"Schikaneder" not in kept
