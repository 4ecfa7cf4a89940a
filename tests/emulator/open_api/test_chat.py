"""Chats of the emulated open API, called by a plain HTTP client."""

import json
from typing import Any

import aiohttp
import anyio
import pytest

from open_coze import BOT_IDS, OpenClient, asked, open_coze
from realcoze.emulator.open_api.settings import SeenCall, SeenEnd
from servers import soon

pytestmark = pytest.mark.usefixtures("nothing_left")

BUSY = "hello [[fault stuck]]"


async def finished(coze: OpenClient, query: dict[str, str]) -> str:
    """The status of a chat that runs no more."""
    await soon(lambda: coze.server.state.chats[query["chat_id"]].has_ended)
    status: str = (await coze.get("/v3/chat/retrieve", **query)).json["data"]["status"]
    return status


async def test_a_streamed_chat_has_the_events_in_their_order() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("one two three")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.names == [
        "conversation.chat.created",
        "conversation.chat.in_progress",
        *["conversation.message.delta"] * 3,
        *["conversation.message.completed"] * 2,
        "conversation.chat.completed",
        "done",
    ]
    assert answer.said == "one two three"
    assert answer.text.endswith('event:done\ndata:"[DONE]"\n\n')
    assert "event: " not in answer.text
    chat = answer.events[-2][1]
    assert (chat["status"], chat["usage"]["token_count"]) == ("completed", 6)
    assert {data["conversation_id"] for name, data in answer.events if name != "done"} == {chat["conversation_id"]}


async def test_steps_and_suggestions_are_messages_of_the_stream() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("the weather", "tools")
    kinds = [data["type"] for name, data in answer.events if name == "conversation.message.completed"]
    steps = ["function_call", "tool_response"] * 2
    assert kinds == [*steps, "knowledge", "answer", "verbose", "follow_up", "follow_up"]


async def test_a_whole_chat_is_in_progress_then_completed_and_its_messages_can_be_listed() -> None:
    async with open_coze() as coze:
        begun = (await coze.chat("one two", stream=False, meta_data={"a": "b"})).json
        assert (begun["code"], begun["data"]["status"]) == (0, "in_progress")
        query = {"conversation_id": begun["data"]["conversation_id"], "chat_id": begun["data"]["id"]}
        assert await finished(coze, query) == "completed"
        found = (await coze.post("/v3/chat/retrieve", **query)).json["data"]
        assert (found["usage"]["token_count"], found["meta_data"]) == (4, {"a": "b"})
        listed = (await coze.get("/v3/chat/message/list", **query)).json["data"]
    assert [(message["type"], message["role"]) for message in listed] == [
        ("answer", "assistant"),
        ("verbose", "assistant"),
    ]
    assert listed[0]["content"] == "one two"


async def test_a_bot_sees_the_history_of_its_conversation() -> None:
    async with open_coze() as coze:
        first = await coze.chat("my name is Ada", "memory")
        conversation_id = first.events[0][1]["conversation_id"]
        second = await coze.chat("do you remember?", "memory", conversation_id)
        other = await coze.chat("do you remember?", "memory")
    assert "my name is Ada" in second.said
    assert "Ada" not in other.said


async def test_all_messages_that_come_with_a_chat_are_part_of_its_history() -> None:
    messages = [
        {"role": "user", "content": "my name is Ada", "content_type": "text", "meta_data": None, "id": None},
        {"role": "assistant", "content": "noted", "content_type": "text", "type": "answer"},
        {"role": "user", "content": "what is my name?", "content_type": "text"},
    ]
    async with open_coze() as coze:
        answer = await coze.chat("", "memory", additional_messages=messages)
        conversation_id = answer.events[0][1]["conversation_id"]
        kept = (
            await coze.post("/v1/conversation/message/list", {"order": "asc"}, conversation_id=conversation_id)
        ).json
    assert answer.said == "You are Ada."
    assert [message["type"] for message in kept["data"]] == ["question", "answer", "question", "answer"]


async def test_a_chat_that_is_not_saved_cannot_be_retrieved_cancelled_or_continued() -> None:
    async with open_coze() as coze:
        answer = await coze.chat("hello", auto_save_history=False)
        chat = answer.events[0][1]
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        assert answer.said == "hello"
        assert (await coze.get("/v3/chat/retrieve", **query)).json["code"] == 4001
        assert (await coze.post("/v3/chat/cancel", query)).json["code"] == 4001
        assert (await coze.chat("again", conversation_id=chat["conversation_id"])).json["code"] == 4002
        assert (await coze.chat("hello", auto_save_history=False, stream=False)).json["code"] == 4007


async def test_one_chat_runs_in_a_conversation_at_a_time() -> None:
    async with open_coze() as coze:
        query = await coze.begin(BUSY)
        refused = await coze.chat("and I", conversation_id=query["conversation_id"])
        assert (refused.headers["Content-Type"], refused.json["code"]) == ("application/json; charset=utf-8", 4016)
        cancelled = (await coze.post("/v3/chat/cancel", query)).json
        assert (cancelled["code"], cancelled["data"]["status"]) == (0, "canceled")
        assert (await coze.chat("and I", conversation_id=query["conversation_id"])).said == "and I"


async def test_what_was_said_in_a_cancelled_chat_is_no_context() -> None:
    async with open_coze() as coze:
        query = await coze.begin("my name is Ada [[fault stuck]]", "memory")
        await coze.post("/v3/chat/cancel", query)
        answer = await coze.chat("do you remember?", "memory", query["conversation_id"])
    assert "Ada" not in answer.said


async def test_a_cancel_leaves_a_stream_alone() -> None:
    async with open_coze(pace=200) as coze:
        body = asked("one two three four five", "echo")
        async with coze.http.post(f"{coze.base}/v3/chat", json=body) as response:
            first = json.loads((await response.content.readuntil(b"\n\n")).partition(b"data:")[2])
            query = {"conversation_id": first["conversation_id"], "chat_id": first["id"]}
            assert (await coze.post("/v3/chat/cancel", query)).json["data"]["status"] == "canceled"
            rest = await response.text()
        assert "conversation.chat.completed" in rest
        assert (await coze.get("/v3/chat/retrieve", **query)).json["data"]["status"] == "canceled"
        assert list(coze.server.seen.cancelled) == [query["chat_id"]]


@pytest.mark.parametrize(
    ("fault", "status"), [("", "completed"), ("failed", "failed"), ("requires", "requires_action")]
)
async def test_a_chat_that_has_ended_cannot_be_cancelled(fault: str, status: str) -> None:
    async with open_coze() as coze:
        query = await coze.begin(f"hello [[fault {fault}]]" if fault else "hello")
        assert await finished(coze, query) == status
        refused = (await coze.post("/v3/chat/cancel", query)).json
        assert (refused["code"], "data" in refused) == (4104, False)


async def test_a_reader_who_leaves_is_seen_and_the_chat_goes_on() -> None:
    async with open_coze(pace=50) as coze:
        body = asked("one two three four five six seven eight")
        async with coze.http.post(f"{coze.base}/v3/chat", json=body) as response:
            first = json.loads((await response.content.readuntil(b"\n\n")).partition(b"data:")[2])
        await soon(lambda: coze.server.seen.ends)
        query = {"conversation_id": first["conversation_id"], "chat_id": first["id"]}
        assert (await coze.get("/v3/chat/retrieve", **query)).json["data"]["status"] == "in_progress"
        assert (await coze.chat("and I", conversation_id=query["conversation_id"])).json["code"] == 4016
        await coze.post("/v3/chat/cancel", query)
        seen = coze.server.seen
        assert coze.wire.count("left") == 1
    assert [entry.path if isinstance(entry, SeenCall) else entry for entry in seen.order] == [
        "/v3/chat",
        SeenEnd(first["id"], "left"),
        "/v3/chat/retrieve",
        "/v3/chat",
        "/v3/chat/cancel",
    ]
    assert seen.open_streams == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"bot_id": "7300000000000000099"}, 4200),
        ({"bot_id": BOT_IDS["slow"]}, 4015),
        ({"additional_messages": []}, 4000),
        ({"additional_messages": [{"role": "user", "content": "[", "content_type": "object_string"}]}, 4000),
        ({"additional_messages": "no"}, 4000),
        ({"additional_messages": [{"role": "user", "content": "[[fault cuts]]", "content_type": "text"}]}, 4000),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_what_is_wrong_with_a_call_is_said_in_json(body: dict[str, object], code: int, stream: bool) -> None:  # noqa: FBT001 - a parameter
    async with open_coze(unpublished=frozenset({BOT_IDS["slow"]})) as coze:
        answer = await coze.post("/v3/chat", {**asked("hello"), "stream": stream, **body})
    assert (answer.status, answer.json["code"]) == (200, code)
    assert answer.json["detail"]["logid"] == answer.headers["x-tt-logid"]


@pytest.mark.parametrize("path", ["/v3/chat/retrieve", "/v3/chat/message/list"])
async def test_a_chat_that_is_not_there_is_said_so(path: str) -> None:
    async with open_coze() as coze:
        query = await coze.begin("hello")
        assert (await coze.get(path)).json["code"] == 4001
        assert (await coze.get(path, chat_id=query["chat_id"], conversation_id="1")).json["code"] == 4001
        assert (await coze.chat("hello", conversation_id="1")).json["code"] == 4002


async def test_a_chat_that_nobody_waits_for_ends_with_the_emulator() -> None:
    async with open_coze(pace=1) as coze, anyio.create_task_group() as tasks:
        await coze.begin("one two three four")
        tasks.start_soon(coze.chat, "hello [[fault stall]]")
        tasks.start_soon(coze.chat, "hello [[fault silent]]")
        await soon(lambda: len(coze.server.seen.chats) == 3)
        tasks.cancel_scope.cancel()


async def test_a_picture_is_found_by_its_id() -> None:
    async with open_coze() as coze:
        form = aiohttp.FormData()
        form.add_field("file", b"\x89PNG\r\n\x1a\n", filename="a.png", content_type="image/png")
        file_id = (await coze.call("POST", "/v1/files/upload", data=form)).json["data"]["id"]
        items = [{"type": "text", "text": "look"}, {"type": "image", "file_id": file_id}]
        message = {"role": "user", "content": json.dumps(items), "content_type": "object_string"}
        answer = await coze.chat("", "pictures", additional_messages=[message])
        items[1]["file_id"] = "1"
        message["content"] = json.dumps(items)
        missing = await coze.chat("", "pictures", additional_messages=[message])
    assert "8 bytes, CRC-32" in answer.said
    assert "never uploaded" in missing.said


async def test_the_same_question_gets_the_same_answer_under_other_ids() -> None:
    async with open_coze(seed=7) as coze:
        one, two = await coze.chat("the weather", "tools"), await coze.chat("the weather", "tools")
    assert one.said == two.said
    ids = [data["id"] for answer in (one, two) for name, data in answer.events if name.endswith("message.completed")]
    assert len(set(ids)) == len(ids)
    assert all(int(name) > 1 << 53 for name in ids)


async def test_a_chat_goes_on_with_the_results_of_its_tools() -> None:
    path = "/v3/chat/submit_tool_outputs"
    async with open_coze() as coze:
        asking = await coze.chat("hello [[fault requires]]", "memory")
        assert asking.names[-2:] == ["conversation.chat.requires_action", "done"]
        chat = asking.events[-2][1]
        call = chat["required_action"]["submit_tool_outputs"]["tool_calls"][0]
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "my name is Ada"}], "stream": True}
        assert (await coze.post(path, {"tool_outputs": []}, **query)).json["code"] == 4000
        answer = await coze.post(path, outputs, **query)
        assert answer.names[0] == "conversation.chat.in_progress"
        assert answer.names[-2:] == ["conversation.chat.completed", "done"]
        assert answer.said == "The tool says: my name is Ada"
        assert {data["id"] for name, data in answer.events if "chat." in name} == {chat["id"]}
        assert (await coze.post(path, outputs, **query)).json["code"] == 4000
        assert (await coze.post(path, outputs)).json["code"] == 4001
        assert "hello" in (await coze.chat("do you remember?", "memory", query["conversation_id"])).said


async def test_the_rest_of_a_chat_can_be_had_whole() -> None:
    async with open_coze() as coze:
        query = await coze.begin("hello [[fault requires]]")
        assert await finished(coze, query) == "requires_action"
        outputs = {"tool_outputs": [{"tool_call_id": "call_emulated_1", "output": "x"}]}
        begun = (await coze.post("/v3/chat/submit_tool_outputs", outputs, **query)).json["data"]
        assert (begun["id"], begun["status"]) == (query["chat_id"], "in_progress")
        assert await finished(coze, query) == "completed"


async def test_the_secretary_has_tools_run_and_tells_what_they_gave() -> None:
    path = "/v3/chat/submit_tool_outputs"
    async with open_coze() as coze:
        asking = await coze.chat("Weather and reminder, please", "secretary")
        chat = asking.events[-2][1]
        calls = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        assert [call["function"]["name"] for call in calls] == ["add_reminder", "get_weather"]
        one, two = ({"tool_call_id": call["id"], "output": call["function"]["name"]} for call in calls)
        assert (await coze.post(path, {"tool_outputs": [one], "stream": True}, **query)).json["code"] == 4000
        answer = await coze.post(path, {"tool_outputs": [two, one], "stream": True}, **query)
        assert len(coze.server.seen.submissions) == 1
        assert (await coze.post(path, {"tool_outputs": [two, one]}, **query)).json["code"] == 4000
        assert "The tool says" in str((await coze.get("/v3/chat/message/list", **query)).json["data"])
    assert answer.names[0] == "conversation.chat.in_progress"
    assert answer.said == "The tool says: add_reminder; get_weather"


async def test_the_secretarys_question_is_answered_like_a_tool() -> None:
    async with open_coze() as coze:
        asking = await coze.chat("ask me", "secretary")
        chat = asking.events[-2][1]
        (call,) = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "Ada"}], "stream": True}
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        answer = await coze.post("/v3/chat/submit_tool_outputs", outputs, **query)
        listed = (await coze.get("/v3/chat/message/list", **query)).json["data"]
        again = await coze.chat("do you remember?", "memory", query["conversation_id"])
    assert asking.said == "What shall I call you?"
    assert [message["content"] for message in listed if message["type"] == "answer"] == [asking.said, answer.said]
    assert "ask me" in again.said
    assert (call["type"], call["function"]) == ("reply_message", None)
    assert answer.said == "You said: Ada"


async def test_a_tool_needs_a_chat_that_is_saved() -> None:
    async with open_coze() as coze:
        refused = await coze.chat("remind me", "secretary", auto_save_history=False)
        talked = await coze.chat("hello", "secretary", auto_save_history=False)
    assert refused.json["code"] == 5000
    assert talked.said.startswith("I can set reminders.")


async def test_results_wait_until_no_other_chat_runs_in_the_conversation() -> None:
    path = "/v3/chat/submit_tool_outputs"
    async with open_coze() as coze:
        chat = (await coze.chat("remind me", "secretary")).events[-2][1]
        (call,) = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "x"}], "stream": True}
        other = await coze.call("POST", "/v3/chat", asked(BUSY, stream=False), params=query)
        busy = {"conversation_id": chat["conversation_id"], "chat_id": other.json["data"]["id"]}
        assert (await coze.post(path, outputs, **query)).json["code"] == 4016
        await coze.post("/v3/chat/cancel", busy)
        assert (await coze.post(path, outputs, **query)).said == "The tool says: x"


async def test_a_result_may_ask_for_a_fault_and_a_refused_one_can_be_handed_in_again() -> None:
    path = "/v3/chat/submit_tool_outputs"
    async with open_coze() as coze:
        chat = (await coze.chat("remind me", "secretary")).events[-2][1]
        (call,) = chat["required_action"]["submit_tool_outputs"]["tool_calls"]
        query = {"conversation_id": chat["conversation_id"], "chat_id": chat["id"]}

        def handed(output: str) -> dict[str, Any]:
            return {"tool_outputs": [{"tool_call_id": call["id"], "output": output}], "stream": True}

        assert (await coze.post(path, handed("x [[fault event]]"), **query)).names == ["error"]
        short = await coze.post(path, handed("x [[fault eof value=40]]"), **query)
        assert await finished(coze, query) == "completed"
    assert len(short.text) == 40
