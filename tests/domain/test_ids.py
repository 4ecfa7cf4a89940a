import msgspec
import pytest

from realcoze.domain import ids


@pytest.mark.parametrize(
    "name", ["BotName", "CallerId", "ChatId", "ConversationId", "MessageId", "UserId", "RequestId"]
)
def test_an_id_is_text_to_all_but_the_type_checker(name: str) -> None:
    """A kind of text of its own would cost each token of a stream, and would be none in JSON."""
    made = getattr(ids, name)("73")
    assert type(made) is str
    assert msgspec.json.encode(made) == b'"73"'
