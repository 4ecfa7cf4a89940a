"""`POST /v1/chat/completions`."""

from realcoze.dialects.openai_chat.reply import encode_reply
from realcoze.dialects.openai_chat.request import Asked, decode_request, with_extras
from realcoze.dialects.openai_chat.stream import ChunkEncoder
from realcoze.faces.fields import Fields
from realcoze.faces.openai.answering import Call

EXTRAS = b"x-realcoze-extras"
"""The header that asks for `x_coze` where a client cannot send members of its own."""


def _amend(asked: Asked, fields: Fields) -> Asked:
    return with_extras(asked) if fields.first(EXTRAS).lower() in ("1", "true") else asked


CHAT = Call(
    path="/v1/chat/completions",
    decode=decode_request,
    encode_reply=encode_reply,
    new_encoder=ChunkEncoder,
    amend=_amend,
)
