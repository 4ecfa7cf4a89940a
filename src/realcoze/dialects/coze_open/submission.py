"""Results of a caller's tools: the call that hands them in, after which the chat goes on.

Source: docs/protocol/openapi-v3.md §5.2.
"""

from collections.abc import Iterable
from urllib.parse import urlencode

import msgspec

from realcoze.dialects.coze_open.chat import MOST_BYTES
from realcoze.dialects.json_text import NotJson, read_json
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest, TooLarge

PATH = "/v3/chat/submit_tool_outputs"


class ToolOutput(msgspec.Struct):
    tool_call_id: str
    output: str = ""


class Submission(msgspec.Struct, omit_defaults=True):
    """The body of a call; all calls of one requires_action are answered together."""

    tool_outputs: list[ToolOutput]
    stream: bool | None = None

    def results(self) -> tuple[ToolResult, ...]:
        """What the tools gave, in our own words."""
        return tuple(ToolResult(call_id=output.tool_call_id, output=output.output) for output in self.tool_outputs)


_SUBMISSION = msgspec.json.Decoder(Submission)


def submission_target(conversation_id: ConversationId, chat_id: ChatId) -> str:
    """Path and query of a call."""
    return f"{PATH}?{urlencode({'conversation_id': conversation_id, 'chat_id': chat_id})}"


def encode_submission(results: Iterable[ToolResult]) -> bytes:
    """The body of a call whose answer is a stream.  Raises `BadRequest` without results, `TooLarge` for too much."""
    outputs = [ToolOutput(result.call_id, result.output) for result in results]
    if not outputs:
        raise BadRequest("There is no result of a tool to hand in.")
    body = msgspec.json.encode(Submission(outputs, stream=True))
    if len(body) > MOST_BYTES:
        raise TooLarge(f"The results of the tools have {len(body)} bytes; Coze takes {MOST_BYTES}.")
    return body


def decode_submission(body: bytes) -> Submission:
    """Read a call as a server.  Raises `BadRequest`."""
    try:
        return read_json(body, _SUBMISSION)
    except NotJson as error:
        raise BadRequest(f"submit_tool_outputs: {error}.") from error
