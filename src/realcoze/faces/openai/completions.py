"""`POST /v1/completions`."""

from realcoze.dialects.openai_completions import CompletionEncoder, decode_request, encode_reply
from realcoze.faces.openai.answering import Call

COMPLETIONS = Call(
    path="/v1/completions", decode=decode_request, encode_reply=encode_reply, new_encoder=CompletionEncoder
)
