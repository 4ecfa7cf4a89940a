"""Bots that no settings list: from a realcoze.toml with `discover = true` to answers, over an emulated Coze."""

import json
import logging
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from commands import Ended, run, running
from realcoze.app.config import load_settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.emulator.account import API_TOKEN, BOTS
from realcoze.emulator.open_api.settings import OpenSettings
from servers import Coze, emulated

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "0123456789abcdef"
BOT = {bot.name: bot.bot_id for bot in BOTS}
FOUND = [bot.name for bot in BOTS]
OURS = f'[bots.mine]\nupstream = "coze"\nbot_id = "{BOT["memory"]}"\naliases = ["echo"]\n'
ANTHROPIC = {"anthropic-version": "2023-06-01"}
LISTS = ("/v1/workspaces", "/v1/bots")


@asynccontextmanager
async def serving(coze: Coze, folder: Path, *, tables: str = "", more: str = "", key: str = "") -> AsyncIterator[str]:
    """A server whose account is told to discover; `more` are settings of the account."""
    account = f'[upstreams.coze]\nkind = "coze_open"\ndiscover = true\n{more}\n'
    (folder / "realcoze.toml").write_text(account + tables)
    environment = {"COZE_API_TOKEN": API_TOKEN, "COZE_API_BASE": coze.base, "temp_path": "temp"}
    settings = load_settings(folder=folder, environment=environment | ({"REALCOZE_KEY": key} if key else {}))
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        yield f"http://127.0.0.1:{port}"


async def get(url: str, path: str, **headers: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession(url, headers=headers) as http, http.get(path) as answer:
        return answer.status, json.loads(await answer.text())


async def models(url: str, **headers: str) -> list[str]:
    status, told = await get(url, "/v1/models", **headers)
    assert status == 200, told
    return [model["id"] for model in told["data"]]


async def ask(url: str, path: str, bot: str) -> tuple[int, Any]:
    body = {"model": bot, "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    async with aiohttp.ClientSession(url) as http, http.post(path, json=body) as answer:
        return answer.status, json.loads(await answer.text())


async def openai(url: str, bot: str) -> str:
    status, told = await ask(url, "/v1/chat/completions", bot)
    assert (status, told["model"]) == (200, bot), told
    return str(told["choices"][0]["message"]["content"])


async def anthropic(url: str, bot: str) -> str:
    status, told = await ask(url, "/v1/messages", bot)
    assert (status, told["model"]) == (200, bot), told
    return str(told["content"][0]["text"])


def lookups(coze: Coze) -> Sequence[int]:
    """How often each of the two lists was asked for."""
    return [coze.open_api.seen.count(path) for path in LISTS]


def chatted(coze: Coze) -> list[str]:
    return [str(call.bot_id) for call in coze.open_api.seen.chats]


async def test_published_bots_are_models_of_both_apis_and_answer_to_their_names(coze: Coze, tmp_path: Path) -> None:
    async with serving(coze, tmp_path, tables=OURS) as url:
        assert lookups(coze) == [0, 0]
        listed = ["mine", "echo", *(name for name in FOUND if name not in ("memory", "echo")), f"bot-{BOT['echo']}"]
        assert sorted(await models(url)) == sorted(await models(url, **ANTHROPIC)) == sorted(listed)
        for headers in ({}, ANTHROPIC):
            assert (await get(url, "/v1/models/markdown", **headers))[1]["id"] == "markdown"
            assert (await get(url, "/v1/models/nobody", **headers))[0] == 404
        assert (await get(url, "/health"))[1]["bots"] == ["mine"]
        assert "markdown" in (await get(url, "/health?bots=all"))[1]["bots"]
        assert await openai(url, "pictures")
        assert await anthropic(url, "pictures")
        assert await openai(url, f"bot-{BOT['echo']}") == "Hello"
        assert "you said “Hello”" in await openai(url, "echo"), "an alias of the settings counts more"
        for path in ("/v1/chat/completions", "/v1/messages"):
            assert (await ask(url, path, "nobody"))[0] == 404
    assert chatted(coze) == [BOT[name] for name in ("pictures", "pictures", "echo", "memory")]
    assert lookups(coze) == [1, 1]


async def test_a_chat_with_a_bot_of_the_settings_looks_nothing_up(coze: Coze, tmp_path: Path) -> None:
    async with serving(coze, tmp_path, tables=OURS) as url:
        for name in ("mine", "echo"):
            await openai(url, name)
    assert lookups(coze) == [0, 0]


async def test_a_chat_with_an_unknown_name_looks_it_up(coze: Coze, tmp_path: Path) -> None:
    async with serving(coze, tmp_path, tables=OURS) as url:
        assert await openai(url, "pictures")
        assert lookups(coze) == [1, 1]
        status, told = await ask(url, "/v1/chat/completions", "nobody")
        assert (status, told["error"]["code"]) == (404, "model_not_found")
        assert "The bots here are: mine, markdown, tools, " in told["error"]["message"]
    assert lookups(coze) == [1, 1]


async def test_a_token_is_all_that_it_takes(coze: Coze, tmp_path: Path) -> None:
    async with serving(coze, tmp_path) as url:
        assert await models(url) == FOUND
        async with aiohttp.ClientSession() as http:
            question = {"messages": [{"role": 2, "content": "Hello"}]}
            async with http.post(url, json=question) as answer:
                assert answer.status == 200
        assert (await ask(url, "/v1/chat/completions", "gpt-4o"))[0] == 404
    assert chatted(coze) == [BOT["memory"]]


async def test_without_any_bot_only_what_is_published_is_reached_by_its_id(tmp_path: Path) -> None:
    hidden = BOT["slow"]
    async with (
        emulated(OpenSettings(pace=0.0, unpublished=frozenset({hidden}))) as coze,
        serving(coze, tmp_path, more="any_bot = false") as url,
    ):
        assert await openai(url, "echo") == await openai(url, f"bot-{BOT['echo']}") == "Hello"
        assert (await ask(url, "/v1/chat/completions", f"bot-{hidden}"))[0] == 404
        assert "slow" not in await models(url)
        assert chatted(coze) == [BOT["echo"]] * 2


async def test_without_any_bot_one_of_the_settings_is_reached_by_its_id_and_listed_once(
    coze: Coze, tmp_path: Path
) -> None:
    async with serving(coze, tmp_path, tables=OURS, more="any_bot = false") as url:
        assert await openai(url, f"bot-{BOT['memory']}")
        assert (await ask(url, "/v1/chat/completions", "memory"))[0] == 404
        assert not {"memory", f"bot-{BOT['memory']}"} & set(await models(url))
    assert chatted(coze) == [BOT["memory"]]


async def test_who_has_no_key_learns_no_name_and_makes_no_call(coze: Coze, tmp_path: Path) -> None:
    async with serving(coze, tmp_path, tables=OURS, key=KEY) as url:
        assert (await get(url, "/v1/models"))[0] == 401
        assert (await get(url, "/health?bots=all"))[1]["bots"] == ["mine"]
        assert (await ask(url, "/v1/messages", "pictures"))[0] == 401
        assert lookups(coze) == [0, 0]
        assert "pictures" in (await get(url, "/health?bots=all", Authorization=f"Bearer {KEY}"))[1]["bots"]


async def test_on_studio_there_is_one_warning_and_the_settings_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        emulated(OpenSettings(personality="studio", pace=0.0)) as coze,
        serving(coze, tmp_path, tables=OURS) as url,
    ):
        for _ in range(2):
            assert await models(url) == await models(url, **ANTHROPIC) == ["mine", "echo"]
        assert "you said “Hello”" in await openai(url, "mine")
        assert "you said “Hello”" in await anthropic(url, "mine")
        assert (await ask(url, "/v1/chat/completions", "pictures"))[0] == 404
        assert coze.open_api.seen.count(LISTS[0]) == 1
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 1
    assert "Coze Studio has none" in warned[0]


async def test_a_token_that_may_not_list_is_a_warning_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        emulated(OpenSettings(pace=0.0, forbidden=frozenset(LISTS))) as coze,
        serving(coze, tmp_path, tables=OURS) as url,
    ):
        assert await models(url) == ["mine", "echo"]
        assert "you said “Hello”" in await openai(url, "mine")
        assert coze.open_api.seen.count(LISTS[0]) == 1
    assert "the bots of coze could not be looked up, 0 stay known" in caplog.text


async def test_the_terminal_finds_them_as_well(coze: Coze, tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text('[upstreams.coze]\nkind = "coze_open"\ndiscover = true\n')

    async def told(bot: str) -> Ended:
        piped = ("chat", "--bot", bot)
        return await run(*piped, cwd=tmp_path, stdin=b"Hello", COZE_API_TOKEN=API_TOKEN, COZE_API_BASE=coze.base)

    ended = await told("echo")
    assert (ended.code, ended.out, ended.err) == (0, "Hello\n", f"Talking to echo (bot-{BOT['echo']}).\n")
    missing = await told("nobody")
    assert missing.code != 0
    assert "memory, markdown, tools" in missing.err


async def test_a_server_without_bots_of_its_own_says_so_and_starts_without_coze(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text(
        '[upstreams.coze]\nkind = "coze_open"\nbase = "http://127.0.0.1:1"\ndiscover = true\n'
    )
    telling = ("serve", "--port", "0")
    async with running(*telling, cwd=tmp_path, home=tmp_path / "home", COZE_API_TOKEN=API_TOKEN) as server:
        said = await server.until_says("Hello\"}]}'\n")
        server.tell(signal.SIGTERM)
        assert (await server.ended()).code == 0
    assert said.startswith("Serving the published bots at http://127.0.0.1:")
    assert " --model NAME\n" in said
