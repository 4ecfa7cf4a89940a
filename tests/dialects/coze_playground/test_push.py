from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.coze_playground.push import Ext, Push, PushMessage, decode_push, encode_push

WIRE = Path(__file__).parents[2] / "wire" / "coze_playground"
UUID = "11111111-1111-4111-8111-111111111111"


def test_vector_frame_payload_is_read_as_a_push() -> None:
    push = decode_push((WIRE / "frame-payload.json").read_bytes())
    assert push == Push(
        event_type=1,
        message=PushMessage(content="Hi", reply_type=1, ext=Ext(push_uuid=UUID, is_finish="1")),
    )
    assert push.push_uuid == UUID


def test_a_push_with_every_member_of_the_page_is_read() -> None:
    assert decode_push((WIRE / "push.json").read_bytes()) == Push(
        event_type=1,
        message=PushMessage(
            content="Hello wor",
            reply_type=1,
            content_type=1,
            message_type=1,
            message_id="7340",
            conversation_id="7338",
            ext=Ext(
                push_uuid=UUID,
                is_finish="0",
                has_suggest="0",
                plugin="",
                token="12",
                input_tokens="9",
                output_tokens="3",
            ),
        ),
    )


def test_numbers_may_be_text_and_text_may_be_numbers() -> None:
    push = decode_push(
        b'{"event_type":1,"message":{"message_id":7,"conversation_id":8,"ext":{"is_finish":1,"token":null}}}'
    )
    assert push is not None
    assert push.message is not None
    assert (push.message.message_id, push.message.conversation_id, push.message.ext.is_finish) == (7, 8, 1)


def test_a_command_has_no_message_and_belongs_to_no_turn() -> None:
    push = decode_push(b'{"event_type":2,"cmd":{"cmd_type":1}}')
    assert push == Push(event_type=2)
    assert push.push_uuid == ""


def test_half_an_emoji_is_read_as_a_replacement_character() -> None:
    push = decode_push(rb'{"event_type":1,"message":{"content":"Hi \ud83d"}}')
    assert push is not None
    assert push.message is not None
    assert push.message.content == "Hi \ufffd"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hi",
        b"{}",
        b"[]",
        b'{"event_type":"1"}',
        b'{"event_type":1,"message":[]}',
        b'{"event_type":1,"message":{"ext":{"token":%s}}}' % (b"9" * 5000),
        b'{"event_type":1,"message":' + b"[" * 100_000,
        b'{"event_type":1,"message":{"content":"\xff"}}',
    ],
    ids=range(9),
)
def test_weakness_09_a_payload_that_is_no_push_is_none(payload: bytes) -> None:
    assert decode_push(payload) is None


def test_only_what_is_set_is_written() -> None:
    push = Push(event_type=1, message=PushMessage(content="Hi", reply_type=1, ext=Ext(push_uuid="u", is_finish="1")))
    assert encode_push(push) == (
        b'{"event_type":1,"message":{"content":"Hi","reply_type":1,"ext":{"PushUuid":"u","is_finish":"1"}}}'
    )


numbers = st.none() | texts | st.integers(0, 2**63)
pushes = st.builds(
    Push,
    event_type=st.integers(0, 9),
    message=st.none()
    | st.builds(
        PushMessage,
        content=texts,
        reply_type=st.integers(0, 101),
        content_type=st.integers(0, 101),
        message_type=st.integers(0, 3),
        message_id=texts | st.integers(0, 2**63),
        conversation_id=texts,
        ext=st.builds(
            Ext,
            push_uuid=texts,
            is_finish=numbers,
            has_suggest=numbers,
            plugin=texts,
            token=numbers,
            input_tokens=numbers,
            output_tokens=numbers,
        ),
    ),
)


@PROPERTIES
@given(pushes)
def test_what_is_encoded_is_decoded(push: Push) -> None:
    assert decode_push(encode_push(push)) == push


@PROPERTIES
@given(bytes_near(b'{"event_type":1', b',"message":{', b'"content":"', b'"ext":{', b'"', b"}", b"1", rb"\ud83d", b","))
def test_weakness_09_any_bytes_give_a_push_or_none(payload: bytes) -> None:
    push = decode_push(payload)
    assert push is None or msgspec.json.decode(encode_push(push), type=Push) == push


def test_members_that_are_null_do_not_cost_the_push() -> None:
    push = decode_push(
        b'{"event_type":1,"message":{"content":null,"message_id":null,"conversation_id":null,"reply_type":1,'
        b'"ext":{"PushUuid":null,"plugin":null,"is_finish":1,"token":1.5}}}'
    )
    assert push is not None
    assert push.push_uuid == ""
