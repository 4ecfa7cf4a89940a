"""The websocket face on the real server, with stock clients; raw frames: tests/app/test_websocket.py."""

import asyncio
import json
import logging
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from houses import served as served_by_emulator
from native_server import MESSAGE, Bot, Served, Turn, saying, serving
from raw_websocket import CLOSE, frame, raw_socket
from realcoze.domain.event import (
    AnswerDone,
    InputRequested,
    Interrupt,
    Step,
    Suggestion,
    TextReplaced,
    ToolCallsRequested,
    TurnFailed,
    Usage,
)
from realcoze.domain.request import Resume, Thread
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import Overloaded, Truncated
from realcoze.faces.socket import TURNS
from realcoze.gateway.access import Access
from servers import PATIENCE_S, Coze, Failing, Watched, emulated, held, soon, until_held

KEY = "a-key-of-32-characters-and-more-"
HI = [{"role": 2, "content": "Hi"}]


class Talk:
    """What a page does with its socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def ask(self, uuid: str, data: Any = HI, **more: Any) -> None:
        await self.say({"uuid": uuid, "data": data, **more})

    async def say(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def next(self) -> Any:
        with anyio.fail_after(PATIENCE_S):
            text = await self.socket.recv()
        assert isinstance(text, str)
        return json.loads(text)

    async def content(self, uuid: str = "a") -> str:
        """The text of the next snapshot."""
        message = await self.next()
        assert message == {"uuid": uuid, "data": {**message["data"], "continue": True, "reply_type": 1}}
        return str(message["data"]["content"])

    async def last(self, uuid: str = "a") -> Any:
        """The data of the next message of a turn that is not to be continued."""
        while True:
            message = await self.next()
            assert "error" not in message, message
            if message["uuid"] == uuid and not message["data"]["continue"]:
                return message["data"]

    async def error(self, uuid: str = "a") -> Any:
        message = await self.next()
        assert message.keys() == {"uuid", "error"}
        assert message["uuid"] == uuid
        assert message["error"]["request_id"].startswith("req_")
        return message["error"]


@asynccontextmanager
async def talking(port: int, path: str = "/ws", **options: Any) -> AsyncIterator[Talk]:
    async with connect(f"ws://127.0.0.1:{port}{path}", proxy=None, max_size=1 << 24, **options) as socket:
        yield Talk(socket)


class Relay:
    """A fake at the port `Chats` that hands each turn to the one that a test has set."""

    def __init__(self) -> None:
        self.target: Any = saying("Hello")

    async def converse(self, request: Any, sink: Any) -> None:
        await self.target.converse(request, sink)


@pytest.fixture(autouse=True)
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client does, the server has nothing to say about itself."""
    yield
    assert [each.getMessage() for each in caplog.get_records("call") if each.levelno >= logging.WARNING] == []


@pytest.fixture(scope="module")
async def house(anyio_backend: object) -> AsyncIterator[tuple[Served, Relay]]:
    relay = Relay()
    async with serving(relay) as running:
        yield running, relay


@pytest.fixture
def relay(house: tuple[Served, Relay]) -> Relay:
    return house[1]


@pytest.fixture
def port(house: tuple[Served, Relay], nothing_left: None) -> int:
    return house[0].port


async def in_steps(turn: Turn) -> None:
    """Begin, and leave the rest to the test."""
    turn.start()
    turn.say("He")
    await turn.go.wait()
    turn.say("llo")
    turn.feed(AnswerDone(message_id=MESSAGE, text="Hello"), Usage(input=1, output=2, total=3))
    turn.feed(Suggestion(text="More?"))
    turn.done()


# What goes over it


async def test_a_turn_that_waits_goes_on_with_the_results_or_the_answer_to_its_question(
    port: int, relay: Relay
) -> None:
    async def asks(turn: Turn) -> None:
        turn.start()
        if turn.request.tool_results:
            question = Interrupt(event_id="e1", kind="question", data={"question": "In which city?"})
            turn.feed(InputRequested(interrupt=question))
        elif turn.request.resume:
            turn.say(f"In {turn.request.messages[-1].text} it is noon.")
            turn.done()
        else:
            turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="clock", arguments="{}"),)))

    relay.target = bot = Bot(asks)
    async with talking(port) as talk:
        await talk.ask("a", {"messages": HI})
        waiting = await talk.last()
        assert (waiting["status"], waiting["tool_calls"][0]["name"]) == ("requires_action", "clock")
        place = {name: waiting[name] for name in ("chat_id", "conversation_id")}
        await talk.ask("a", {"tool_results": [{"call_id": "c1", "output": "12:00"}], **place})
        waiting = await talk.last()
        assert (waiting["content"], waiting["interrupt"]["event_id"]) == ("In which city?", "e1")
        answer = [{"role": 2, "content": "Rome"}]
        await talk.ask("a", {"messages": answer, "resume": {"event_id": "e1", "kind": "question"}, **place})
        assert (await talk.last())["content"] == "In Rome it is noon."
    assert bot.turns[1].request.tool_results == (ToolResult(call_id="c1", output="12:00"),)
    assert bot.turns[2].request.resume == Resume(event_id="e1", kind="question")
    assert [turn.request.chat_id for turn in bot.turns] == [None, "chat-1", "chat-1"]


@pytest.mark.parametrize("path", ["/", "/ws"])
async def test_the_array_of_the_node_program_gets_snapshots_and_a_last_one(port: int, relay: Relay, path: str) -> None:
    relay.target = bot = Bot(in_steps)
    async with talking(port, path) as talk:
        await talk.ask("1c0ffee")
        assert await talk.content("1c0ffee") == "He"
        bot.turns[0].go.set()
        last = {"uuid": "1c0ffee", "data": {"content": "Hello", "continue": False, "reply_type": 1}}
        assert await talk.next() == last


async def test_an_object_gets_everything_with_the_last_one(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(in_steps)
    async with talking(port) as talk:
        await talk.ask("a", {"messages": HI, "bot": "bot", "user": "anna"})
        assert await talk.content() == "He"
        bot.turns[0].go.set()
        last = await talk.last()
        assert last.pop("request_id").startswith("req_")
        assert last == {
            "content": "Hello",
            "continue": False,
            "reply_type": 1,
            "suggestions": ["More?"],
            "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            "chat_id": "chat-1",
            "conversation_id": "conversation-1",
        }
        assert bot.turns[0].request.user_id == "anna"


async def test_the_client_of_aiohttp_is_answered_too(port: int, relay: Relay) -> None:
    relay.target = saying("Hel", "lo")
    async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{port}/ws") as socket:
        await socket.send_json({"uuid": "a", "data": HI})
        while (message := await socket.receive_json(timeout=PATIENCE_S))["data"]["continue"]:
            pass
        assert message == {"uuid": "a", "data": {"content": "Hello", "continue": False, "reply_type": 1}}


async def test_steps_come_to_whom_has_subscribed(port: int, relay: Relay) -> None:
    async def looking_up(turn: Turn) -> None:
        turn.start()
        for kind in ("call", "result", "recall", "other"):
            turn.feed(Step(kind=kind, title="weather", body=f"<{kind}>"))
        turn.say("Warm")
        turn.done()

    relay.target = Bot(looking_up)
    async with talking(port) as talk:
        await talk.ask("a", subscribe=[3, 6])
        assert [(await talk.next())["data"] for _ in range(2)] == [
            {"content": "<call>", "continue": True, "reply_type": 3},
            {"content": "<recall>", "continue": True, "reply_type": 6},
        ]
        assert [step["kind"] for step in (await talk.last())["steps"]] == ["call", "recall"]
        await talk.ask("b")
        assert (await talk.last("b")).get("steps") is None


async def test_a_text_that_was_taken_back_is_replaced(port: int, relay: Relay) -> None:
    async def rewriting(turn: Turn) -> None:
        turn.say("No")
        await turn.go.wait()
        turn.feed(TextReplaced(message_id=MESSAGE, text="Yes"))
        await turn.until(lambda: turn.request is None)

    relay.target = bot = Bot(rewriting)
    async with talking(port) as talk:
        await talk.ask("a")
        assert await talk.content() == "No"
        bot.turns[0].go.set()
        assert await talk.content() == "Yes"


async def test_cancel_stops_the_turn_upstream_and_no_other(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(in_steps)
    async with talking(port) as talk:
        for uuid in ("a", "b"):
            await talk.ask(uuid)
            assert await talk.content(uuid) == "He"
        await talk.say({"uuid": "nobody", "cancel": True})
        await talk.say({"uuid": "a", "cancel": True})
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)
        for turn in bot.turns:
            turn.go.set()
        assert (await talk.last("b"))["content"] == "Hello"
        await talk.ask("a")
        (await bot.turn(2)).go.set()
        assert (await talk.last("a"))["content"] == "Hello"
    assert not bot.turns[1].is_cancelled


async def test_a_turn_may_be_cancelled_in_the_same_breath(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(in_steps)
    async with raw_socket(port) as socket:
        both = [{"uuid": "a", "data": HI}, {"uuid": "a", "cancel": True}, {"uuid": "b", "cancel": True}, {"uuid": "c"}]
        await socket.send(b"".join(frame(1, json.dumps(each).encode()) for each in both))
        while json.loads((await socket.next()).payload)["uuid"] != "c":
            pass
        await soon(lambda: all(turn.is_cancelled for turn in bot.turns))


async def test_nothing_more_is_heard_of_a_turn_that_was_cancelled(port: int, relay: Relay) -> None:
    """Not even what waited to be sent."""

    async def steps(turn: Turn) -> None:
        turn.feed(*(Step(kind="call", title="", body=f"{number} " + "x" * 100_000) for number in range(200)))
        await anyio.sleep_forever()

    relay.target = bot = Bot(steps)
    async with raw_socket(port, buffer_bytes=4096) as socket:
        await socket.ask(json.dumps({"uuid": "a", "data": HI, "subscribe": [3]}))
        await bot.turn()
        await socket.ask(json.dumps({"uuid": "a", "cancel": True}))
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)
        await socket.ask("not JSON")
        uuids: list[str] = []
        while not uuids or uuids[-1] == "a":
            uuids.append(json.loads((await socket.next()).payload)["uuid"])
        assert len(uuids) < 100


async def test_a_turn_that_ends_while_it_is_being_stopped_is_not_heard_and_harms_no_other(
    port: int, relay: Relay
) -> None:
    """The socket died of it when the last message was sent before the upstream had returned."""

    async def ending(turn: Turn) -> None:
        turn.start()
        turn.say("He")
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                turn.say("llo")
                turn.done()
                await turn.go.wait()

    relay.target = bot = Bot(ending)
    async with talking(port) as talk:
        for uuid in ("a", "b"):
            await talk.ask(uuid)
            assert await talk.content(uuid) == "He"
        relay.target = other = Bot(in_steps)
        await talk.say({"uuid": "a", "cancel": True})
        await talk.ask("a")
        assert "is running" in (await talk.error())["message"], "until the upstream has returned"
        bot.turns[0].go.set()
        await bot.turns[0].until(lambda: bot.turns[0].is_over)
        await talk.ask("a")
        assert await talk.content() == "He"
        other.turns[0].go.set()
        assert (await talk.last())["content"] == "Hello"
        bot.turns[1].go.set()


async def test_a_turn_that_is_over_may_be_cancelled_while_its_last_message_waits(port: int, relay: Relay) -> None:
    """Behind two others: one in the buffer, one on its way there."""
    relay.target = bot = saying("x" * (8 << 20))
    async with raw_socket(port, buffer_bytes=4096) as socket:
        for uuid in "abc":
            await socket.ask(json.dumps({"uuid": uuid, "data": HI}))
        await soon(lambda: len(bot.turns) == 3 and all(turn.is_over for turn in bot.turns))
        relay.target = saying("Hello")
        await socket.ask(json.dumps({"uuid": "c", "cancel": True}))
        await socket.ask(json.dumps({"uuid": "c", "data": HI}))
        last: dict[str, str] = {}
        while len(last) < 3:
            message = json.loads((await socket.next()).payload)
            if not message["data"]["continue"]:
                last[message["uuid"]] = message["data"]["content"][:5]
        assert last == {"a": "xxxxx", "b": "xxxxx", "c": "Hello"}


# Errors


async def test_weakness_21_the_error_of_a_turn_reaches_the_client(port: int, relay: Relay) -> None:
    """send() rejected, nobody caught it, and the client waited for ever."""
    relay.target = Failing(error=Overloaded("No place.", hint="Wait.", retry_after_s=3.4))
    async with talking(port) as talk:
        await talk.ask("a")
        error = await talk.error("a")
        assert error.pop("request_id")
        assert error == {"code": "overloaded", "message": "No place.", "hint": "Wait.", "retry_after": 3}
        relay.target = saying("Hello")
        await talk.ask("a")
        assert (await talk.last())["content"] == "Hello"


async def test_weakness_21_an_answer_that_breaks_off_is_an_error_and_never_a_last_one(port: int, relay: Relay) -> None:
    async def breaking(turn: Turn) -> None:
        turn.say("He")
        await turn.go.wait()
        turn.feed(TurnFailed(error=Truncated("It broke off.")))

    relay.target = bot = Bot(breaking)
    async with talking(port) as talk:
        await talk.ask("a")
        assert await talk.content() == "He"
        bot.turns[0].go.set()
        assert (await talk.error())["code"] == "upstream_truncated"


async def test_a_defect_of_an_upstream_is_an_error_and_stands_in_the_log(
    port: int, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    relay.target = Failing(error=ZeroDivisionError("a secret"))
    async with talking(port) as talk:
        await talk.ask("a")
        error = await talk.error()
        assert (error["code"], "secret" in error["message"]) == ("internal_error", False)
    assert "a defect ended the turn" in caplog.text
    caplog.clear()


@pytest.mark.parametrize(
    ("message", "uuid", "why"),
    [
        ("Hello", "", "cannot be read"),
        ("", "", "cannot be read"),
        (b"", "", "cannot be read"),
        (b"\xff\x00", "", "cannot be read"),
        ("[" * 100_000, "", "cannot be read"),
        ({"data": HI}, "", "`uuid` must be"),
        ({"uuid": 7, "data": HI}, "", "cannot be read"),
        ({"uuid": "a"}, "a", "has no `data`"),
        ({"uuid": "a", "cancel": False}, "a", "has no `data`"),
        (b'{"uuid": "a", "data": [{"role": 2, "content": "\xff\xfe"}]}', "a", "cannot be read"),
        ({"uuid": "a", "data": []}, "a", "must be the user's"),
        ({"uuid": "a", "data": HI, "subscribe": [5]}, "a", "reply types"),
        ({"uuid": "a", "data": {"messages": HI, "bot": "nobody"}}, "a", "no bot 'nobody'"),
    ],
    ids=range(13),
)
async def test_weakness_21_what_cannot_be_read_is_answered_and_the_socket_goes_on(
    port: int, relay: Relay, message: Any, uuid: str, why: str
) -> None:
    """A parse error ended the program."""
    relay.target = saying("Hello")
    async with talking(port) as talk:
        await talk.say(message)
        error = await talk.error(uuid)
        assert why in error["message"]
        assert error["hint"]
        await talk.ask("b")
        assert (await talk.last("b"))["content"] == "Hello"


async def test_a_message_may_be_binary(port: int, relay: Relay) -> None:
    relay.target = saying("Hello")
    async with talking(port) as talk:
        await talk.say(json.dumps({"uuid": "文", "data": HI}).encode())
        assert (await talk.last("文"))["content"] == "Hello"


async def test_a_uuid_names_one_turn_at_a_time(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(in_steps)
    async with talking(port) as talk:
        await talk.ask("a")
        assert await talk.content() == "He"
        await talk.ask("a")
        assert "is running" in (await talk.error())["message"]
        bot.turns[0].go.set()
        assert (await talk.last())["content"] == "Hello"
        await talk.ask("a")
        (await bot.turn(1)).go.set()
        assert (await talk.last())["content"] == "Hello"
    assert len(bot.turns) == 2


async def test_weakness_21_turns_at_once_are_limited_and_every_one_is_answered(port: int, relay: Relay) -> None:
    """There was no limit.  All come in one burst, of which nothing may be lost."""
    relay.target = bot = Bot(in_steps)
    burst = b"".join(frame(1, json.dumps({"uuid": f"{number}", "data": HI}).encode()) for number in range(5 * TURNS))
    async with raw_socket(port) as socket:
        await socket.send(burst)
        said = [json.loads((await socket.next()).payload) for _ in range(5 * TURNS)]
        assert {message["uuid"] for message in said} == {f"{number}" for number in range(5 * TURNS)}
        refused = [message["error"] for message in said if "error" in message]
        assert len(refused) == 4 * TURNS
        assert {(error["code"], error["retry_after"]) for error in refused} == {("overloaded", 1)}
        assert len(bot.turns) == TURNS
        bot.turns[0].go.set()
        assert not json.loads((await socket.next()).payload)["data"]["continue"]
        await socket.ask(json.dumps({"uuid": "one more", "data": HI}))
        assert json.loads((await socket.next()).payload)["data"]["content"] == "He"


async def test_answers_that_nobody_reads_keep_their_places(port: int, relay: Relay) -> None:
    """Else a client that only asks would fill the memory with answers."""
    relay.target = bot = saying("x" * 200_000)
    asks = [frame(1, json.dumps({"uuid": f"{number}", "data": HI}).encode()) for number in range(4 * TURNS)]
    async with raw_socket(port, buffer_bytes=4096) as socket:
        await socket.send(b"".join(asks))
        await soon(lambda: len(bot.turns) >= TURNS)
        await anyio.wait_all_tasks_blocked()
        said = [json.loads((await socket.next()).payload) for _ in asks]
        kinds = Counter("error" in message for message in said)
    assert len(bot.turns) == kinds[False]
    assert kinds[True] > TURNS


# Keys, origins, hosts


async def refusal(port: int, path: str = "/ws", **options: Any) -> tuple[int, Any]:
    """The status of a handshake that is refused, and the error in its body."""
    with pytest.raises(InvalidStatus) as refused:
        async with talking(port, path, **options):
            pytest.fail("it was accepted")
    response = refused.value.response
    assert response.headers["content-type"].startswith("application/json")
    return response.status_code, json.loads(response.body or b"")["error"]


@pytest.fixture(scope="module")
async def locked(anyio_backend: object) -> AsyncIterator[Served]:
    """A server that wants a key, and knows one page beside its own."""
    async with serving(saying("Hello"), key=KEY, allowed_origins=["https://page.example"]) as running:
        yield running


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"additional_headers": {"Authorization": f"Bearer {KEY}"}}, None),
        ({"additional_headers": {"X-Api-Key": KEY}}, None),
        ({"subprotocols": [f"realcoze.key.{KEY}"]}, f"realcoze.key.{KEY}"),
        ({"subprotocols": ["realcoze", f"realcoze.key.{KEY}"]}, "realcoze"),
        ({"subprotocols": [f"realcoze.key.{KEY}", "realcoze"]}, "realcoze"),
        ({"subprotocols": ["realcoze"], "additional_headers": {"X-Api-Key": KEY}}, "realcoze"),
        ({"subprotocols": ["realcoze", f"realcoze.key.{KEY}"], "additional_headers": {"X-Api-Key": KEY}}, "realcoze"),
    ],
    ids=range(7),
)
async def test_a_key_is_taken_from_a_header_or_a_subprotocol(
    locked: Served, nothing_left: None, options: Mapping[str, Any], chosen: str | None
) -> None:
    async with talking(locked.port, **options) as talk:
        assert talk.socket.subprotocol == chosen
        await talk.ask("a")
        assert (await talk.last())["content"] == "Hello"


async def test_all_turns_of_a_socket_are_its_callers_and_of_the_conversation_that_its_handshake_named(
    nothing_left: None,
) -> None:
    bot = saying("Hello")
    headers = {"X-Api-Key": KEY, "X-OpenWebUI-Chat-Id": "1"}
    async with serving(bot, key=KEY) as served:
        async with talking(served.port, additional_headers=headers) as talk:
            for uuid in ("a", "b"):
                await talk.ask(uuid)
                await talk.last(uuid)
        with pytest.raises(InvalidStatus) as caught:
            async with talking(served.port, additional_headers={**headers, "X-Conversation-Id": "x" * 201}):
                pass
    assert caught.value.response.status_code == 400
    told = [(turn.request.caller, turn.request.thread) for turn in bot.turns]
    assert told == [(Access([KEY]).authenticate([KEY]), Thread(id="1", is_whole=True))] * 2


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["graphql-ws"], None), (["graphql-ws", "realcoze"], "realcoze"), (["x", "realcoze.key.k"], "realcoze.key.k")],
)
async def test_a_subprotocol_that_is_not_ours_is_not_chosen(port: int, offered: list[Any], chosen: str | None) -> None:
    url = f"http://127.0.0.1:{port}/ws"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, protocols=offered) as socket:
        assert socket.protocol == chosen


async def test_subprotocols_may_stand_in_several_headers(locked: Served, nothing_left: None) -> None:
    headers = [("Sec-WebSocket-Protocol", f"realcoze.key.{KEY}"), ("Sec-WebSocket-Protocol", "realcoze")]
    url = f"http://127.0.0.1:{locked.port}/ws"
    for each in (headers, headers[::-1]):
        async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=each) as socket:
            assert not socket.closed


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/ws", {}),
        ("/", {}),
        (f"/ws?key={KEY}&api_key={KEY}&token={KEY}&realcoze.key={KEY}&authorization=Bearer%20{KEY}", {}),
        ("/ws", {"additional_headers": {"X-Api-Key": KEY + "x"}}),
        ("/ws", {"additional_headers": {"Authorization": f"Basic {KEY}"}}),
        ("/ws", {"additional_headers": {"Cookie": f"key={KEY}"}}),
        ("/ws", {"subprotocols": ["realcoze"]}),
        ("/ws", {"subprotocols": [KEY]}),
        ("/ws", {"subprotocols": [f"realcoze.key.{KEY}x"]}),
        ("/ws", {"subprotocols": ["realcoze.key."]}),
        ("/ws", {"subprotocols": [f"realcoze.key.{KEY}", "realcoze.key.another"]}),
        ("/ws", {"subprotocols": [f"realcoze.key.{KEY}"], "additional_headers": {"X-Api-Key": "another"}}),
    ],
    ids=range(12),
)
async def test_without_the_key_the_handshake_is_refused(
    locked: Served, nothing_left: None, path: str, options: Mapping[str, Any]
) -> None:
    status, error = await refusal(locked.port, path, **options)
    assert (status, error["code"]) == (401, "invalid_api_key")
    assert KEY not in json.dumps(error)


async def test_a_page_of_another_site_may_not_connect(port: int, locked: Served) -> None:
    for origin in ("https://evil.example", "http://localhost:1", "null", "file://"):
        assert (await refusal(port, origin=origin))[0] == 403
    for origin in (f"http://127.0.0.1:{port}", f"HTTP://127.0.0.1:{port}"):
        async with talking(port, origin=origin):
            pass
    options: dict[str, Any] = {"origin": "https://page.example", "subprotocols": ["realcoze", f"realcoze.key.{KEY}"]}
    async with talking(locked.port, **options):
        pass
    status, error = await refusal(locked.port, **{**options, "origin": "https://page.example.evil"})
    assert (status, error["code"]) == (403, "wrong_origin")


async def test_a_foreign_host_name_is_refused(port: int) -> None:
    """As a page of another site has it whose name was made to point here."""
    async with aiohttp.ClientSession() as http:
        for host in ("evil.example", "localhost.evil.example", ""):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(f"http://127.0.0.1:{port}/ws", headers={"Host": host})
            assert refused.value.status == 421
        async with http.ws_connect(f"http://127.0.0.1:{port}/ws", headers={"Host": "localhost:9"}):
            pass


async def test_there_is_no_socket_elsewhere(port: int) -> None:
    for path in ("/nowhere", "/upload", "/health"):
        with pytest.raises(InvalidStatus) as refused:
            async with talking(port, path):
                pytest.fail("it was accepted")
        assert refused.value.response.status_code in (403, 404)


# Many turns, slow clients, leavers


async def test_a_hundred_turns_at_once_are_each_whole_and_unmixed(tmp_path: Path, coze: Coze) -> None:
    """Through everything, to the emulator and back."""
    nonces = {f"turn-{number}": f"nonce-{number:03} " + f"{number} " * (number % 17) + "end" for number in range(100)}
    texts: dict[str, str] = {}
    async with served_by_emulator(coze, tmp_path) as url, talking(int(url.rpartition(":")[2])) as talk:
        for uuid, nonce in nonces.items():
            await talk.ask(uuid, {"messages": [{"role": 2, "content": nonce}], "bot": "echo"})
        while len(texts) < 100:
            message = await talk.next()
            uuid, data = message["uuid"], message["data"]
            assert uuid not in texts, "nothing comes after the last one"
            assert nonces[uuid].startswith(data["content"])
            if not data["continue"]:
                texts[uuid] = data["content"]
    assert texts == nonces
    assert coze.server.seen.sockets == 1


async def test_no_turn_waits_for_the_end_of_another(port: int, relay: Relay) -> None:
    """A hundred turns have much to say: they say it one message each, in turn."""

    async def script(turn: Turn) -> None:
        turn.start()
        await turn.go.wait()
        turn.feed(*(Step(kind="call", title="", body=f"{number}") for number in range(20)))
        turn.say(turn.request.messages[0].text)
        turn.done()

    relay.target = bot = Bot(script)
    async with talking(port) as talk:
        for number in range(100):
            await talk.ask(f"{number}", [{"role": 2, "content": f"nonce {number}"}], subscribe=[3])
        await bot.turn(99)
        for turn in bot.turns:
            turn.go.set()
        told: Counter[str] = Counter()
        lasts: dict[str, str] = {}
        while len(lasts) < 100:
            message = await talk.next()
            uuid, data = message["uuid"], message["data"]
            told[uuid] += 1
            assert max(told.values()) - min(told[f"{number}"] for number in range(100)) <= 1
            if not data["continue"]:
                lasts[uuid] = data["content"]
        assert set(told.values()) == {21}
        assert lasts == {f"{number}": f"nonce {number}" for number in range(100)}


async def test_a_turn_that_talks_without_end_does_not_hold_up_a_short_one(port: int, relay: Relay) -> None:
    class Both(Watched):
        async def converse(self, request: Any, sink: Any) -> None:
            turn = Turn(request, sink)
            turn.say("x" * 100_000)
            while request.messages[0].text == "long":
                turn.say(".")
                await anyio.lowlevel.checkpoint()
            turn.done()

    relay.target = Both()
    async with talking(port) as talk:
        await talk.ask("long", [{"role": 2, "content": "long"}])
        assert (await talk.content("long")).startswith("xxx")
        for number in range(5):
            await talk.ask(f"{number}")
            await talk.last(f"{number}")


async def test_a_slow_client_gets_the_newest_snapshot_and_costs_no_more(port: int, relay: Relay) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        for number in range(1000):
            turn.feed(TextReplaced(message_id=MESSAGE, text=f"{number:04}" + "x" * 250_000))
            await anyio.lowlevel.checkpoint()
        turn.changed()
        turn.done()

    relay.target = bot = Bot(script)
    async with raw_socket(port, buffer_bytes=4096) as socket:
        tracemalloc.start()
        try:
            await socket.ask(json.dumps({"uuid": "a", "data": HI}))
            turn = await bot.turn()
            await turn.until(lambda: turn.is_over)
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
        contents: list[str] = []
        is_last = False
        while not is_last:
            data = json.loads((await socket.next()).payload)["data"]
            contents.append(data["content"][:4])
            is_last = not data["continue"]
        assert len(contents) < 100
        assert contents == sorted(contents)
        assert contents[-1] == "0999"


async def test_a_slow_client_holds_steps_back_and_gets_every_one(port: int, relay: Relay) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        for number in range(200):
            turn.feed(Step(kind="call", title="", body=f"{number:04}" + "x" * 100_000))
            turn.feed(Step(kind="result", title="", body="nobody asked for this " * 10_000))
            await turn.until_ready()
        turn.done()

    relay.target = bot = Bot(script)
    async with raw_socket(port, buffer_bytes=4096) as socket:
        tracemalloc.start()
        try:
            await socket.ask(json.dumps({"uuid": "a", "data": HI, "subscribe": [3]}))
            turn = await bot.turn()
            await turn.until(lambda: turn.is_paused or turn.is_over)
            await anyio.wait_all_tasks_blocked()
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()
        assert (turn.is_paused, turn.is_over) == (True, False)
        bodies: list[str] = []
        while (data := json.loads((await socket.next()).payload)["data"])["continue"]:
            bodies.append(data["content"][:4])
        assert bodies == [f"{number:04}" for number in range(200)]
        assert [step["content"][:4] if "content" in step else step["body"][:4] for step in data["steps"]] == bodies
        assert (turn.is_paused, turn.pauses > 2) == (False, True)


async def test_a_client_that_takes_nothing_is_given_up(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.say("x" * (8 << 20))
        await turn.go.wait()
        turn.say("y")
        await anyio.sleep_forever()

    bot = Bot(script)
    async with serving(bot, stall_s=0.1) as running, raw_socket(running.port, buffer_bytes=4096) as socket:
        await socket.ask(json.dumps({"uuid": "a", "data": HI}))
        (await bot.turn()).go.set()
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_weakness_21_nothing_is_written_after_a_close(port: int, relay: Relay) -> None:
    """It crashed.  Here the bot talks on while the client closes in every way there is."""

    class Talker(Watched):
        ended = 0

        async def converse(self, request: Any, sink: Any) -> None:
            turn = Turn(request, sink)
            try:
                while True:
                    turn.say("more ")
                    await anyio.lowlevel.checkpoint()
            finally:
                self.ended += 1
                self.changed()

    relay.target = talker = Talker()
    goodbyes = (frame(CLOSE), frame(CLOSE, b"\x03\xe8"), frame(1, b"\xff"), frame(7), b"", None)
    for goodbye in goodbyes:
        async with raw_socket(port) as socket:
            for uuid in ("a", "b"):
                await socket.ask(json.dumps({"uuid": uuid, "data": HI}))
            await socket.next()
            if goodbye is None:
                socket.abort()
            elif goodbye:
                await socket.send(goodbye)
                await socket.frames()
            else:
                socket.end()
                await socket.frames()
    await talker.until(lambda: talker.ended == 2 * len(goodbyes))


async def test_a_thousand_who_leave_in_the_middle_of_an_answer_leave_nothing_behind(port: int, relay: Relay) -> None:
    relay.target = bot = Bot(in_steps)
    before = held()
    ask = json.dumps({"uuid": "a", "data": HI})

    async def come_and_go(number: int) -> None:
        async with raw_socket(port) as socket:
            await socket.ask(ask)
            assert json.loads((await socket.next()).payload)["data"]["content"] == "He"
            match number % 4:
                case 0:
                    socket.abort()
                case 1:
                    await socket.send(frame(CLOSE, b"\x03\xe9"))
                    await socket.until_closed()
                case 2:
                    socket.end()
                case _:
                    await socket.send(frame(1, b'{"uuid": "half a frame', length=1000))

    for start in range(0, 1000, 50):
        await asyncio.gather(*(come_and_go(number) for number in range(start, start + 50)))
    await until_held(before)
    assert len(bot.turns) == 1000
    assert all(turn.is_cancelled for turn in bot.turns)


async def test_those_who_leave_in_the_middle_free_their_places_at_coze(tmp_path: Path) -> None:
    """With the real upstream below."""
    async with emulated(pace=20.0) as coze, served_by_emulator(coze, tmp_path) as url:
        port = int(url.rpartition(":")[2])

        async def come_and_go() -> None:
            async with raw_socket(port) as socket:
                await socket.ask(json.dumps({"uuid": "a", "data": {"messages": HI, "bot": "markdown"}}))
                assert json.loads((await socket.next()).payload)["data"]["continue"]

        await asyncio.gather(*(come_and_go() for _ in range(40)))
        async with aiohttp.ClientSession() as http:

            async def turns() -> int:
                async with http.get(f"{url}/health") as answer:
                    upstreams = (await answer.json())["upstreams"]
                    return int(upstreams["playground"]["turns"])

            with anyio.fail_after(PATIENCE_S):
                while await turns():
                    await anyio.lowlevel.checkpoint()
