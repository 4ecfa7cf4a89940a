"""From settings to answers, in this process: real servers, real sockets."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from commands import settle
from houses import served, settings_for
from realcoze.app.accounts import PlaygroundUpstream
from realcoze.app.config import Bot, Server, Settings, load_settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_alone, open_house
from realcoze.domain.ids import BotName
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.emulator.account import SESSION_ID
from realcoze.errors import Misconfigured, NotFound, Overloaded, UpstreamTimeout
from servers import Coze, emulated

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "0123456789abcdef"
HELLO = [{"role": 2, "content": "Hello"}]


@asynccontextmanager
async def client(url: str, **headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url, headers=headers) as session:
        yield session


async def post(url: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    async with client(url, **headers) as session, session.post("/", json=body) as response:
        return response.status, json.loads(await response.text())


async def get(
    url: str, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    async with client(url, **headers) as session, session.request(method, path) as response:
        return response.status, json.loads(await response.text()), response.headers


def of_seed(folder: Path, coze: Coze, bot: str = "echo", toml: str = "") -> Settings:
    """Settings as a person with the Node program's files has them."""
    return load_settings(folder=settle(folder, coze.base, bot=bot, toml=toml), environment={})


async def test_one_bot_without_a_table_is_reached_by_every_name(coze: Coze, tmp_path: Path) -> None:
    settings = of_seed(tmp_path, coze)
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        url = f"http://127.0.0.1:{port}"
        _, health, _ = await get(url, "/health")
        assert health["bots"] == ["coze"]
        for name in ("", "coze", "gpt-4o", "人"):
            status, answer = await post(url, {"messages": HELLO, "bot": name})
            assert (status, answer["content"]) == (200, "Hello")


async def test_with_a_table_an_unknown_name_is_answered_with_those_there_are(coze: Coze, tmp_path: Path) -> None:
    toml = "[bots.atri]\nconfig = 'echo.json'\n[bots.helper]\nconfig = 'memory.json'\n"
    settings = of_seed(tmp_path, coze, toml=toml)
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        url = f"http://127.0.0.1:{port}"
        assert (await post(url, {"messages": HELLO}))[1]["content"] == "Hello"
        assert "you said “Hello”" in (await post(url, {"messages": HELLO, "bot": "helper"}))[1]["content"]
        status, refusal = await post(url, {"messages": HELLO, "bot": "coze"})
        assert status == 404
        assert refusal["error"]["code"] == "model_not_found"
        assert refusal["error"]["hint"] == "The bots here are: atri, helper."


async def test_each_bot_is_on_its_own_account(tmp_path: Path) -> None:
    async with emulated() as one, emulated(session_id="another-session") as two:
        folder = settle(tmp_path, one.base)
        settings = Settings(
            server=Server(),
            upstreams={
                "one": PlaygroundUpstream(session_id=SESSION_ID, base=one.base),
                "two": PlaygroundUpstream(session_id="another-session", base=two.base),
                "idle": PlaygroundUpstream(session_id="", base="http://127.0.0.1:1"),
            },
            bots={
                BotName("a"): Bot(upstream="one", config=str(folder / "echo.json")),
                BotName("b"): Bot(upstream="two", config=str(folder / "memory.json")),
            },
            catches_all=False,
            state_dir=folder / "temp",
        )
        async with open_house(settings) as house:
            for bot in house.gateway.bots:
                await house.gateway.ask(Request(messages=(say("user", "hi"),), bot=bot))
            assert house.health() == {
                "one": {"socket": "open", "turns": 0},
                "two": {"socket": "open", "turns": 0},
            }
            with pytest.raises(NotFound):
                await house.gateway.ask(Request(messages=(say("user", "hi"),), bot=BotName("c")))
        assert [len(coze.server.seen.executions) for coze in (one, two)] == [1, 1]


async def test_nothing_is_sent_before_somebody_asks(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        status, health, _ = await get(url, "/health")
    assert (status, health["status"], health["upstreams"]) == (
        200,
        "ok",
        {"playground": {"socket": "idle", "turns": 0}},
    )
    assert coze.wire.notes == []


async def test_a_key_is_asked_for_where_there_is_one(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path, key=KEY) as url:
        body = {"messages": HELLO, "bot": "echo"}
        assert (await post(url, body))[0] == 401
        assert (await post(url, body, Authorization=f"Bearer {KEY}x"))[0] == 401
        assert (await post(url, body, Authorization=f"Bearer {KEY}"))[0] == 200
        assert (await post(url, body, **{"x-api-key": KEY}))[0] == 200
    assert len(coze.server.seen.executions) == 2


async def test_the_door_knows_its_names(coze: Coze, tmp_path: Path) -> None:
    settings = replace(
        settings_for(coze, tmp_path, allowed_hosts=["coze.example.org"], allowed_origins=["https://chat.example.org"]),
        catches_all=True,
    )
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        url = f"http://127.0.0.1:{port}"
        for host, status in (("localhost", 200), ("coze.example.org", 200), ("evil.example.org", 421)):
            assert (await get(url, "/health", Host=host))[0] == status
        for origin, status in (
            (url, 200),
            ("https://chat.example.org", 200),
            ("https://evil.example.org", 403),
            ("null", 403),
        ):
            assert (await post(url, HELLO, Origin=origin))[0] == status


async def test_an_address_of_its_own_is_a_name_it_answers_to(coze: Coze, tmp_path: Path) -> None:
    settings = settings_for(coze, tmp_path, host="127.0.0.2")
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.2", port=0, grace_s=1) as port,
    ):
        assert (await get(f"http://127.0.0.2:{port}", "/health"))[0] == 200


async def test_who_serves_nobody_keeps_no_responses(coze: Coze, tmp_path: Path) -> None:
    settings = settings_for(coze, tmp_path)
    async with open_house(settings) as serving, open_alone(settings) as alone:
        assert (serving.keeping is None, alone.keeping) == (False, None)
        assert (await alone.gateway.ask(Request(messages=(say("user", "Hello"),)))).text


SENTENCE = (
    "There is no %s here, but GET /, POST /, POST /upload, POST /speech, POST /transcription, GET /health, "
    "GET /openapi.json, GET /docs and the websocket /ws, and under /v1 chat/completions, completions, responses, "
    "files, images/generations, audio/speech, audio/transcriptions, messages, messages/count_tokens and models."
)


async def test_no_such_path_and_no_such_method(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        for method, path, status, code in (
            ("GET", "/nowhere", 404, "no_such_path"),
            ("GET", "/no%1Bwhere", 404, "no_such_path"),
            ("GET", f"/{'x' * 100}", 404, "no_such_path"),
            ("GET", "/ws", 426, "upgrade_required"),
        ):
            found, refusal, headers = await get(url, path, method)
            shown = repr(unquote(path)[:80])
            assert (found, refusal["error"]["code"]) == (status, code)
            assert refusal["error"]["message"] == SENTENCE % f"{method} {shown}"
            assert headers["x-request-id"] == refusal["error"]["request_id"]
            names = {name.lower(): value for name, value in headers.items()}
            assert "allow" not in names
            upgrade = ("websocket", "upgrade") if status == 426 else (None, None)
            assert (names.get("upgrade"), names.get("connection")) == upgrade


async def test_another_method_is_told_which_there_are(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        for method, path, methods, allowed in (
            ("PUT", "/", "GET or POST", "GET, HEAD, POST"),
            ("DELETE", "/health", "GET", "GET, HEAD"),
            ("POST", "/ws", "GET", "GET, HEAD"),
            ("GET", "/v1/chat/completions", "POST", "HEAD, OPTIONS, POST"),
            ("GET", "/chat/completions/", "POST", "HEAD, OPTIONS, POST"),
            ("POST", "/v1/models", "GET", "GET, HEAD, OPTIONS"),
        ):
            found, refusal, headers = await get(url, path, method)
            assert (found, refusal["error"]["code"]) == (405, "method_not_allowed")
            canonical = "/v1/chat/completions" if "chat" in path else path
            assert refusal["error"]["message"] == f"It is {methods} {canonical!r}, not {method}."
            assert headers["allow"] == allowed


async def test_what_coze_has_not_is_called_by_its_name(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        for path in ("/v1/embeddings", "/embeddings", "/v1/v1/embeddings/"):
            status, refusal, _ = await get(url, path, "POST")
            assert status == 404
            assert refusal["error"] == {
                "message": "There is no '/v1/embeddings' here: Coze has no embeddings that a client could be given.",
                "type": "invalid_request_error",
                "param": None,
                "code": "no_such_path",
            }


async def test_what_coze_has_not_is_not_taken_for_an_id(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        for path in ("/v1/responses/compact", "/responses/input_tokens"):
            status, refusal, headers = await get(url, path, "POST")
            assert (status, refusal["error"]["code"]) == (404, "no_such_path")
            assert "Coze has no co" in refusal["error"]["message"]
            assert "allow" not in headers


async def test_a_websocket_on_no_such_path_is_refused_in_the_same_shape(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path) as url:
        for path in ("/nowhere", "/health", "/ws/"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"{url.replace('http', 'ws', 1)}{path}")
            answer = refused.value.response
            assert answer.body is not None
            refusal = json.loads(answer.body)
            assert (answer.status_code, refusal["error"]["code"]) == (404, "no_such_path")
            assert refusal["error"]["message"] == SENTENCE % f"websocket {path!r}"
            assert answer.headers["x-request-id"] == refusal["error"]["request_id"]


async def test_a_defect_is_answered_in_the_shape_of_all_errors(coze: Coze, tmp_path: Path) -> None:
    settings = settings_for(coze, tmp_path)
    async with open_house(settings) as house:
        broken = replace(house, health=lambda: {"not JSON": object()})
        async with listening(build_app(broken, settings), host="127.0.0.1", port=0, grace_s=1) as port:
            status, answer, _ = await get(f"http://127.0.0.1:{port}", "/health")
    assert (status, answer["error"]["code"]) == (500, "internal_error")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", ""])
async def test_others_are_not_served_without_a_key(coze: Coze, tmp_path: Path, host: str) -> None:
    settings = settings_for(coze, tmp_path, host=host)
    async with open_house(settings) as house:
        with pytest.raises(Misconfigured, match="can be reached by others, and no key is set"):
            build_app(house, settings)
        build_app(house, replace(settings, server=Server(host=host, key=KEY)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
async def test_without_a_key_it_is_for_this_machine(coze: Coze, tmp_path: Path, host: str) -> None:
    settings = settings_for(coze, tmp_path, host=host)
    async with open_house(settings) as house:
        build_app(house, settings)


async def test_a_short_key_is_refused(coze: Coze, tmp_path: Path) -> None:
    settings = settings_for(coze, tmp_path, key="short")
    async with open_house(settings) as house:
        with pytest.raises(Misconfigured, match="fewer than 16 characters"):
            build_app(house, settings)


@pytest.mark.parametrize("key", ["schlüssel-mit-umlauten", "sixteen characters and blanks", "sixteen-characters\n"])
async def test_a_key_that_no_client_could_send_is_refused(coze: Coze, tmp_path: Path, key: str) -> None:
    settings = settings_for(coze, tmp_path, key=key)
    async with open_house(settings) as house:
        with pytest.raises(Misconfigured, match="a character that no header has"):
            build_app(house, settings)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "config.json cannot be read: No such file or directory."),
        (b"{", "config.json: The bot configuration is no JSON object"),
        (b"[]", "config.json: The bot configuration is no JSON object"),
        (b"{}", "config.json: "),
        (b'{"bot_id": "1", "work_info": 3}', "config.json: "),
        (b"\xff", "config.json: "),
    ],
)
async def test_a_broken_bot_is_a_sentence(coze: Coze, tmp_path: Path, content: bytes | None, said: str) -> None:
    settings = of_seed(tmp_path, coze)
    config = tmp_path / "config.json"
    config.unlink()
    if content is not None:
        config.write_bytes(content)
    with pytest.raises(Misconfigured) as caught:
        async with open_house(settings):
            pytest.fail("it opened")
    assert said in caught.value.message
    assert "docs/userscript.md" in str(caught.value.hint)


async def test_without_bots_nothing_opens(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="No bot is configured"):
        async with open_house(load_settings(folder=tmp_path, environment={})):
            pytest.fail("it opened")


async def test_what_the_upstream_is_told(coze: Coze, tmp_path: Path) -> None:
    """One place at a time, and how long a question waits for its first word."""
    toml = "[upstreams.playground]\nmax_turns = 1\nmax_queue = 0\nfirst_event_s = 1\n"
    settings = of_seed(tmp_path, coze, toml=toml)
    async with open_house(settings) as house:
        request = Request(messages=(say("user", "[[fault silent]]"),))
        async with house.gateway.say(request):
            await coze.wire.until_count("execute", 1)
            with pytest.raises(Overloaded):
                await house.gateway.ask(Request(messages=(say("user", "hi"),)))
        with pytest.raises(UpstreamTimeout, match="pushed nothing for 1 s"):
            await house.gateway.ask(request)


TREATED = """
[upstreams.playground]
[bots.echo]
config = "config.json"
aliases = ["claude-echo"]
instructions = "{instructions}"
background = "{background}"
"""


async def test_what_a_bots_table_says_of_programs_reaches_the_gateway(coze: Coze, tmp_path: Path) -> None:
    settings = of_seed(tmp_path, coze, toml=TREATED.format(instructions="drop", background="pass"))
    task = '### Task:\nTag it.\n### Output:\nJSON format: { "tags": [] }\n### Chat History:\nUSER: Hello'
    async with open_house(settings) as house:
        assert house.gateway.aliases == {"claude-echo": "echo"}
        request = Request(messages=(say("user", task),), bot=BotName("claude-echo"), instructions="Be kind.")
        assert (await house.gateway.ask(request)).text == task


@pytest.mark.parametrize(
    ("instructions", "background", "said"),
    [
        ("variable:persona", "local", "cannot carry variables"),
        ("drop", "nobody", "there is no such bot"),
    ],
)
async def test_what_a_bots_table_cannot_say_is_refused_before_anything_opens(
    coze: Coze, tmp_path: Path, instructions: str, background: str, said: str
) -> None:
    settings = of_seed(tmp_path, coze, toml=TREATED.format(instructions=instructions, background=background))
    with pytest.raises(Misconfigured, match=said):
        async with open_house(settings):
            pytest.fail("it opened")
