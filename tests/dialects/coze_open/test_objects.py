import msgspec
import pytest

from realcoze.dialects.coze_open.objects import Chat, Id, LastError, Message, Number, number_of, text_of

CHAT = msgspec.json.Decoder(Chat)
MESSAGE = msgspec.json.Decoder(Message)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        ("7382159487131697202", "7382159487131697202"),
        (7382159487131697202, "7382159487131697202"),
    ],
)
def test_an_id_is_text_whether_it_came_as_text_or_as_a_number(value: Id, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, 0),
        ("", 0),
        (0, 0),
        (4016, 4016),
        ("4016", 4016),
        (" 4016 ", 4016),
        (-1, -1),
        (1718792949.5, 1718792949),
        ("four", 0),
        ("1.5", 0),
        (2**63 - 1, 2**63 - 1),
        (2**63, 0),
        (-(2**63), 0),
        ("9" * 5000, 0),
    ],
)
def test_a_number_is_whole_and_has_64_bits_or_is_none(value: Number, number: int) -> None:
    assert number_of(value) == number


def test_a_19_digit_id_loses_no_digit() -> None:
    chat = CHAT.decode(b'{"id":7382159487131697202,"conversation_id":"7381473525342978089"}')
    assert (text_of(chat.id), text_of(chat.conversation_id)) == ("7382159487131697202", "7381473525342978089")


def test_every_field_of_a_chat_and_of_a_message_may_be_missing_or_null() -> None:
    nulls = msgspec.json.encode(dict.fromkeys(Chat.__struct_fields__))
    assert CHAT.decode(b"{}") == CHAT.decode(nulls) == Chat()
    nulls = msgspec.json.encode(dict.fromkeys(Message.__struct_fields__))
    assert MESSAGE.decode(b"{}") == MESSAGE.decode(nulls) == Message()


@pytest.mark.parametrize("data", [b"[]", b'""', b"7", b'{"bot_state":{"bot_id":1}}'])
def test_meta_data_of_any_shape_is_no_reason_to_refuse_what_it_comes_with(data: bytes) -> None:
    assert CHAT.decode(b'{"id":"c","meta_data":%b}' % data).id == "c"
    assert MESSAGE.decode(b'{"id":"m","meta_data":%b}' % data).id == "m"


def test_what_is_not_known_is_passed_over() -> None:
    assert CHAT.decode(b'{"id":"c","inserted_additional_messages":[{"id":"1"}],"BaseResp":null}') == Chat(id="c")


def test_only_what_was_set_is_written_and_an_error_is_always_whole() -> None:
    chat = Chat(id="c", status="created", last_error=LastError())
    assert msgspec.json.encode(chat) == b'{"id":"c","status":"created","last_error":{"code":0,"msg":""}}'
