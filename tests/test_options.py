from dataclasses import replace
from typing import Any

import pytest

from realcoze.domain.content import Image, Inline, Text
from realcoze.domain.event import Interrupt
from realcoze.domain.fold import Reply
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import say
from realcoze.domain.request import Resume
from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import BadRequest
from realcoze.options import EVERYTHING, request_of

ASKED = Interrupt(event_id="5", kind="question", data={})
WAITING = Reply(text="", interrupt=ASKED, chat_id=ChatId("7"), conversation_id=ConversationId("8"))


def test_a_text_is_a_question_and_nothing_else_is_said() -> None:
    request = request_of("Hi")
    assert request.messages == (say("user", "Hi"),)
    assert (request.bot, request.chat_id, request.resume, request.tool_results) == ("", None, None, ())
    assert request.wants == EVERYTHING


def test_a_question_may_have_parts_and_a_history() -> None:
    picture = Image(key="k")
    request = request_of([picture, "What is it?"], history=[say("user", "Hi"), say("assistant", "Hello")])
    assert [len(message.parts) for message in request.messages] == [1, 1, 2]
    inline = Inline(data=b"x")
    assert request_of(inline).messages[0].parts == (inline,)


@pytest.mark.parametrize("question", ["", [], [""], Text(text=""), ["", Text(text="")]])
def test_an_empty_question_is_refused_but_for_the_parameters_of_a_workflow(question: Any) -> None:
    for history in ((), [say("user", "Hi"), say("assistant", "Hello")]):
        with pytest.raises(BadRequest, match="question is empty"):
            request_of(question, history=history)
    assert request_of(question, parameters={"a": 1}).messages == (say("user", ""),)


def test_an_answer_goes_to_the_reply_that_asked() -> None:
    request = request_of("Rome", resume=WAITING)
    assert request.resume == Resume(event_id="5", kind="question")
    assert (request.chat_id, request.conversation_id) == ("7", "8")
    assert request.messages == (say("user", "Rome"),)


def test_an_interrupt_with_the_ids_of_its_turn_will_do() -> None:
    request = request_of("Rome", resume=ASKED, chat_id="1", conversation_id="2")
    assert (request.resume, request.chat_id, request.conversation_id) == (
        Resume(event_id="5", kind="question"), "1", "2",
    )  # fmt: skip


def test_results_go_to_the_reply_that_waits_and_need_no_question() -> None:
    calls = (ToolCall(call_id="c1", name="clock", arguments="{}"),)
    waiting = replace(WAITING, interrupt=None, tool_calls=calls)
    request = request_of("", resume=waiting, tool_results={"c1": "noon"})
    assert request.messages == ()
    assert request.resume is None
    assert (request.chat_id, request.tool_results) == ("7", (ToolResult(call_id="c1", output="noon"),))


def test_what_was_said_before_may_stand_beside_results() -> None:
    request = request_of("What time is it?", history=[say("user", "Hi")], tool_results={"c1": "noon"})
    assert request.messages == (say("user", "Hi"), say("user", "What time is it?"))


@pytest.mark.parametrize("results", [None, {}])
def test_a_reply_that_waits_for_results_takes_nothing_else(results: dict[str, str] | None) -> None:
    calls = (ToolCall(call_id="c1", name="clock", arguments="{}"),)
    waiting = replace(WAITING, interrupt=None, tool_calls=calls)
    with pytest.raises(BadRequest, match="waits for the results of tools") as caught:
        request_of("noon", resume=waiting, tool_results=results)
    assert "call.call_id" in str(caught.value.hint)


def test_a_turn_is_named_only_to_give_what_it_waits_for() -> None:
    with pytest.raises(BadRequest, match="chat_id names a turn that waits"):
        request_of("Hi", chat_id="7")
    assert request_of("", chat_id="7", tool_results={"c1": "noon"}).chat_id == "7"


def test_a_reply_that_waits_for_nothing_is_not_gone_on_with() -> None:
    with pytest.raises(BadRequest, match="waits for nothing"):
        request_of("Rome", resume=Reply(text="Hello"))


@pytest.mark.parametrize("results", [{"c1": 7}, {7: "noon"}, ["noon"]])
def test_a_result_is_a_text_under_a_text(results: Any) -> None:
    with pytest.raises(BadRequest, match="tool_results is a dict"):
        request_of("", tool_results=results)


def test_an_option_that_nobody_knows_is_a_defect_of_the_program() -> None:
    with pytest.raises(TypeError, match="'colour' is no option"):
        request_of("Hi", colour="red")


def test_halves_of_characters_are_replaced_in_what_is_said_and_refused_in_names() -> None:
    """An emoji that was cut, or the name of a file that is no UTF-8."""
    assert request_of("a\ud83d b\ud83d\ude00").messages == (say("user", "a\ufffd b\U0001f600"),)
    assert request_of("", tool_results={"c": "\udcff"}).tool_results == (ToolResult(call_id="c", output="\ufffd"),)
    wrong: list[dict[str, Any]] = [
        {"conversation_id": "\ud800"},
        {"user_id": "a\udfff"},
        {"custom_variables": {"a": "\ud800"}},
        {"meta_data": {"\ud800": "a"}},
        {"parameters": {"a": [{"\ud800": 1}]}},
    ]
    for options in wrong:
        with pytest.raises(BadRequest, match=r"half a character|JSON can say"):
            request_of("Hi", **options)
