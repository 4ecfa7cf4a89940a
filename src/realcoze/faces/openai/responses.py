"""`POST /v1/responses`."""

from realcoze.dialects.openai_responses.reply import encode_reply
from realcoze.dialects.openai_responses.request import decode_request
from realcoze.dialects.openai_responses.stream import ResponseEncoder
from realcoze.faces.openai.answering import Call

RESPONSES = Call(path="/v1/responses", decode=decode_request, encode_reply=encode_reply, new_encoder=ResponseEncoder)
