"""What clients of OpenAI's and Anthropic's APIs ask, through a whole realcoze: judged by what Coze received.

The rules are those of CLIENTS; Coze is emulated, or says what one test wants said.
"""

import gc
import json
import resource
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from callers import BOTH_FACES, ask, port_of, question, read
from houses import open_settings_for, served_openly
from native_server import Answer, connected, exchange, parsed, request, saying, serving
from pictures import jpeg, png
from realcoze.app.accounts import OpenUpstream
from realcoze.app.config import OPEN_UPSTREAM, Bot, Settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.dialects.coze_open.failure import BOT_HINT, LOGIN_HINT, PUBLISH_HINT
from realcoze.domain.ids import BotName
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from realcoze.emulator.sound import wav_of
from reliability.faces import ANTHROPIC, OPENAI, Face
from reliability.stage import housed
from servers import PATIENCE_S, Coze, emulated, web_server

pytestmark = pytest.mark.usefixtures("nothing_left")

IDS = {bot.name: bot.bot_id for bot in BOTS}
MEMORY = BotName("memory")
PERSONALITIES = pytest.mark.parametrize("personality", ["coze", "studio"])
TITLE = (
    "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n\n### Output:\n"
    'JSON format: { "title": "your concise title here" }\n\n### Chat History:\n<chat_history>\n'
    "USER: My name is Ada\nASSISTANT: Hello Ada\n</chat_history>"
)
STREAMS = 1000
LEFT_KIB = 8
"""Of memory for each stream is told from what the allocator happens to do."""


def as_(personality: Personality = "coze", **settings: Any) -> OpenSettings:
    return OpenSettings(personality=personality, pace=0.0, **settings)


@asynccontextmanager
async def serving_settings(settings: Settings) -> AsyncIterator[int]:
    """A whole realcoze; its port."""
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        yield port


def going_on(coze: Coze, folder: Path) -> Settings:
    """One bot, which goes on with conversations."""
    bot = Bot(upstream=OPEN_UPSTREAM, bot_id=IDS[MEMORY], history="continue")
    return replace(open_settings_for(coze, folder), bots={MEMORY: bot})


def received(coze: Coze) -> list[list[str]]:
    """The messages of each chat that Coze was asked for."""
    return [[message.content or "" for message in chat.additional_messages or ()] for chat in coze.open_api.seen.chats]


# Histories


@BOTH_FACES
@PERSONALITIES
async def test_a_history_is_questions_and_answers_without_a_system_message(
    face: Face, personality: Personality, tmp_path: Path
) -> None:
    """CLIENTS §5 item 10."""
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    history = [*said, {"role": "user", "content": "Who am I?"}]
    async with emulated(as_(personality)) as coze, served_openly(coze, tmp_path) as base:
        if face is OPENAI:
            answer = await ask(port_of(base), face, [{"role": "system", "content": "Be kind."}, *history])
        else:
            answer = await ask(port_of(base), face, history, system="Be kind.")
        assert read(face, answer)[1] == {}
        [chat] = coze.open_api.seen.chats
    messages = list(chat.additional_messages or ())
    told = [("user", "question"), ("assistant", "answer"), ("user", "question")]
    assert [(message.role, message.type) for message in messages] == told


@BOTH_FACES
@PERSONALITIES
async def test_a_conversation_goes_on_with_what_is_new_and_begins_anew_where_it_was_edited(
    face: Face, personality: Personality, tmp_path: Path
) -> None:
    """CLIENTS §5 item 11."""
    questions = ("My name is Ada", "I like tea", "Who am I?")
    async with emulated(as_(personality)) as coze, serving_settings(going_on(coze, tmp_path)) as port:
        history: list[dict[str, str]] = []
        for text in questions:
            history.append({"role": "user", "content": text})
            told, _ = read(face, await ask(port, face, history, model="memory"))
            history.append({"role": "assistant", "content": told})
        assert told == "You are Ada."
        assert received(coze) == [[text] for text in questions]
        assert len(coze.open_api.state.conversations) == 1
        edited = [{"role": "user", "content": "My name is Eve"}, *history[1:5]]
        told, _ = read(face, await ask(port, face, edited, model="memory"))
        assert told == "You are Eve."
        assert len(received(coze)[-1]) == 5
        assert len(coze.open_api.state.conversations) == 2


async def test_every_role_every_part_and_every_member_that_clients_send_is_taken(tmp_path: Path) -> None:
    """CLIENTS §4.2 rule 8."""
    picture, sound = (b64encode(data).decode() for data in (png(3, 2), wav_of("hello")))
    parts = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:image/png;base64,{picture}", "filename": "a.png"}},
    ]
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    history = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "ann"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "warm"},
        {"role": "function", "name": "f", "content": "warm"},
        {"role": "assistant", "content": "It is warm."},
        {"role": "user", "content": parts},
    ]
    members: dict[str, Any] = {
        "max_completion_tokens": 9,
        "n": 1,
        "store": True,
        "user": "ann",
        "metadata": {"a": "b"},
        "response_format": {"type": "text"},
        "tools": [call],
        "stream_options": None,
        "nobody_knows": {"a": [1]},
    }
    async with emulated(as_()) as coze, served_openly(coze, tmp_path) as base:
        answer = await ask(port_of(base), OPENAI, history, model="memory", **members)
        assert read(OPENAI, answer) == ("You gave me 4 attachment(s).", {})
        [chat] = coze.open_api.seen.chats
    messages = list(chat.additional_messages or ())
    assert [message.role for message in messages] == ["user", "assistant", "user"]
    assert messages[0].content == "Be kind.\n\nBe brief.\n\nHi"


NAMES: list[tuple[Face, Callable[[str], dict[str, Any]]]] = [
    (OPENAI, lambda name: {"user": name}),
    (OPENAI, lambda name: {"headers": {"x-openwebui-chat-id": name}}),
    (OPENAI, lambda name: {"headers": {"x-conversation-id": name}}),
    (ANTHROPIC, lambda name: {"metadata": {"user_id": name}}),
    (ANTHROPIC, lambda name: {"headers": {"x-conversation-id": name}}),
]


@pytest.mark.parametrize(("face", "named"), NAMES)
async def test_chats_that_begin_alike_at_once_do_not_mix(
    face: Face, named: Callable[[str], dict[str, Any]], tmp_path: Path
) -> None:
    """CLIENTS §5 item 11: the caller's user and the client's name of a chat keep them apart."""
    told: dict[str, str] = {}

    async def talk(port: int, name: str) -> None:
        history: list[dict[str, str]] = []
        for text in ("Hello", f"My name is {name}", "Who am I?"):
            history.append({"role": "user", "content": text})
            told[name], _ = read(face, await ask(port, face, history, model="memory", **named(name)))
            history.append({"role": "assistant", "content": told[name]})

    async with emulated(as_()) as coze, serving_settings(going_on(coze, tmp_path)) as port:
        async with anyio.create_task_group() as tasks:
            for name in ("Ada", "Bob"):
                tasks.start_soon(talk, port, name)
        assert told == {"Ada": "You are Ada.", "Bob": "You are Bob."}
        assert [len(messages) for messages in received(coze)] == [1] * 6
        assert len(coze.open_api.state.conversations) == 2


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_the_title_that_open_webui_asks_for_does_not_touch_the_conversation(
    tmp_path: Path, *, is_streamed: bool
) -> None:
    """CLIENTS §5 item 21."""
    named: dict[str, Any] = {"model": "memory", "headers": {"x-openwebui-chat-id": "1"}}
    async with emulated(as_()) as coze, serving_settings(going_on(coze, tmp_path)) as port:
        history = [{"role": "user", "content": "My name is Ada"}]
        first, _ = read(OPENAI, await ask(port, OPENAI, history, **named))
        title, _ = read(OPENAI, await ask(port, OPENAI, TITLE, is_streamed=is_streamed, **named))
        history += [{"role": "assistant", "content": first}, {"role": "user", "content": "Who am I?"}]
        last, _ = read(OPENAI, await ask(port, OPENAI, history, **named))
        assert json.loads(title) == {"title": "My name is Ada"}
        assert last == "You are Ada."
        assert received(coze) == [["My name is Ada"], ["Who am I?"]]
        assert len(coze.open_api.seen.calls) == 2, "it cost no call"


# Tools


def calls_and_results(face: Face, answer: Answer) -> tuple[list[str], list[dict[str, Any]]]:
    """The names of the tools that a bot wants run, and the messages that go on with what they gave."""
    if face is OPENAI:
        [choice] = answer.json["choices"]
        assert choice["finish_reason"] == "tool_calls"
        calls = choice["message"]["tool_calls"]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "done"} for call in calls]
        return [call["function"]["name"] for call in calls], [choice["message"], *results]
    assert answer.json["stop_reason"] == "tool_use"
    content = answer.json["content"]
    calls = [block for block in content if block["type"] == "tool_use"]
    blocks = [{"type": "tool_result", "tool_use_id": call["id"], "content": "done"} for call in calls]
    messages = [{"role": "assistant", "content": content}, {"role": "user", "content": blocks}]
    return [call["name"] for call in calls], messages


@BOTH_FACES
async def test_what_a_bot_wants_run_is_a_tool_call_and_its_result_goes_on_with_the_turn(
    face: Face, tmp_path: Path
) -> None:
    """CLIENTS §5 item 9."""
    asked = {"role": "user", "content": "Remind me at 18:00 of the weather"}
    async with emulated(as_()) as coze, served_openly(coze, tmp_path) as base:
        answer = await ask(port_of(base), face, [asked], model="secretary", is_streamed=False)
        names, messages = calls_and_results(face, answer)
        told, _ = read(face, await ask(port_of(base), face, [asked, *messages], model="secretary"))
        assert len(coze.open_api.seen.submissions) == 1
        assert len(coze.open_api.seen.chats) == 1
    assert names == ["add_reminder", "get_weather"]
    assert told == "The tool says: done; done"


# Files and users


@BOTH_FACES
async def test_a_picture_is_what_its_bytes_are_whatever_its_label_says(face: Face, tmp_path: Path) -> None:
    """CLIENTS §5 item 16."""
    data = b64encode(jpeg(4, 3)).decode()
    parts = {
        OPENAI.name: {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        ANTHROPIC.name: {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
    }
    async with emulated(as_()) as coze, served_openly(coze, tmp_path) as base:
        shown = [{"type": "text", "text": "Look"}, parts[face.name]]
        told, _ = read(face, await ask(port_of(base), face, shown, model="pictures"))
        [file] = coze.open_api.state.files.values()
    assert told.startswith("I see `image/jpeg`")
    assert file.name.endswith(".jpg")


@BOTH_FACES
async def test_a_user_may_have_a_name_of_500_characters_with_slashes(face: Face, tmp_path: Path) -> None:
    """CLIENTS §5 item 17."""
    name = "bob/" * 125
    told: dict[str, Any] = {"user": name} if face is OPENAI else {"metadata": {"user_id": name}}
    async with emulated(as_()) as coze, served_openly(coze, tmp_path) as base:
        assert read(face, await ask(port_of(base), face, "hello", **told)) == ("hello", {})
        [chat] = coze.open_api.seen.chats
    assert str(chat.user_id).isalnum()
    assert len(str(chat.user_id)) == 32


# Coze's words


@BOTH_FACES
async def test_a_wrong_bot_one_that_is_not_published_and_a_foreign_token_have_each_a_hint_of_their_own(
    face: Face, tmp_path: Path
) -> None:
    """CLIENTS §5 item 18."""
    async with emulated(as_(unpublished=frozenset({IDS["echo"]}))) as coze:
        settings = open_settings_for(coze, tmp_path)
        wrong = Bot(upstream=OPEN_UPSTREAM, bot_id="7399999999999999999")
        settings = replace(settings, bots={**settings.bots, BotName("wrong"): wrong})
        async with serving_settings(settings) as port:
            answers = [await ask(port, face, "hello", model=model) for model in ("wrong", "echo")]
        foreign = {OPEN_UPSTREAM: OpenUpstream(token="pat_of_another_region", base=coze.base)}
        async with serving_settings(replace(settings, upstreams=foreign)) as port:
            answers.append(await ask(port, face, "hello", model="memory"))
    assert [answer.status for answer in answers] == [404, 404, 502 if face is OPENAI else 500]
    messages = [answer.json["error"]["message"] for answer in answers]
    hints = (BOT_HINT, PUBLISH_HINT, LOGIN_HINT)
    assert [[hint in message for hint in hints] for message in messages] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


def block(name: str, **data: Any) -> str:
    return f"event:{name}\ndata:{json.dumps(data)}\n\n"


def control(kind: str) -> str:
    told = json.dumps({"msg_type": kind, "data": "{}", "from_module": None, "from_unit": None})
    return block("conversation.message.completed", id=kind, type="verbose", content=told, content_type="text")


SAID = {"id": "m", "chat_id": "c", "role": "assistant", "type": "answer", "content_type": "text"}
COUNTED = {"token_count": 633, "output_count": 19, "input_count": 614}
TURN = "".join(
    [
        block("conversation.chat.created", id="c", conversation_id="v", status="created"),
        control("knowledge_recall"),
        block("conversation.message.delta", **SAID, content="", reasoning_content="Hm."),
        block("conversation.message.delta", **SAID, content="It is "),
        block("conversation.message.delta", **SAID, content="warm."),
        block("conversation.message.completed", **SAID, content="It is warm.", reasoning_content="Hm."),
        control("generate_answer_finish"),
        block("conversation.chat.completed", id="c", conversation_id="v", status="completed", usage=COUNTED),
        'event:done\ndata:"[DONE]"\n\n',
    ]
)


@asynccontextmanager
async def saying_to(handle: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[int]:
    """A realcoze whose Coze answers each chat so; its port."""
    async with web_server(web.post("/v3/chat", handle)) as address, housed(f"http://{address}") as house:
        yield house.port


async def a_turn(_: web.Request) -> web.Response:
    return web.Response(text=TURN, content_type="text/event-stream")


@BOTH_FACES
@pytest.mark.parametrize("is_streamed", [True, False])
async def test_control_messages_are_never_in_the_answer(face: Face, *, is_streamed: bool) -> None:
    """CLIENTS §5 item 12."""
    async with saying_to(a_turn) as port:
        answer = await ask(port, face, "hello", is_streamed=is_streamed)
    assert read(face, answer) == ("It is warm.", {})
    for word in (b"generate_answer_finish", b"knowledge_recall", b"msg_type"):
        assert word not in answer.body


async def test_usage_is_coze_s_and_stands_once_in_the_last_chunk() -> None:
    """CLIENTS §5 item 13."""
    counted = {"prompt_tokens": 614, "completion_tokens": 19, "total_tokens": 633}
    async with saying_to(a_turn) as port:
        whole = await ask(port, OPENAI, "hello", is_streamed=False)
        streamed = await ask(port, OPENAI, "hello", stream_options={"include_usage": True})
    *_, last, done = [line for line in streamed.text.split("\n") if line]
    assert whole.json["usage"] == json.loads(last.removeprefix("data: "))["usage"] == counted
    assert (streamed.text.count('"usage"'), done) == (1, "data: [DONE]")


async def test_usage_is_coze_s_and_stands_once_in_the_end_of_a_message() -> None:
    """CLIENTS §4.3.  CLIENTS §5 item 13."""
    counted = {"input_tokens": 614, "output_tokens": 19}
    async with saying_to(a_turn) as port:
        whole = await ask(port, ANTHROPIC, "hello", is_streamed=False)
        streamed = await ask(port, ANTHROPIC, "hello")
    events = [json.loads(line.removeprefix("data: ")) for line in streamed.text.split("\n") if line.startswith("data")]
    assert whole.json["usage"] == events[-2]["usage"] == counted
    assert [event["type"] for event in events if "usage" in event] == ["message_delta"]


async def test_thoughts_have_a_member_of_their_own() -> None:
    """CLIENTS §4.2 rule 6."""
    async with saying_to(a_turn) as port:
        whole = await ask(port, OPENAI, "hello", is_streamed=False)
        streamed = await ask(port, OPENAI, "hello")
    message = {"role": "assistant", "content": "It is warm.", "reasoning_content": "Hm."}
    assert whole.json["choices"][0]["message"] == message
    chunks = [json.loads(line.removeprefix("data: ")) for line in streamed.text.split("\n") if line[6:7] == "{"]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta] == ["Hm."]
    assert "".join(delta.get("content", "") for delta in deltas) == "It is warm."


@BOTH_FACES
@pytest.mark.parametrize("status", [502, 504])
@pytest.mark.parametrize("is_streamed", [True, False])
async def test_the_page_of_a_proxy_before_coze_is_a_json_error(face: Face, status: int, *, is_streamed: bool) -> None:
    """CLIENTS §5 item 15."""
    page = "<html><title>504 Gateway Time-out</title></html>"

    async def answer_page(_: web.Request) -> web.Response:
        return web.Response(status=status, text=page, content_type="text/html")

    async with saying_to(answer_page) as port:
        answer = await ask(port, face, "hello", is_streamed=is_streamed)
    assert answer.status == (502 if face is OPENAI else 500)
    assert face.code_of(answer.json["error"]) == "upstream_protocol"
    assert answer.headers["x-should-retry"] == "false"
    assert b"<" not in answer.body


# Many


async def head(port: int, path: str) -> Answer:
    return parsed(await exchange(port, request(b"", method="HEAD", path=path)))


async def test_what_claude_code_asks_before_its_first_message_is_answered(tmp_path: Path) -> None:
    """CLIENTS §5 item 20."""
    key = "a-key-of-32-characters-and-more-"
    async with emulated(as_()) as coze:
        settings = open_settings_for(coze, tmp_path, key=key)
        settings.bots[BotName("echo")].aliases = ["claude-sonnet-4"]
        async with serving_settings(settings) as port:
            assert (await head(port, "/")).status == 200
            headers: dict[str, Any] = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
            listed = request(b"", method="GET", path="/v1/models?limit=1000", **headers)
            ids = [model["id"] for model in parsed(await exchange(port, listed)).json["data"]]
            body = {"model": "claude-sonnet-4", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
            asked = request(json.dumps(body).encode(), path="/v1/messages?beta=true", **headers)
            assert parsed(await exchange(port, asked)).json["content"][0]["text"] == "hello"
    assert [name for name in ids if name.startswith(("claude", "anthropic"))] == ["claude-sonnet-4"]


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


@pytest.mark.skipif(
    0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 3 * STREAMS, reason="too few files may be open"
)
@BOTH_FACES
async def test_a_thousand_streams_at_once_end_and_leave_nothing(face: Face) -> None:
    """CLIENTS §5 item 22: what a stream takes of memory is measured in bench/, that it gives it back is not."""
    ended: list[str] = []
    bot = saying("Hel", "lo")
    say = bot.script

    async def wave(port: int) -> float:
        """A thousand; the memory that is held after it, in MiB."""
        bot.turns.clear()
        all_there = anyio.Event()

        async def script(turn: Any) -> None:
            if len(bot.turns) == STREAMS:
                all_there.set()
            await all_there.wait()
            await say(turn)

        async def one() -> None:
            async with connected(port) as client:
                await client.send(question(face, "Hi", model="bot"))
                with anyio.fail_after(3 * PATIENCE_S):
                    await all_there.wait()
                text, error = read(face, parsed(await client.rest()))
                assert error == {}
                ended.append(text)

        bot.script = script
        async with anyio.create_task_group() as tasks:
            for _ in range(STREAMS):
                tasks.start_soon(one)
        gc.collect()
        return _resident_mib()

    async with serving({"bot": bot}) as served:
        held = [await wave(served.port) for _ in range(3)]
    assert ended == ["Hello"] * 3 * STREAMS
    assert held[2] - held[1] < STREAMS * LEFT_KIB / 1024


async def test_tools_count_as_tokens_for_bots_that_are_told_of_them(tmp_path: Path) -> None:
    tool = {"name": "sum", "description": "adds " * 100, "input_schema": {"type": "object"}}
    async with emulated(as_()) as coze:
        plain, told = (Bot(upstream=OPEN_UPSTREAM, bot_id=IDS[MEMORY], tools=kind) for kind in ("own", "emulate"))
        settings = replace(open_settings_for(coze, tmp_path), bots={MEMORY: plain, BotName("told"): told})
        counts: dict[str, int] = {}
        async with serving_settings(settings) as port:
            for model in ("memory", "told"):
                body = {"model": model, "messages": [{"role": "user", "content": "Hi!"}], "tools": [tool]}
                sent = request(json.dumps(body).encode(), path="/v1/messages/count_tokens")
                counts[model] = parsed(await exchange(port, sent)).json["input_tokens"]
        assert coze.open_api.seen.calls == []
    assert counts["memory"] == 1
    assert counts["told"] > 500 / 3
