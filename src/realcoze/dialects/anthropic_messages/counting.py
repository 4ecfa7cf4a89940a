"""How long a question is: an estimate, as Coze counts only what it has answered.

A token for every three bytes of text in UTF-8, begun ones too: four letters of English or one Chinese
character, nearly.  1,500 for each picture or file.
"""

import msgspec

from realcoze.domain.content import Part, Text
from realcoze.domain.request import Request
from realcoze.domain.tool import ToolCall, ToolResult

BYTES_PER_TOKEN = 3
TOKENS_PER_FILE = 1_500


class _Count(msgspec.Struct):
    input_tokens: int


COUNT = _Count
"""What an answer is, for who describes this API."""


def encode_count(request: Request) -> bytes:
    """The answer to `/v1/messages/count_tokens`; what is offered counts as it stands."""
    told = [_text(part) for message in request.messages for part in message.parts]
    tools = [tool.name + tool.description + tool.parameters for tool in (request.offer.tools if request.offer else ())]
    texts = [request.instructions, *tools, *(text for text in told if text is not None)]
    size_bytes = sum(len(text.encode(errors="replace")) for text in texts)
    return msgspec.json.encode(_Count(-(-size_bytes // BYTES_PER_TOKEN) + told.count(None) * TOKENS_PER_FILE))


def _text(part: Part) -> str | None:
    """What is counted of a part; None for a picture or file."""
    match part:
        case Text():
            return part.text
        case ToolCall():
            return part.name + part.arguments
        case ToolResult():
            return part.output
    return None
