import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.native.request import REPLY_TYPES, Question
from realcoze.dialects.native.socket import (
    UUID_CHARACTERS,
    Ask,
    BadMessage,
    Cancel,
    decode_message,
    encode_failure,
    encode_last,
    encode_snapshot,
    encode_step,
)
from realcoze.domain.event import Step, StepKind
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request, Wants
from realcoze.errors import BadRequest, Overloaded

HI = [{"role": 2, "content": "Hi"}]
MESSAGES = (say("user", "Hi"),)
REQUEST = RequestId("req_1")


def question(*steps: StepKind, is_plain: bool = True) -> Question:
    return Question(request=Request(messages=MESSAGES), is_plain=is_plain, steps=frozenset(steps))


def refused(text: str | bytes) -> BadMessage:
    with pytest.raises(BadMessage) as bad:
        decode_message(text.encode(errors="surrogatepass") if isinstance(text, str) else text)
    assert bad.value.error.hint
    return bad.value


def test_the_array_of_the_node_program_is_asked_plainly() -> None:
    ask = decode_message(json.dumps({"uuid": "a-1", "data": HI}).encode())
    assert ask == Ask("a-1", question())


def test_an_object_asks_for_everything() -> None:
    ask = decode_message(
        json.dumps({"uuid": "a", "data": {"messages": HI, "bot": "memory"}, "of_tomorrow": {}}).encode()
    )
    assert isinstance(ask, Ask)
    wants = Wants(suggestions=True, usage=True)
    assert ask.question.request == Request(messages=MESSAGES, bot=BotName("memory"), wants=wants)
    assert not ask.question.is_plain


def test_steps_are_subscribed_to_by_a_list_of_numbers() -> None:
    ask = decode_message(json.dumps({"uuid": "a", "data": HI, "subscribe": [1, 3, 6]}).encode())
    assert isinstance(ask, Ask)
    assert ask.question.steps == {"call", "recall"}


def test_a_cancel_needs_no_data() -> None:
    assert decode_message(b'{"uuid":"a","cancel":true}') == Cancel("a")
    assert decode_message(b'{"uuid":"a","cancel":true,"data":7}') == Cancel("a")
    assert isinstance(decode_message(json.dumps({"uuid": "a", "cancel": False, "data": HI}).encode()), Ask)


def test_half_an_emoji_is_replaced() -> None:
    ask = decode_message(rb'{"uuid":"\ud83d","data":[{"role":2,"content":"Hi \ud83d"}]}')
    assert isinstance(ask, Ask)
    assert (ask.uuid, ask.question.request.messages) == ("\ufffd", (say("user", "Hi \ufffd"),))
    assert decode_message(rb'{"uuid":"\ud83d","cancel":true}') == Cancel("\ufffd")


@pytest.mark.parametrize(
    ("text", "uuid", "why"),
    [
        ("", "", "cannot be read"),
        ("hello", "", "cannot be read"),
        ("[]", "", "cannot be read"),
        ("null", "", "cannot be read"),
        ('{"uuid":1}', "", "cannot be read"),
        ('{"uuid":"a","data":', "", "cannot be read"),
        ('{"uuid":"a","data":' + "[" * 100_000, "", "nested too deeply"),
        (json.dumps({"uuid": "a", "data": HI, "subscribe": "3"}), "a", "Expected `array`"),
        (json.dumps({"uuid": "a", "data": HI, "cancel": 1}), "a", "Expected `bool`"),
        (json.dumps({"uuid": "a" * (UUID_CHARACTERS + 1), "data": HI, "cancel": 1}), "", "Expected `bool`"),
        (json.dumps({"data": HI}), "", "`uuid` must be"),
        (json.dumps({"uuid": "", "data": HI}), "", "`uuid` must be"),
        (json.dumps({"uuid": "a" * (UUID_CHARACTERS + 1), "data": HI}), "", "`uuid` must be"),
        (json.dumps({"uuid": "", "cancel": True}), "", "`uuid` must be"),
        ('{"uuid":"a"}', "a", "has no `data`"),
        ('{"uuid":"a","subscribe":[3],"cancel":false}', "a", "has no `data`"),
        (b'{"uuid":"a","data":[{"role":2,"content":"\xff\xfe"}]}', "a", "cannot be read"),
        (b'{"uuid":"\xff","data":[]}', "", "cannot be read"),
        ('{"uuid":"a","data":null}', "a", "cannot be read"),
        ('{"uuid":"a","data":"Hi"}', "a", "cannot be read"),
        ('{"uuid":"a","data":[]}', "a", "must be the user's"),
        ('{"uuid":"a","data":{"messages":[{"role":1,"content":"x"}]}}', "a", "must be the user's"),
        (json.dumps({"uuid": "a", "data": HI, "subscribe": [5]}), "a", "list of reply types"),
        ('{"uuid":"a","data":[],"subscribe":[' + "9" * 5000 + "]}", "a", "cannot be read"),
        (json.dumps({"uuid": "a", "data": HI, "subscribe": [10**30]}), "a", "list of reply types"),
    ],
    ids=range(25),
)
def test_weakness_21_a_message_that_cannot_be_read_is_an_error_with_a_hint(
    text: str | bytes, uuid: str, why: str
) -> None:
    """A parse error ended the program."""
    bad = refused(text)
    assert bad.uuid == uuid
    assert why in str(bad)
    assert why in bad.error.message


def test_a_refusal_never_repeats_what_the_user_said() -> None:
    assert "secret" not in refused('{"uuid":"a","data":{"messages":"secret","bot":["secret"]}}').error.message


def test_a_snapshot_is_what_the_node_program_sent() -> None:
    assert encode_snapshot("a", "He") == '{"uuid":"a","data":{"content":"He","continue":true,"reply_type":1}}'


@pytest.mark.parametrize("kind", REPLY_TYPES)
def test_a_step_has_the_number_it_was_subscribed_to_by(kind: StepKind) -> None:
    sent = json.loads(encode_step("a", Step(kind=kind, title="weather", body="{}")))
    assert sent == {"uuid": "a", "data": {"content": "{}", "continue": True, "reply_type": REPLY_TYPES[kind]}}


def test_the_last_one_is_what_post_would_have_given() -> None:
    reply = Reply(text="Hello", suggestions=("More?",))
    assert (
        encode_last("a", question(), reply, REQUEST)
        == '{"uuid":"a","data":{"content":"Hello","continue":false,"reply_type":1}}'
    )
    data = {"content": "Hello", "continue": False, "reply_type": 1, "suggestions": ["More?"], "request_id": "req_1"}
    assert json.loads(encode_last("a", question(is_plain=False), reply, REQUEST)) == {"uuid": "a", "data": data}
    spoken = replace(reply, audio=b"\0\1", audio_format="pcm")
    last = json.loads(encode_last("a", question(is_plain=False), spoken, REQUEST))
    assert last["data"]["audio"] == {"data": "AAE=", "format": "pcm"}


def test_a_failure_says_what_to_do_and_when() -> None:
    error = Overloaded("All places are taken.", hint="Wait.", retry_after_s=2.2)
    assert json.loads(encode_failure("a", error, REQUEST)) == {
        "uuid": "a",
        "error": {
            "code": "overloaded",
            "message": "All places are taken.",
            "hint": "Wait.",
            "request_id": "req_1",
            "retry_after": 2,
        },
    }
    bare = json.loads(encode_failure("", BadRequest("No."), REQUEST))
    assert bare == {"uuid": "", "error": {"code": "bad_request", "message": "No.", "request_id": "req_1"}}


MEMBERS = (
    b'{"uuid":"a"',
    b',"data":',
    b"[",
    b'{"role":2,"content":"Hi"}',
    b"]",
    b"}",
    b',"cancel":true',
    b',"subscribe":',
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=3), each, max_size=3),
    max_leaves=5,
)


@PROPERTIES
@given(bytes_near(*MEMBERS) | st.binary(max_size=20))
def test_anything_is_a_message_or_refused(data: bytes) -> None:
    with suppress(BadMessage):
        decode_message(data)


@PROPERTIES
@given(
    st.fixed_dictionaries(
        {}, optional={"uuid": json_values, "data": json_values, "cancel": json_values, "subscribe": json_values}
    )
)
def test_any_members_are_a_message_or_refused(members: dict[str, Any]) -> None:
    with suppress(BadMessage):
        decode_message(json.dumps(members).encode())
