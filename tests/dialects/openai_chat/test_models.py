import json

from realcoze.dialects.openai_chat.models import encode_model, encode_models
from realcoze.domain.ids import BotName

ONE = {"id": "a/b", "object": "model", "created": 1_700_000_000, "owned_by": "coze"}


def test_the_list_of_models() -> None:
    assert json.loads(encode_models([BotName("a/b")])) == {"object": "list", "data": [ONE]}
    assert json.loads(encode_models([])) == {"object": "list", "data": []}


def test_one_model() -> None:
    assert json.loads(encode_model(BotName("a/b"))) == ONE
