"""Turns with the emulated chatflow, called by a plain HTTP client."""

import json
from typing import Any

import pytest

from open_coze import Answer, open_coze
from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.domain.event import AnswerDone, Event, InputRequested, TurnDone, TurnFailed, TurnStarted
from realcoze.emulator.account import CHATFLOW, WORKFLOWS
from realcoze.emulator.guide import QUESTION

pytestmark = pytest.mark.usefixtures("nothing_left")

PATH = "/v1/workflows/chat"


def called(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text, "content_type": "text"}
    return {"workflow_id": CHATFLOW.workflow_id, "additional_messages": [message], **more}


def read(answer: Answer) -> list[Event]:
    decoder = ChatStreamDecoder()
    return [*decoder.feed(answer.text.encode()), *decoder.finish()]


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerDone))


def started(events: list[Event]) -> TurnStarted:
    assert isinstance(events[0], TurnStarted)
    return events[0]


async def test_a_turn_is_a_chats_with_spaces_and_the_address_of_its_run() -> None:
    async with open_coze() as coze:
        answer = await coze.post(PATH, called("hello", parameters={"city": "Rome"}))
        assert coze.server.seen.chatflows[0].parameters == {"city": "Rome"}
    assert answer.text.startswith("event: conversation.chat.created\ndata: {")
    assert '\nevent: done\ndata: {"debug_url":"https://www.coze.com/work_flow?' in answer.text
    assert "bot_id" not in answer.text
    assert "id: " not in answer.text
    events = read(answer)
    assert text(events) == "Follow me: “hello”. You have told me one thing. city is Rome."
    assert events[-1] == TurnDone()


async def test_a_conversation_is_kept_by_its_id_or_its_name() -> None:
    async with open_coze() as coze:
        first = started(read(await coze.post(PATH, called("one"))))
        second = read(await coze.post(PATH, called("two", conversation_id=first.conversation_id)))
        named = {"parameters": {"CONVERSATION_NAME": "n"}}
        third = started(read(await coze.post(PATH, called("one", **named))))
        fourth = started(read(await coze.post(PATH, called("two", **named))))
    assert "told me 2 things" in text(second)
    assert third.conversation_id == fourth.conversation_id != first.conversation_id


async def test_a_question_is_answered_like_a_tool() -> None:
    async with open_coze() as coze:
        events = read(await coze.post(PATH, called("ask me")))
        asked, turn = events[-1], started(events)
        assert isinstance(asked, InputRequested)
        assert asked.interrupt.kind == "reply_message"
        body = {"tool_outputs": [{"tool_call_id": asked.interrupt.event_id, "output": "Rome"}], "stream": True}
        query = {"conversation_id": turn.conversation_id, "chat_id": turn.chat_id}
        went_on = await coze.post("/v3/chat/submit_tool_outputs", body, **query)
        assert len(coze.server.seen.submissions) == 1
    assert text(events) == QUESTION
    assert went_on.names[0] == "conversation.chat.in_progress"
    assert (text(read(went_on)), started(read(went_on)).chat_id) == ("You said: Rome", turn.chat_id)


async def test_a_question_that_is_not_answered_is_forgotten() -> None:
    async with open_coze() as coze:
        turn = started(read(await coze.post(PATH, called("ask me"))))
        events = read(await coze.post(PATH, called("Rome", conversation_id=turn.conversation_id)))
    assert text(events).startswith("Follow me: “Rome”.")


async def test_a_failure_is_an_error_whose_code_is_a_string() -> None:
    async with open_coze() as coze:
        answer = await coze.post(PATH, called("x [[fault failed value=4011]]"))
        again = await coze.post(PATH, called("y", conversation_id=started(read(answer)).conversation_id))
    failure = json.loads(answer.text.rpartition("data: ")[2])
    assert (failure["code"], "debug_url" in failure) == ("4011", True)
    end = read(answer)[-1]
    assert isinstance(end, TurnFailed)
    assert end.error.upstream_code == 4011
    assert read(again)[-1] == TurnDone()


async def test_what_is_no_turn_is_refused() -> None:
    hidden = frozenset({CHATFLOW.workflow_id})
    async with open_coze() as coze:
        wrong = [
            {**called("x"), "workflow_id": WORKFLOWS[0].workflow_id},
            called("x", bot_id="1", app_id="2"),
            called("x", additional_messages=called("x")["additional_messages"] * 51),
            called("x", additional_messages=[]),
            called("x", additional_messages=[{"role": "assistant", "content": "x"}]),
            called("x", conversation_id="1"),
            called("x", parameters=[]),
            called("x [[fault code value=4011]]"),
        ]
        codes = [(await coze.post(PATH, body)).json["code"] for body in wrong]
    assert codes == [4200, 4000, 4004, 4000, 4000, 4002, 4000, 4011]
    async with open_coze(unpublished=hidden) as coze:
        assert (await coze.post(PATH, called("x"))).json["code"] == 4200


async def test_one_turn_at_a_time_runs_in_a_conversation() -> None:
    async with open_coze() as coze:
        turn = started(read(await coze.post(PATH, called("x"))))
        held = called("x [[fault stuck]]", conversation_id=turn.conversation_id)
        async with coze.http.post(coze.base + PATH, json=held) as response:
            await response.content.readany()
            refused = await coze.post(PATH, called("y", conversation_id=turn.conversation_id))
    assert refused.json["code"] == 4016


# Studio


async def test_studio_numbers_its_events_and_needs_a_conversation() -> None:
    async with open_coze(personality="studio") as coze:
        lost = await coze.post(PATH, called("x"))
        answer = await coze.post(PATH, called("x", parameters={"CONVERSATION_NAME": "n"}))
    assert (lost.status, lost.text) == (200, "")
    blocks = answer.text.split("\n\n")[:-1]
    assert [block.partition("\n")[0] for block in blocks] == [f"id: {number + 1}" for number in range(len(blocks))]
    assert read(answer)[-1] == TurnDone()


async def test_studios_question_is_answered_by_the_next_turn() -> None:
    named = {"parameters": {"CONVERSATION_NAME": "n"}}
    async with open_coze(personality="studio") as coze:
        asked = read(await coze.post(PATH, called("ask me", **named)))[-1]
        answer = read(await coze.post(PATH, called("ask me again", **named)))
        further = read(await coze.post(PATH, called("on", **named)))
    assert isinstance(asked, InputRequested)
    assert (asked.interrupt.kind, asked.interrupt.event_id) == ("message", "")
    assert text(answer) == "You said: ask me again"
    assert text(further).startswith("Follow me")
