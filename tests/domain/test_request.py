from msgspec.structs import replace

from realcoze.domain.message import say
from realcoze.domain.request import Request, Resume, Wants
from realcoze.domain.tool import ToolResult


def test_a_request_needs_only_its_messages() -> None:
    request = Request(messages=(say("user", "Hi"),))
    assert (request.bot, request.conversation_id, request.user_id) == ("", None, None)
    assert request.tool_results == ()
    assert request.custom_variables == request.parameters == request.meta_data == {}
    assert request.extra_params == request.shortcut_command == {}


def test_nothing_beside_the_answer_is_wanted_unless_it_is_asked_for() -> None:
    assert Request(messages=()).wants == Wants(reasoning=False, steps=False, suggestions=False, usage=False)


def test_two_requests_share_no_mapping() -> None:
    assert Request(messages=()).parameters is not Request(messages=()).parameters


def test_a_tool_result_names_its_call() -> None:
    assert ToolResult(call_id="c1", output="4").call_id == "c1"


def test_what_a_turn_waits_for_is_awaited() -> None:
    request = Request(messages=(say("user", "Hi"),))
    assert not request.is_awaited
    assert replace(request, resume=Resume(event_id="e", kind="2")).is_awaited
    assert replace(request, tool_results=(ToolResult(call_id="c", output="3"),)).is_awaited
