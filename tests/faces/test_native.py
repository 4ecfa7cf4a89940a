import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from commands import DEMO_NAMES
from houses import served, served_openly
from native_server import (
    HELLO,
    MESSAGE,
    NDJSON,
    SSE,
    Bot,
    Relay,
    Served,
    Turn,
    connected,
    post,
    request,
    saying,
    serving,
    stream,
)
from realcoze import __version__
from realcoze.app.emulation import emulated_settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.dialects.native.request import REPLY_TYPES
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    StepKind,
    Suggestion,
    TextReplaced,
    ToolCallsRequested,
    Usage,
)
from realcoze.domain.ports import Chats
from realcoze.domain.request import Thread
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.emulator.account import BOTS, SESSION_ID
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating
from realcoze.emulator.sound import recording_of
from realcoze.errors import Busy, QuotaExhausted, RateLimited, RealcozeError, Truncated
from realcoze.faces.http import CHAT_BODY_BYTES
from realcoze.gateway.access import Access
from servers import QUICK, Coze, reached

KEY = "a-key-of-32-characters-and-more-"


@pytest.fixture(scope="module")
async def house(anyio_backend: object) -> AsyncIterator[tuple[Served, Relay]]:
    """One server for all tests of this file; each says who answers."""
    relay = Relay()
    async with serving({bot.name: relay for bot in BOTS}) as served:
        yield served, relay


@pytest.fixture
def port(house: tuple[Served, Relay], nothing_left: None) -> int:
    return house[0].port


@pytest.fixture
def relay(house: tuple[Served, Relay]) -> Relay:
    return house[1]


def asked(text: str, bot: str = "echo", **fields: Any) -> bytes:
    return json.dumps({"messages": [{"role": 2, "content": text}], "bot": bot, **fields}).encode()


EVERYTHING: tuple[Event, ...] = (
    Step(kind="call", title="weather", body='{"city": "Rome"}'),
    Step(kind="result", title="weather", body="warm"),
    Step(kind="recall", title="notes", body="Bring water."),
    ReasoningDelta(message_id=MESSAGE, text="hm"),
    TextReplaced(message_id=MESSAGE, text="Warm {}"),
    AnswerDone(message_id=MESSAGE, text="Warm {}"),
    Usage(input=1, output=2, total=3),
    Suggestion(text="And tomorrow?"),
)


async def everything(turn: Turn) -> None:
    turn.start()
    turn.say("W", "o")
    turn.feed(*EVERYTHING)
    turn.done()


# The whole answer


@pytest.mark.parametrize(
    "content_type", ["text/plain;charset=UTF-8", None, "application/x-www-form-urlencoded", "application/json", "x"]
)
async def test_an_array_of_any_content_type_gets_the_three_members_of_the_node_program(
    port: int, relay: Relay, content_type: str | None
) -> None:
    relay.target = saying("Hel", "lo")
    answer = await post(port, content_type=content_type)
    assert (answer.status, answer.body) == (200, b'{"content":"Hello","continue":false,"reply_type":1}')
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-request-id"].startswith("req_")


async def test_an_object_gets_usage_suggestions_and_ids_too(port: int, relay: Relay) -> None:
    relay.target = Bot(everything)
    answer = await post(port, asked("Rome?"))
    assert answer.json == {
        "content": "Warm {}",
        "continue": False,
        "reply_type": 1,
        "reasoning": "hm",
        "suggestions": ["And tomorrow?"],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        "chat_id": "chat-1",
        "conversation_id": "conversation-1",
        "request_id": answer.headers["x-request-id"],
    }


async def test_steps_stand_in_a_whole_answer_when_they_are_subscribed_to(port: int, relay: Relay) -> None:
    relay.target = Bot(everything)
    answer = await post(port, path="/?subscribe=4,6")
    assert answer.json == {
        "content": "Warm {}",
        "continue": False,
        "reply_type": 1,
        "steps": [
            {"reply_type": 4, "kind": "result", "title": "weather", "body": "warm"},
            {"reply_type": 6, "kind": "recall", "title": "notes", "body": "Bring water."},
        ],
    }


async def test_a_bot_that_asks_back_is_a_success_that_says_so(port: int, relay: Relay) -> None:
    async def tools(turn: Turn) -> None:
        turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="clock", arguments="{}"),)))

    async def question(turn: Turn) -> None:
        turn.feed(InputRequested(interrupt=Interrupt(event_id="e1", kind="question", data={"question": "Where?"})))

    relay.target = Bot(tools)
    answer = await post(port, asked("time?"))
    assert (answer.status, answer.json["status"]) == (200, "requires_action")
    assert answer.json["tool_calls"] == [{"id": "c1", "name": "clock", "arguments": "{}"}]
    relay.target = Bot(question)
    answer = await post(port, asked("where?"))
    assert (answer.json["content"], answer.json["interrupt"]["data"]) == ("Where?", {"question": "Where?"})


async def test_results_of_tools_go_on_with_the_turn_that_waits_for_them(port: int, relay: Relay) -> None:
    bot = relay.target = saying("It is noon.")
    results = [{"call_id": "c1", "output": "12:00"}]
    answer = await post(port, json.dumps({"chat_id": "7", "conversation_id": "8", "tool_results": results}).encode())
    assert (answer.status, answer.json["content"]) == (200, "It is noon.")
    request = bot.turns[0].request
    assert (request.messages, request.chat_id, request.conversation_id) == ((), "7", "8")
    assert request.tool_results == (ToolResult(call_id="c1", output="12:00"),)


async def test_everything_in_the_object_reaches_the_upstream(port: int, relay: Relay) -> None:
    relay.target = bot = saying("ok")
    fields: dict[str, Any] = {
        "conversation_id": "7301",
        "user": "bob",
        "custom_variables": {"a": "b"},
        "parameters": {"deep": [1, {"x": None}]},
        "meta_data": {"m": "n"},
        "extra_params": {"e": "f"},
        "shortcut_command": {"command_id": "1"},
    }
    await post(port, asked("Hi", bot="memory", unknown={"passed": "over"}, **fields))
    (turn,) = bot.turns
    got = turn.request
    assert (got.bot, got.conversation_id, got.user_id) == ("memory", "7301", "bob")
    assert {name: getattr(got, name) for name in list(fields)[2:]} == dict(list(fields.items())[2:])


async def test_the_array_reaches_the_first_bot_and_its_history_is_in_order(port: int, relay: Relay) -> None:
    relay.target = bot = saying("ok")
    await post(port, b'[{"role":2,"content":"a"},{"role":1,"content":"b"},{"role":2,"content":"c","contentType":1}]')
    (turn,) = bot.turns
    assert turn.request.bot == BOTS[0].name
    assert [(each.role, each.text) for each in turn.request.messages] == [
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]


# Streams


@pytest.mark.parametrize("accept", [NDJSON, SSE, f"text/html, {SSE};q=0.9", "Application/X-NDJSON"])
async def test_records_come_in_order_and_the_deltas_sum_up(port: int, relay: Relay, accept: str) -> None:
    relay.target = Bot(everything)
    got = await stream(port, accept=accept)
    is_sse = SSE in accept
    assert got.headers["content-type"] == (f"{SSE}; charset=utf-8" if is_sse else NDJSON)
    assert (got.headers["cache-control"], got.headers["x-accel-buffering"]) == ("no-store", "no")
    assert got.is_whole
    assert (got.events if is_sse else got.lines) == [
        {"type": "start", "chat_id": "chat-1", "conversation_id": "conversation-1"},
        {"type": "delta", "message_id": "m1", "text": "W"},
        {"type": "delta", "message_id": "m1", "text": "o"},
        {"type": "reasoning", "message_id": "m1", "text": "hm"},
        {"type": "snapshot", "message_id": "m1", "text": "Warm {}"},
        {"type": "answer", "message_id": "m1"},
        {"type": "usage", "input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        {"type": "suggestion", "text": "And tomorrow?"},
        {"type": "done"},
    ]


@pytest.mark.parametrize(("subscribe", "kinds"), [("3,4,6", ["call", "result", "recall"]), ("1,6", ["recall"])])
async def test_steps_are_records_when_they_are_subscribed_to(
    port: int, relay: Relay, subscribe: str, kinds: list[StepKind]
) -> None:
    relay.target = Bot(everything)
    for accept, records in ((NDJSON, "lines"), (SSE, "events")):
        got = await stream(port, accept=accept, query=f"&subscribe={subscribe}")
        assert [each["kind"] for each in getattr(got, records) if each["type"] == "step"] == kinds
    flat = await stream(port, query=f"&subscribe={subscribe}")
    assert [each["reply_type"] for each in flat.objects] == [*(REPLY_TYPES[kind] for kind in kinds), 1]


async def test_the_stream_of_the_node_program_is_cumulative_and_its_last_object_comes_once(
    port: int, relay: Relay
) -> None:
    async def slowly(turn: Turn) -> None:
        turn.say("{a")
        await turn.go.wait()
        turn.say("}")
        turn.done()

    relay.target = bot = Bot(slowly)
    async with connected(port) as client:
        await client.send(request(path="/?stream=1"))
        await client.until(b'{"content":"{a","continue":true,"reply_type":1}')
        bot.turns[0].go.set()
        raw = await client.rest()
    assert raw.endswith(rb'{"content":"{a\u007d","continue":false,"reply_type":1}' + b"\r\n0\r\n\r\n")
    assert raw.count(b'"continue":false') == 1
    assert b"content-type: application/json; charset=utf-8" in raw


async def test_two_snapshots_of_the_node_programs_stream_are_what_the_bot_said_until_then(
    port: int, relay: Relay
) -> None:
    relay.target = saying(*"100 snapshots that came at once")
    got = await stream(port)
    assert got.objects == [{"content": "100 snapshots that came at once", "continue": False, "reply_type": 1}]
    assert got.is_whole


@pytest.mark.parametrize("query", ["", "?stream=false", "?stream=", "?stream=0", "?streams=true"])
async def test_without_a_true_stream_the_answer_is_whole(port: int, relay: Relay, query: str) -> None:
    relay.target = saying("Hi")
    assert (await post(port, path=f"/{query}", accept=SSE)).json["content"] == "Hi"


# Errors


CALL_FAULTS = [
    ("region", 503, "upstream_blocked"),
    ("session", 502, "upstream_auth"),
    ("signature", 503, "upstream_blocked"),
    ("risk", 503, "upstream_blocked"),
    ("quota", 429, "insufficient_quota"),
    ("broken", 502, "upstream_protocol"),
    ("silent", 504, "upstream_timeout"),
    ("stall", 504, "upstream_timeout"),
]
Hasty = Callable[..., AbstractAsyncContextManager[Chats]]


@pytest.fixture
def hasty(coze: Coze, tmp_path: Path) -> Hasty:
    """Opens an upstream that no fault has touched yet, with deadlines of its own."""
    numbers = count()
    return lambda **short: reached(coze, tmp_path / str(next(numbers)), deadlines=replace(QUICK, **short))


@pytest.mark.parametrize("case", CALL_FAULTS, ids=str)
async def test_a_fault_of_the_call_has_its_status_whole_and_in_every_framing(
    port: int, relay: Relay, hasty: Hasty, case: tuple[str, int, str]
) -> None:
    fault, status, code = case
    short = {"first_event": 0.3} if code == "upstream_timeout" else {}
    question = asked(f"Hi [[fault {fault}]]")
    async with hasty(**short) as relay.target:
        whole = await post(port, question)
    assert (whole.status, whole.error["code"]) == (status, code)
    assert set(whole.error) <= {"code", "message", "hint", "request_id", "retry_after"}
    for accept in (NDJSON, SSE):
        async with hasty(**short) as relay.target:
            refused = await post(port, question, path="/?stream=true", accept=accept)
        assert (refused.status, refused.error["code"]) == (status, code)
        assert refused.headers["content-type"] == "application/json; charset=utf-8"
    async with hasty(**short) as relay.target:
        flat = await post(port, question, path="/?stream=true")
    assert flat.status == status
    assert flat.json["error"].startswith(f"{code}: ")
    assert flat.json | {"error": ""} == {"content": "", "continue": True, "reply_type": 1, "error": ""}
    assert flat.headers["x-request-id"].startswith("req_")


STATUS = {"push_lost": 502, "upstream_timeout": 504}


@pytest.mark.parametrize("fault", ["cut after=2", "unfinished", "drop after=999"])
async def test_a_fault_in_the_middle_ends_every_framing_with_an_error_and_without_the_last_chunk(
    port: int, relay: Relay, hasty: Hasty, fault: str
) -> None:
    question = asked(f"one two three four [[fault {fault}]]")
    async with hasty(idle=0.3) as relay.target:
        whole = await post(port, question)
        lines, events, flat = [
            await post(port, question, path="/?stream=true", accept=accept) for accept in (NDJSON, SSE, "*/*")
        ]
    assert whole.status == STATUS[whole.error["code"]]
    for got in (lines, events, flat):
        assert (got.status, got.has_last_chunk) == (200, False)
    last = json.loads(lines.text.splitlines()[-1])
    assert last["type"] == "error"
    assert last["error"]["code"] in STATUS
    assert last["error"]["request_id"] == lines.headers["x-request-id"]
    block = events.text.strip().split("\n\n")[-1]
    assert block.startswith("event: error\ndata: ")
    assert json.loads(block.partition("data: ")[2])["error"]["code"] in STATUS
    last = json.loads("{" + flat.text.rpartition("{")[2])
    assert (last["continue"], last["reply_type"]) == (True, 1)
    assert last["error"].partition(": ")[0] in STATUS
    assert "one" in last["content"]
    assert '"continue":false' not in flat.text
    assert '"done"' not in lines.text + events.text


async def test_an_answer_too_long_for_the_node_programs_stream_says_which_has_no_limit(port: int, relay: Relay) -> None:
    relay.target = saying("汉" * 21_000)
    got = await stream(port)
    assert (got.status, got.is_whole) == (200, False)
    (only,) = got.objects
    assert only["continue"]
    assert only["error"].startswith("answer_too_long: ")
    assert SSE in only["error"]
    assert "".join(each.get("text", "") for each in (await stream(port, accept=NDJSON)).lines) == "汉" * 21_000


@pytest.mark.parametrize(
    ("error", "status", "waits"),
    [
        (Busy("One at a time.", retry_after_s=3.2), 409, "3"),
        (RateLimited("Slower.", retry_after_s=99999), 429, "120"),
        (QuotaExhausted("Nothing left."), 429, None),
    ],
)
async def test_how_long_to_wait_stands_in_the_header_too(
    port: int, relay: Relay, error: RealcozeError, status: int, waits: str | None
) -> None:
    async def fail(turn: Turn) -> None:
        raise error

    relay.target = Bot(fail)
    for path in ("/", "/?stream=true"):
        answer = await post(port, path=path)
        assert (answer.status, answer.headers.get("retry-after")) == (status, waits)
    assert (await post(port)).error.get("retry_after") == (int(waits) if waits else None)


async def test_a_defect_of_ours_is_a_500_that_tells_nothing(
    port: int, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_(turn: Turn) -> None:
        raise ZeroDivisionError("secret")

    relay.target = Bot(break_)
    for path in ("/", "/?stream=true"):
        answer = await post(port, path=path)
        assert answer.status == 500
        assert b"internal_error" in answer.body
        assert b"secret" not in answer.body
    assert "a defect ended the turn" in caplog.text


async def test_an_unknown_bot_is_a_404_that_lists_the_names(port: int) -> None:
    answer = await post(port, asked("Hi", bot="nobody"))
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert all(bot.name in answer.error["hint"] for bot in BOTS)


# Bodies


DEEP = 100_000
BAD_BODIES = {
    "empty": b"",
    "white space": b" \n",
    "no JSON": b"hello",
    "half": b'[{"role": 2, "content": "Hel',
    "two": HELLO + HELLO,
    "empty list": b"[]",
    "number": b"5",
    "string": b'"Hello"',
    "null": b"null",
    "deep list": b"[" * DEEP,
    "deep list, closed": b"[" * DEEP + b"]" * DEEP,
    "deep content": b'[{"role": 2, "content": ' + b"[" * DEEP + b"]" * DEEP + b"}]",
    "deep parameters": b'{"parameters": {"a": ' + b"[" * DEEP + b"]" * DEEP + b'}, "messages": []}',
    "deep unknown": b'{"x": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b', "messages": []}',
    "NaN": b'{"messages": [{"role": 2, "content": "Hi"}], "parameters": {"a": NaN}}',
    "1e400": b'{"messages": [{"role": 2, "content": "Hi"}], "parameters": {"a": 1e400}}',
    "UTF-16": HELLO.decode().encode("utf-16"),
    "Latin-1": b'[{"role": 2, "content": "\xe9"}]',
    "NUL": b"\0" + HELLO,
    "content is a number": b'[{"role": 2, "content": 5}]',
    "content is null": b'[{"role": 2, "content": null}]',
    "role is a word": b'[{"role": "user", "content": "Hi"}]',
    "role is unknown": b'[{"role": 3, "content": "Hi"}]',
    "role is huge": b'[{"role": 99999999999999999999999, "content": "Hi"}]',
    "no role": b'[{"content": "Hi"}]',
    "no content": b'[{"role": 2, "contentType": 6}]',
    "list of words": b'["Hello"]',
    "messages is an object": b'{"messages": {}}',
    "messages is empty": b'{"messages": []}',
    "no messages": b'{"bot": "memory"}',
    "only the bot": b'[{"role": 1, "content": "Hi"}]',
    "bot is a number": b'{"messages": [{"role": 2, "content": "Hi"}], "bot": 7}',
    "variables are numbers": b'{"messages": [{"role": 2, "content": "Hi"}], "custom_variables": {"a": 1}}',
    "content type 99": b'[{"role": 2, "content": "Hi", "contentType": 99}]',
    "picture without a key": b'[{"role": 2, "content": "{}", "contentType": 6}]',
}


@pytest.mark.parametrize("name", BAD_BODIES)
async def test_a_body_that_cannot_be_read_is_a_400(port: int, relay: Relay, name: str) -> None:
    relay.target = bot = saying("never")
    answer = await post(port, BAD_BODIES[name])
    assert (answer.status, answer.error["code"]) == (400, "bad_request")
    flat = await post(port, BAD_BODIES[name], path="/?stream=true")
    assert flat.status == 400
    assert flat.json["error"].startswith("bad_request: ")
    assert bot.turns == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xef\xbb\xbf" + HELLO, "Hello"),
        (b'\n\t [{"role": 2, "content": "Hi"}] \n', "Hi"),
        (rb'[{"role": 2, "content": "half \ud83d"}]', "half \N{REPLACEMENT CHARACTER}"),
        (rb'[{"role": 2, "content": "\ud83d\ude00\u0000\u2028"}]', "😀\0\u2028"),
        (b'[{"role": 1, "role": 2, "content": "twice"}]', "twice"),
        (b'[{"role": 2, "content": ""}]', ""),
    ],
)
async def test_a_body_that_is_only_odd_is_read(port: int, relay: Relay, body: bytes, text: str) -> None:
    relay.target = bot = saying("ok")
    assert (await post(port, body)).status == 200
    assert bot.turns[0].request.messages[-1].text == text


async def test_a_subscription_to_what_there_is_not_is_a_400(port: int) -> None:
    answer = await post(port, path="/?subscribe=3,x")
    assert (answer.status, answer.error["code"]) == (400, "bad_request")


async def test_a_client_that_leaves_within_its_body_leaves_no_trace(
    port: int, relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    relay.target = saying("Hi")
    async with connected(port) as client:
        await client.send(request(content_length="1000", expect="100-continue"))
        await client.until(b"100 Continue")
        client.leave()
    assert (await post(port)).status == 200
    assert "Traceback" not in caplog.text
    assert "ClientDisconnect" not in caplog.text


# Keys


@pytest.fixture(scope="module")
async def locked(anyio_backend: object) -> AsyncIterator[int]:
    """A server that wants a key."""
    async with serving(saying("Hi"), key=KEY) as served:
        yield served.port


GOOD: list[dict[str, str]] = [
    {"authorization": f"Bearer {KEY}"},
    {"authorization": f"bearer  {KEY} "},
    {"x_api_key": KEY},
    {"authorization": f"Bearer {KEY}", "x_api_key": KEY},
    {"authorization": f"Bearer {KEY}", "x_api_key": ""},
    {"authorization": "Basic dTpw", "x_api_key": KEY},
]
BAD: list[dict[str, str]] = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": KEY},
    {"authorization": f"Basic {KEY}"},
    {"authorization": f"Bearer {KEY}x"},
    {"authorization": f"Bearer {KEY[:-1]}"},
    {"authorization": f"Bearer {KEY.upper()}"},
    {"authorization": f'Bearer "{KEY}"'},
    {"authorization": "Bearer ' OR '1'='1"},
    {"authorization": "Bearer %"},
    {"authorization": "Bearer " + "k" * 8192},
    {"authorization": "Bearer schl\xfcssel\xff"},
    {"x_api_key": ""},
    {"x_api_key": f"{KEY},{KEY}"},
    {"authorization": f"Bearer {KEY}", "x_api_key": "another"},
    {"authorization": "Bearer another", "x_api_key": KEY},
    {"authorization": f"Basic {KEY}", "x_api_key": "another"},
    {"cookie": f"key={KEY}"},
]


@pytest.mark.parametrize("headers", GOOD)
async def test_the_key_opens_whichever_way_it_is_carried(locked: int, headers: dict[str, Any]) -> None:
    assert (await post(locked, **headers)).status == 200


@pytest.mark.parametrize("headers", BAD)
@pytest.mark.parametrize("path", ["/", "/?stream=true"])
async def test_anything_else_does_not(locked: int, path: str, headers: dict[str, Any]) -> None:
    answer = await post(locked, path=path, **headers)
    assert answer.status == 401
    assert b"invalid_api_key" in answer.body
    assert KEY.encode() not in answer.body


@pytest.mark.parametrize("name", ["Authorization: Bearer", "x-api-key:"])
async def test_two_headers_of_one_name_must_agree(locked: int, name: str) -> None:
    for other, status in ((KEY, 200), ("another", 401)):
        raw = request().replace(b"\r\n\r\n", f"\r\n{name} {KEY}\r\n{name} {other}\r\n\r\n".encode(), 1)
        async with connected(locked) as client:
            await client.send(raw)
            assert (await client.rest()).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("path", ["/", "/?stream=true"])
async def test_the_bot_is_told_whose_turn_it_is_and_of_which_conversation(path: str, nothing_left: None) -> None:
    bot = saying("Hi")
    async with serving(bot, key=KEY) as served:
        await post(served.port, path=path, x_api_key=KEY, x_conversation_id="tea")
        await post(served.port, path=path, x_api_key=KEY)
        long = await post(served.port, path=path, x_api_key=KEY, x_openwebui_chat_id="x" * 201)
    told = [(turn.request.caller, turn.request.thread) for turn in bot.turns]
    caller = Access([KEY]).authenticate([KEY])
    assert told == [(caller, Thread(id="tea", is_whole=False)), (caller, None)]
    assert long.status == 400


async def test_a_key_in_the_address_is_none(locked: int) -> None:
    assert (await post(locked, path=f"/?key={KEY}&x-api-key={KEY}")).status == 401


async def test_the_key_is_asked_for_before_the_body_is_read(locked: int) -> None:
    async with connected(locked) as client:
        await client.send(request(content_length="1000"))
        await client.until(b"invalid_api_key")


# Health


async def test_health_needs_no_key_and_tells_of_bots_and_upstreams_but_no_secret(nothing_left: None) -> None:
    emulator_settings = PlaygroundSettings(session_id=SESSION_ID, pace=0)
    async with emulating(emulator_settings) as emulator, emulated_settings(emulator) as told:
        told.server.key = KEY
        async with open_house(told) as opened:
            app = build_app(opened, told)
            async with listening(app, host="127.0.0.1", port=0, grace_s=1) as port:
                before = await post(port, b"", method="GET", path="/health")
                await post(port, asked("Hi"), x_api_key=KEY)
                after = await post(port, b"", method="GET", path="/health")
                refused = await post(port, asked("Hi [[fault region]]"), x_api_key=KEY)
                later = await post(port, b"", method="GET", path="/health")
    assert before.status == 200
    assert before.json["status"] == "ok"
    assert before.json["version"] == __version__
    assert before.json["bots"] == DEMO_NAMES
    assert set(before.json["upstreams"]) == {"playground", "coze"}
    assert before.json["upstreams"]["playground"]["turns"] == 0
    assert after.json["upstreams"]["playground"]["socket"] != before.json["upstreams"]["playground"]["socket"]
    assert (refused.status, "refused" in later.json["upstreams"]["playground"]) == (503, True)
    for answer in (before, after, later):
        assert SESSION_ID.encode() not in answer.body
        assert KEY.encode() not in answer.body


async def test_nothing_that_a_client_sends_gets_into_a_header_as_it_is(port: int) -> None:
    answer = await post(port, path="/?subscribe=%0d%0ax:y", x_request_id="mine", origin=None)
    assert answer.status == 400
    assert answer.headers["x-request-id"] != "mine"
    elsewhere = await post(port, b"", method="GET", path="/health/?%0d%0ax:y")
    assert "x" not in elsewhere.headers
    unknown = await post(port, b"", path="/%0d%0ax:y")
    assert (unknown.status, "x" in unknown.headers) == (404, False)


# The weaknesses of the Node program


@pytest.mark.parametrize(("accept", "kind"), [("*/*", SSE), (SSE, SSE), (NDJSON, NDJSON)])
async def test_a_stream_that_the_body_asks_for_is_of_server_sent_events(
    port: int, relay: Relay, accept: str, kind: str
) -> None:
    relay.target = saying("Hi")
    question = b'{"messages": [{"role": 2, "content": "?"}], "stream": true}'
    answer = await post(port, question, accept=accept)
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert '"type":"done"' in answer.text


async def test_weakness_19_limits_statuses_keys_cors_and_routes(
    port: int, locked: int, relay: Relay, nothing_left: None
) -> None:
    relay.target = saying("Hi")
    assert (await post(port, b"", content_length=str(CHAT_BODY_BYTES + 1))).status == 413
    assert (await post(port, b"{")).status == 400
    assert (await post(locked)).status == 401
    assert (await post(port, origin="https://elsewhere.example")).status == 403
    assert (await post(port, path="/anything")).status == 404
    for method in ("OPTIONS", "PUT", "DELETE"):
        refused = await post(port, b"", method=method)
        assert (refused.status, refused.error["code"]) == (405, "method_not_allowed")
        assert refused.headers["allow"] == "GET, HEAD, POST"

    async def fail(turn: Turn) -> None:
        raise Truncated("broke off")

    relay.target = Bot(fail)
    assert (await post(port)).status == 502
    async with serving(saying("Hi"), allowed_origins=["https://chat.example"]) as open_to:
        allowed = await post(open_to.port, origin="https://chat.example")
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, "https://chat.example")


async def test_weakness_20_three_framings_the_last_object_once_and_a_client_that_leaves_is_noticed(
    port: int, relay: Relay
) -> None:
    relay.target = saying("Hi")
    flat, lines, events = [await stream(port, accept=accept) for accept in ("*/*", NDJSON, SSE)]
    assert flat.body == '{"content":"Hi","continue":false,"reply_type":1}'
    assert [each["type"] for each in lines.lines] == [each["type"] for each in events.events]
    kinds = [got.headers["content-type"] for got in (flat, lines, events)]
    assert kinds == ["application/json; charset=utf-8", NDJSON, f"{SSE}; charset=utf-8"]

    async def wait(turn: Turn) -> None:
        turn.say("Hel")
        await turn.go.wait()

    relay.target = bot = Bot(wait)
    for place, accept in enumerate(("*/*", NDJSON, SSE)):
        async with connected(port) as client:
            await client.send(request(path="/?stream=true", accept=accept))
            await client.until(b"Hel")
            turn = await bot.turn(place)
        await turn.until(lambda turn=turn: turn.is_over)  # type: ignore[misc]
        assert turn.is_cancelled


async def test_weakness_29_deltas_and_snapshots_both(port: int, relay: Relay) -> None:
    relay.target = saying("Hel", "lo")
    lines = (await stream(port, accept=NDJSON)).lines
    assert [each["text"] for each in lines if each["type"] == "delta"] == ["Hel", "lo"]
    assert (await stream(port)).objects[-1]["content"] == "Hello"


async def test_aiohttps_client_reads_a_whole_answer_on_a_kept_connection(port: int, relay: Relay) -> None:
    relay.target = saying("Hello")
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.post(f"http://127.0.0.1:{port}/", json=json.loads(HELLO)) as answer:
                assert (await answer.json())["content"] == "Hello"
        assert len(session.connector._conns) == 1  # type: ignore[union-attr]


async def test_many_questions_at_once_get_their_own_answers(port: int, relay: Relay) -> None:
    async def echo(turn: Turn) -> None:
        turn.say(turn.request.messages[-1].text)
        turn.done()

    relay.target = Bot(echo)
    answers = await asyncio.gather(*(post(port, asked(f"nonce {number}")) for number in range(50)))
    assert [answer.json["content"] for answer in answers] == [f"nonce {number}" for number in range(50)]


async def test_a_text_is_spoken_and_a_recording_is_written_down(coze: Coze, tmp_path: Path) -> None:
    async with (
        served_openly(coze, tmp_path, voice_id=next(iter(VOICES))) as url,
        aiohttp.ClientSession(url) as session,
    ):
        async with session.post("/speech", json={"text": "one two", "format": "wav"}) as answer:
            sound = await answer.read()
            assert (answer.status, answer.content_type) == (200, "audio/wav")
            assert answer.headers["x-request-id"]
        assert recording_of(sound) is not None
        for recording in (sound, {"file": BytesIO(sound)}):
            async with session.post("/transcription", data=recording) as answer:
                assert await answer.json() == {"text": "A recording of 0.24 seconds at 24000 Hz."}
        for path, body, status, code in (
            ("/speech", b"{}", 400, "bad_request"),
            ("/speech", b'{"text": "x", "voice": "9", "format": "wav"}', 404, "not_found"),
            ("/speech", b'{"text": "x", "bot": "nobody"}', 404, "model_not_found"),
            ("/transcription", b"%PDF", 400, "bad_request"),
        ):
            async with session.post(path, data=body) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (status, code)


async def test_speech_wants_the_key_and_an_upstream_that_speaks(coze: Coze, tmp_path: Path) -> None:
    async with served_openly(coze, tmp_path, key=KEY) as url, aiohttp.ClientSession(url) as session:
        for path in ("/speech", "/transcription"):
            async with session.post(path, json={"text": "x"}) as answer:
                assert answer.status == 401
        own = {"Authorization": f"Bearer {KEY}"}
        async with session.post("/speech", json={"text": "x"}, headers=own) as answer:
            assert (await answer.json())["error"]["code"] == "no_voice"
    async with (
        served(coze, tmp_path) as url,
        aiohttp.ClientSession(url) as session,
        session.post("/speech", json={"text": "x"}) as answer,
    ):
        assert (await answer.json())["error"]["code"] == "not_supported_by_upstream"
