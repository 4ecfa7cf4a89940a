import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.coze_open import submission as submissions
from realcoze.dialects.coze_open.submission import (
    ToolOutput,
    decode_submission,
    encode_submission,
    submission_target,
)
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest, TooLarge


def test_the_call_is_that_of_the_page() -> None:
    """docs/protocol/openapi-v3.md §17.2."""
    assert submission_target(ConversationId("7600000000000000000"), ChatId("7600000000000000001")) == (
        "/v3/chat/submit_tool_outputs?conversation_id=7600000000000000000&chat_id=7600000000000000001"
    )
    body = encode_submission([ToolResult(call_id="BUJJ==", output='{"file_id":"738"}')])
    assert json.loads(body) == {
        "stream": True,
        "tool_outputs": [{"tool_call_id": "BUJJ==", "output": '{"file_id":"738"}'}],
    }


def test_nothing_to_hand_in_is_refused() -> None:
    with pytest.raises(BadRequest, match="no result"):
        encode_submission([])


def test_more_than_coze_takes_is_refused_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "MOST_BYTES", 100)
    with pytest.raises(TooLarge, match="Coze takes 100"):
        encode_submission([ToolResult(call_id="a", output="x" * 100)])


def test_a_server_reads_what_sdks_send() -> None:
    submission = decode_submission(b'{"tool_outputs":[{"tool_call_id":"a","output":"1"}],"stream":false}')
    assert (submission.tool_outputs, submission.stream) == ([ToolOutput("a", "1")], False)


@PROPERTIES
@given(st.lists(st.builds(ToolResult, call_id=texts, output=texts), min_size=1, max_size=3))
def test_what_is_encoded_is_decoded(results: list[ToolResult]) -> None:
    assert decode_submission(encode_submission(results)).results() == tuple(results)


@PROPERTIES
@given(bytes_near(b'{"tool_outputs":', b"[", b'{"tool_call_id":"a"}', b"]", b"}", b"null"))
def test_whatever_comes_in_is_read_or_refused(body: bytes) -> None:
    with suppress(BadRequest):
        decode_submission(body)
