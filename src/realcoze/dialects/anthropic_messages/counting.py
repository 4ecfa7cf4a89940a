"""How long a question is: an estimate, as Coze counts only what it has answered.

A token for every three bytes of text in UTF-8, begun ones too: four letters of English or one Chinese
character, nearly.  1,500 for each picture or file.
"""

import msgspec

from realcoze.domain.content import Text
from realcoze.domain.request import Request

BYTES_PER_TOKEN = 3
TOKENS_PER_FILE = 1_500


class _Count(msgspec.Struct):
    input_tokens: int


COUNT = _Count
"""What an answer is, for who describes this API."""


def encode_count(request: Request) -> bytes:
    """The answer to `/v1/messages/count_tokens`."""
    parts = [part for message in request.messages for part in message.parts]
    texts = [part.text for part in parts if isinstance(part, Text)]
    said = [request.instructions, *texts, *(result.output for result in request.tool_results)]
    size_bytes = sum(len(text.encode(errors="replace")) for text in said)
    files = len(parts) - len(texts)
    return msgspec.json.encode(_Count(-(-size_bytes // BYTES_PER_TOKEN) + files * TOKENS_PER_FILE))
