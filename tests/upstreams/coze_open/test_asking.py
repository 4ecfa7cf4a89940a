import json
from typing import Any

import pytest

from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.dialects.coze_open.workflow_stream import WorkflowStreamDecoder
from realcoze.domain.content import Image, Text
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest
from realcoze.upstreams.coze_open.asking import Asking, asking_for
from realcoze.upstreams.coze_open.settings import Target

BOT, WORKFLOW, CHATFLOW = Target(id="1"), Target(id="2", kind="workflow"), Target(id="3", kind="chatflow")
HELLO = Request(messages=(say("user", "hello"),))
RESULTS = (ToolResult(call_id="c1", output="done"),)
NAMES: dict[str, Any] = {"conversation_id": ConversationId("7"), "chat_id": ChatId("8")}


def asked(target: Target, *, text: str = "hello", **fields: Any) -> Asking:
    return asking_for(Request(messages=(say("user", text),), **fields), target, user_id="u", new_name="new")


def body(asking: Asking) -> Any:
    return json.loads(asking.body)


def test_a_bot_is_asked_by_a_chat() -> None:
    asking = asked(BOT, conversation_id=ConversationId("7"))
    assert (asking.target, asking.new_decoder) == ("/v3/chat?conversation_id=7", ChatStreamDecoder)
    assert asking.can_recover
    assert (asking.may_be_silent, asking.is_kept) == (False, True)
    assert (body(asking)["bot_id"], body(asking)["auto_save_history"]) == ("1", True)


def test_no_call_is_spent_on_an_empty_question() -> None:
    with pytest.raises(BadRequest, match="The question is empty"):
        asked(BOT, text=" ")
    for target in (WORKFLOW, CHATFLOW):
        assert asked(target, text="")
    assert asked(BOT, text="", shortcut_command={"command_id": "1"})
    assert asked(BOT, text="", parameters={"a": 1})


def test_a_private_bot_is_asked_to_be_forgotten() -> None:
    asking = asked(Target(id="1", saves_history=False))
    assert not asking.is_kept
    assert body(asking)["auto_save_history"] is False


def test_results_of_tools_go_to_the_chat_that_waits_for_them() -> None:
    asking = asking_for(Request(messages=(), tool_results=RESULTS, **NAMES), BOT, user_id="u", new_name="new")
    assert asking.target == "/v3/chat/submit_tool_outputs?conversation_id=7&chat_id=8"
    assert (asking.is_kept, asking.can_recover) == (True, False)
    assert body(asking) == {"tool_outputs": [{"tool_call_id": "c1", "output": "done"}], "stream": True}


def test_the_rest_of_a_turn_can_be_asked_for_where_it_is_known_what_was_told_before() -> None:
    told = frozenset({("answer", "m")})
    asking = asking_for(
        Request(messages=(), tool_results=RESULTS, **NAMES), BOT, user_id="u", new_name="new", told=told
    )
    decoder = asking.new_decoder()
    assert asking.can_recover
    assert isinstance(decoder, ChatStreamDecoder)
    assert decoder.told == told


def test_the_words_that_answer_a_question_go_like_the_result_of_a_tool() -> None:
    asking = asked(BOT, text="Berlin", resume=Resume(event_id="q1", kind="reply_message"), **NAMES)
    assert body(asking)["tool_outputs"] == [{"tool_call_id": "q1", "output": "Berlin"}]


def test_the_question_of_studios_chatflow_is_answered_by_the_next_chat() -> None:
    said = (say("user", "ask me"), say("assistant", "Where to?"), say("user", "Berlin"))
    request = Request(messages=said, resume=Resume(event_id="", kind="message"), **NAMES)
    asking = asking_for(request, CHATFLOW, user_id="u", new_name="new")
    assert asking.target == "/v1/workflows/chat"
    assert len(body(asking)["additional_messages"]) == 1
    assert (body(asking)["conversation_id"], body(asking)["additional_messages"][0]["content"]) == ("7", "Berlin")


def test_a_chatflow_is_talked_with_like_a_bot_and_may_be_silent_like_a_workflow() -> None:
    asking = asked(Target(id="3", kind="chatflow", app_id="9"))
    assert asking.new_decoder is ChatStreamDecoder
    assert (asking.may_be_silent, asking.is_kept) == (True, True)
    assert (body(asking)["workflow_id"], body(asking)["app_id"]) == ("3", "9")
    assert body(asking)["parameters"] == {"CONVERSATION_NAME": "new"}
    named = asked(CHATFLOW, parameters={"CONVERSATION_NAME": "mine", "n": 1})
    assert body(named)["parameters"] == {"CONVERSATION_NAME": "mine", "n": 1}
    more = asking_for(Request(messages=(), tool_results=RESULTS, **NAMES), CHATFLOW, user_id="u", new_name="new")
    assert (more.target.partition("?")[0], more.may_be_silent) == ("/v3/chat/submit_tool_outputs", True)


def test_a_workflow_is_run_with_parameters() -> None:
    asking = asked(Target(id="2", kind="workflow", bot_id="1", input_name="topic"), extra_params={"latitude": "1"})
    assert (asking.target, asking.new_decoder) == ("/v1/workflow/stream_run", WorkflowStreamDecoder)
    assert (asking.may_be_silent, asking.is_kept) == (True, False)
    told = body(asking)
    assert (told["workflow_id"], told["bot_id"], told["parameters"]) == ("2", "1", {"topic": "hello"})
    assert told["ext"] == {"user_id": "u", "latitude": "1"}


def test_the_question_of_a_workflow_is_answered_by_the_last_message() -> None:
    asking = asked(WORKFLOW, text="Berlin", resume=Resume(event_id="a/b", kind="question"))
    assert asking.target == "/v1/workflow/stream_resume"
    assert body(asking) == {"workflow_id": "2", "event_id": "a/b", "resume_data": "Berlin", "interrupt_type": 2}


QUESTION, REPLY, NEXT = (Resume(event_id="1", kind=kind) for kind in ("question", "reply_message", "message"))
PICTURE = Message(role="user", parts=(Text(text="see"), Image(key="k")))


@pytest.mark.parametrize(
    ("target", "fields", "said"),
    [
        (Target(id="1", saves_history=False), {"tool_results": RESULTS, **NAMES}, "private"),
        (BOT, {"tool_results": RESULTS}, "conversation_id and the chat_id"),
        (BOT, {"tool_results": RESULTS, "chat_id": ChatId("8")}, "conversation_id and the chat_id"),
        (WORKFLOW, {"tool_results": RESULTS}, "takes no results of tools"),
        (BOT, {"resume": QUESTION}, "is a workflow's, and this is none"),
        (BOT, {"resume": Resume(event_id="1", kind="riddle")}, "no question of the kind 'riddle'"),
        (WORKFLOW, {"resume": Resume(event_id="1", kind="riddle")}, "no question of the kind 'riddle'"),
        (CHATFLOW, {"resume": NEXT}, "conversation_id is missing"),
        (BOT, {"resume": REPLY, "tool_results": RESULTS, **NAMES}, "and not for both"),
        (Target(id="2", kind="workflow", saves_history=False), {}, "what a workflow does; it cannot be private"),
        (Target(id="3", kind="chatflow", saves_history=False), {}, "what a chatflow does; it cannot be private"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_before_anything_is_sent(
    target: Target, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        asked(target, **fields)


@pytest.mark.parametrize("messages", [(), (say("user", ""),), (PICTURE,)], ids=["none", "empty", "a picture"])
@pytest.mark.parametrize(("target", "resume"), [(BOT, REPLY), (WORKFLOW, QUESTION), (CHATFLOW, NEXT)])
def test_an_answer_is_words(target: Target, resume: Resume, messages: tuple[Message, ...]) -> None:
    with pytest.raises(BadRequest, match="is words"):
        asking_for(Request(messages=messages, resume=resume, **NAMES), target, user_id="u", new_name="new")
