import msgspec
import pytest

from realcoze.dialects.coze_open.ending import CANCELLED, debug_url_in, demand_of, failure_of, reported, usage_of
from realcoze.dialects.coze_open.objects import Chat
from realcoze.domain.event import InputRequested, Interrupt, ToolCallsRequested, Usage
from realcoze.domain.tool import ToolCall
from realcoze.errors import BadRequest, Busy, RealcozeError, Truncated, UpstreamFailed

CHAT = msgspec.json.Decoder(Chat)


@pytest.mark.parametrize(
    ("data", "kind", "name", "message"),
    [
        ('{"code":4016,"msg":"busy"}', Busy, "conversation_busy", "Coze answered code 4016: busy"),
        ('{"code":"4016","msg":"busy"}', Busy, "conversation_busy", "Coze answered code 4016: busy"),
        ('{"code":"720701013","msg":null}', UpstreamFailed, "coze_720701013", "Coze answered code 720701013."),
        ('{"code":4000}', BadRequest, "coze_4000", "Coze answered code 4000."),
        ('{"code":null,"msg":"broken"}', UpstreamFailed, "upstream_error", "Coze reported an error: broken"),
        ('{"code":"what","msg":"broken"}', UpstreamFailed, "upstream_error", "Coze reported an error: broken"),
        ('{"code":0,"msg":""}', UpstreamFailed, "upstream_error", "Coze reported an error."),
        ("{}", UpstreamFailed, "upstream_error", "Coze reported an error."),
        ("", UpstreamFailed, "upstream_error", "Coze reported an error."),
        ("null", UpstreamFailed, "upstream_error", "Coze reported an error: null"),
        ("read: broken pipe", UpstreamFailed, "upstream_error", "Coze reported an error: read: broken pipe"),
        ("x" * 1000, UpstreamFailed, "upstream_error", "Coze reported an error: " + "x" * 300),
    ],
)
def test_an_error_is_an_object_in_many_forms_or_plain_text(
    data: str, kind: type[RealcozeError], name: str, message: str
) -> None:
    error = reported(data)
    assert (type(error), error.code, error.message) == (kind, name, message)


@pytest.mark.parametrize("code", ["0", "720701013"])
def test_a_debug_url_beside_an_error_is_never_shown(code: str) -> None:
    error = reported(f'{{"code":{code},"msg":"broken","debug_url":"https://www.coze.cn/work_flow?space_id=1"}}')
    assert "work_flow" not in error.message


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        (b'{"last_error":{"code":5000,"msg":"event interval error"}}', "Coze answered code 5000: event interval error"),
        (b'{"last_error":{"code":"5000","msg":null}}', "Coze answered code 5000."),
        (b'{"code":701231,"msg":"error"}', "Coze answered code 701231: error"),
        (b'{"last_error":{"code":0,"msg":""},"code":5000,"msg":"error"}', "Coze answered code 5000: error"),
        (b'{"last_error":null}', "Coze says that the chat failed."),
        (b'{"last_error":{"code":0,"msg":"no luck"}}', "Coze says that the chat failed: no luck"),
        (b"{}", "Coze says that the chat failed."),
    ],
)
def test_a_chat_that_failed_says_why_in_its_last_error_or_in_its_place(chat: bytes, message: str) -> None:
    error = failure_of(CHAT.decode(chat), "failed")
    assert isinstance(error, UpstreamFailed)
    assert error.message == message


@pytest.mark.parametrize("status", ["canceled", "cancelled", "expired", "deleted"])
def test_a_chat_that_was_stopped_is_truncated_in_all_spellings(status: str) -> None:
    assert status in CANCELLED
    error = failure_of(Chat(), status)
    assert isinstance(error, Truncated)
    assert status in error.message


@pytest.mark.parametrize("status", ["completed", "requires_action", "created", "", "brand_new"])
def test_a_chat_that_went_well_or_ended_as_we_do_not_know_has_no_error(status: str) -> None:
    assert failure_of(Chat(), status) is None


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (b"null", []),
        (b"{}", []),
        (b'{"token_count":0,"output_count":0,"input_count":0}', []),
        (b'{"token_count":null,"output_count":null,"input_count":null}', []),
        (b'{"token_count":633,"output_count":19,"input_count":614}', [Usage(input=614, output=19, total=633)]),
        (b'{"token_count":"633","output_count":"19","input_count":"614"}', [Usage(input=614, output=19, total=633)]),
        (b'{"output_count":19,"input_count":614}', [Usage(input=614, output=19, total=633)]),
        (b'{"token_count":633}', [Usage(input=0, output=0, total=633)]),
    ],
)
def test_usage_is_told_where_it_was_counted(usage: bytes, expected: list[Usage]) -> None:
    """CLIENTS §5 item 13."""
    assert usage_of(CHAT.decode(b'{"usage":%b}' % usage)) == expected


def test_a_chat_that_waits_for_tools_names_all_its_calls() -> None:
    chat = CHAT.decode(
        b'{"required_action":{"type":"submit_tool_outputs","submit_tool_outputs":{"tool_calls":['
        b'{"id":"BUJJ","type":"function","function":{"name":"add_reminder","arguments":"{\\"time\\":\\"18:00\\"}"}},'
        b'{"id":7,"type":"reply_message","function":null},'
        b'{"id":null,"type":null,"function":{"name":null,"arguments":null}}]}}}'
    )
    assert demand_of(chat) == ToolCallsRequested(
        calls=(
            ToolCall(call_id="BUJJ", name="add_reminder", arguments='{"time":"18:00"}'),
            ToolCall(call_id="7", name="", arguments=""),
            ToolCall(call_id="", name="", arguments=""),
        )
    )


@pytest.mark.parametrize(
    ("function", "data"),
    [
        (b"null", {}),
        (b'{"name":"ask","arguments":""}', {}),
        (b'{"name":"ask","arguments":"Which city?"}', {"question": "Which city?"}),
    ],
)
def test_a_single_call_that_asks_for_words_is_a_question(function: bytes, data: dict[str, str]) -> None:
    calls = b'[{"id":"q1","type":"reply_message","function":%b}]' % function
    chat = CHAT.decode(b'{"required_action":{"submit_tool_outputs":{"tool_calls":%b}}}' % calls)
    assert demand_of(chat) == InputRequested(interrupt=Interrupt(event_id="q1", kind="reply_message", data=data))


@pytest.mark.parametrize(
    "action",
    [
        b"null",
        b"{}",
        b'{"submit_tool_outputs":null}',
        b'{"submit_tool_outputs":{"tool_calls":null}}',
        b'{"type":"","submit_tool_outputs":{"tool_calls":[]}}',
    ],
)
def test_a_required_action_without_calls_waits_for_the_next_message(action: bytes) -> None:
    chat = CHAT.decode(b'{"required_action":%b}' % action)
    assert demand_of(chat) == InputRequested(interrupt=Interrupt(event_id="", kind="message", data={}))


@pytest.mark.parametrize(
    ("data", "url"),
    [
        ('{"debug_url":"https://www.coze.cn/work_flow?execute_id=1"}', "https://www.coze.cn/work_flow?execute_id=1"),
        ('{"debug_url":null}', ""),
        ("{}", ""),
        ('"[DONE]"', ""),
        ("", ""),
    ],
)
def test_the_address_of_a_run_is_found_where_there_is_one(data: str, url: str) -> None:
    assert debug_url_in(data) == url
