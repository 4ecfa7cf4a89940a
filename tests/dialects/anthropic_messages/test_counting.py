import pytest

from realcoze.dialects.anthropic_messages.counting import encode_count
from realcoze.domain.content import File, Image, Inline, Text
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request
from realcoze.domain.tool import Offer, Tool, ToolCall, ToolResult


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("你好", 2), ("\ud83d", 1)])
def test_three_bytes_of_text_are_a_token(text: str, count: int) -> None:
    assert encode_count(Request(messages=(say("user", text),))) == b'{"input_tokens":%d}' % count


def test_all_that_is_sent_counts_and_a_file_for_1500() -> None:
    shown = Message(role="user", parts=(Text(text="abc"), Image(url="u"), File(key="k"), Inline(data=b"x" * 9999)))
    call, result = ToolCall(call_id="c", name="a", arguments="{}"), ToolResult(call_id="c", output="abc")
    called = Message(role="assistant", parts=(call, result))
    request = Request(
        messages=(say("user", "abc"), say("assistant", "abc"), called, shown),
        instructions="abc",
    )
    assert encode_count(request) == b'{"input_tokens":4506}'


def test_tools_that_are_offered_count_with_their_words_and_their_schema() -> None:
    offer = Offer(tools=(Tool(name="sum", description="adds up", parameters='{"a":1}'), Tool(name="now")))
    assert encode_count(Request(messages=(say("user", "Hi!"),), offer=offer)) == b'{"input_tokens":8}'
