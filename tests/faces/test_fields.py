import pytest

from realcoze.domain.request import Thread
from realcoze.errors import BadRequest
from realcoze.faces.fields import THREAD_CHARACTERS, THREAD_HEADERS, Fields, fields_of, presented_keys, thread_of


def test_a_field_is_found_by_its_name() -> None:
    fields = Fields([(b"a", b"1"), (b"b", b"\xe9"), (b"a", b"2")])
    assert (fields.all(b"a"), fields.all(b"b"), fields.all(b"c")) == (["1", "2"], ["é"], [])
    assert (fields.first(b"a"), fields.first(b"b"), fields.first(b"c")) == ("1", "é", "")


def test_the_fields_of_a_request_are_looked_through_once() -> None:
    scope = {"type": "http", "headers": iter([(b"a", b"1")])}
    assert fields_of(scope) is fields_of(scope)
    assert fields_of(scope).first(b"a") == "1"


@pytest.mark.parametrize(
    ("headers", "keys"),
    [
        ([], []),
        ([(b"authorization", b"Bearer k")], ["k"]),
        ([(b"authorization", b"BEARER  k ")], ["k"]),
        ([(b"authorization", b"Basic k")], [""]),
        ([(b"authorization", b"k")], [""]),
        ([(b"x-api-key", b"k")], ["k"]),
        ([(b"x-api-key", b"a"), (b"authorization", b"Bearer b"), (b"x-api-key", b"c")], ["a", "c", "b"]),
    ],
)
def test_every_key_that_a_request_carries_is_found(headers: list[tuple[bytes, bytes]], keys: list[str]) -> None:
    assert presented_keys(Fields(headers)) == keys


@pytest.mark.parametrize(
    ("headers", "thread"),
    [
        ([], None),
        ([(b"x-conversation-id", b"")], None),
        ([(b"x-conversation-id", b"tea")], Thread(id="tea", is_whole=False)),
        ([(b"x-openwebui-chat-id", b"1-2")], Thread(id="1-2", is_whole=True)),
        ([(b"x-openwebui-chat-id", b"1"), (b"x-conversation-id", b"2")], Thread(id="2", is_whole=False)),
        ([(b"x-openwebui-chat-id", b"1"), (b"x-conversation-id", b"")], Thread(id="1", is_whole=True)),
        ([(b"x-conversation-id", b"x" * THREAD_CHARACTERS)], Thread(id="x" * THREAD_CHARACTERS, is_whole=False)),
    ],
)
def test_a_client_names_its_conversation_in_a_header(headers: list[tuple[bytes, bytes]], thread: Thread | None) -> None:
    assert thread_of(Fields(headers)) == thread


@pytest.mark.parametrize("name", THREAD_HEADERS)
def test_a_name_that_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match=f"{name} has more than 200 characters"):
        thread_of(Fields([(name.encode(), b"x" * (THREAD_CHARACTERS + 1))]))
