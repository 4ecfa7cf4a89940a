import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.native.request import (
    REPLY_TYPES,
    decode_request,
    decode_subscribe,
    encode_request,
    encode_subscribe,
)
from realcoze.domain.content import File, Image
from realcoze.domain.event import StepKind
from realcoze.domain.ids import BotName, ChatId, ConversationId, UserId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Resume, Wants
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest

HI = (say("user", "Hi"),)
EVERYTHING = Wants(suggestions=True, usage=True)


def test_the_array_of_the_node_program_gets_the_plain_answer() -> None:
    question = decode_request(b'[{"role":2,"content":"Hi","contentType":1}]')
    assert question.request == Request(messages=HI, wants=Wants())
    assert question.is_plain
    assert question.steps == frozenset()


def test_weakness_22_the_history_of_an_array_keeps_its_roles() -> None:
    body = b'[{"role":2,"content":"Hi"},{"role":1,"content":"Hello"},{"role":2,"content":"Bye"}]'
    assert [message.role for message in decode_request(body).request.messages] == ["user", "assistant", "user"]


def test_the_object_says_everything_that_the_array_cannot() -> None:
    body = {
        "messages": [{"role": 2, "content": "Hi"}],
        "bot": "memory",
        "conversation_id": "7338",
        "chat_id": "7339",
        "user": "anna",
        "custom_variables": {"a": "1"},
        "parameters": {"b": [1, None]},
        "meta_data": {"c": "2"},
        "extra_params": {"d": "3"},
        "shortcut_command": {"command_id": "4"},
        "resume": {"event_id": "5", "kind": "question"},
        "of_tomorrow": True,
    }
    question = decode_request(json.dumps(body).encode())
    assert question.request == Request(
        messages=HI,
        bot=BotName("memory"),
        conversation_id=ConversationId("7338"),
        chat_id=ChatId("7339"),
        user_id=UserId("anna"),
        custom_variables={"a": "1"},
        parameters={"b": [1, None]},
        meta_data={"c": "2"},
        extra_params={"d": "3"},
        shortcut_command={"command_id": "4"},
        resume=Resume(event_id="5", kind="question"),
        wants=EVERYTHING,
    )
    assert not question.is_plain


def test_results_of_tools_need_no_messages_and_may_have_any() -> None:
    results = b'"tool_results":[{"call_id":"c1","output":"warm"}]'
    asked = decode_request(b'{"chat_id":"7",' + results + b"}").request
    assert (asked.messages, asked.chat_id) == ((), "7")
    assert asked.tool_results == (ToolResult(call_id="c1", output="warm"),)
    history = b'{"messages":[{"role":2,"content":"Hi"},{"role":1,"content":"Wait."}],'
    assert decode_request(history + results + b"}").request.messages == (*HI, say("assistant", "Wait."))


def test_the_body_may_ask_for_a_stream() -> None:
    entry = b'{"messages": [{"role": 2, "content": "Hi"}]%b}'
    assert decode_request(entry % b', "stream": true').is_streamed
    assert not decode_request(entry % b', "stream": false').is_streamed
    assert not decode_request(entry % b"").is_streamed
    assert not decode_request(b'[{"role": 2, "content": "Hi"}]').is_streamed


def test_an_object_with_messages_only_leaves_everything_else_open() -> None:
    question = decode_request(b'{"messages":[{"role":2,"content":"Hi"}]}')
    assert question.request == Request(messages=HI, wants=EVERYTHING)


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (rb'[{"role":2,"content":"{\"image_list\":[{\"key\":\"k\"}]}","contentType":6}]', (Image(key="k"),)),
        (rb'[{"role":2,"content":"{\"image_list\":[{\"key\":\"k\"}]}","content_type":6}]', (Image(key="k"),)),
        (rb'[{"role":2,"content":"{\"file_list\":[{\"key\":\"k\"}]}","contentType":9}]', (File(key="k"),)),
        (rb'[{"role":2,"content":"{\"file_list\":[{\"key\":\"k\"}]}","content_type":9}]', (File(key="k"),)),
    ],
)
def test_pictures_and_files_are_asked_about_in_both_spellings(body: bytes, parts: tuple[Image | File, ...]) -> None:
    assert decode_request(body).request.messages == (Message(role="user", parts=parts),)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b" \r\n\t", b"\xef\xbb\xbf \n"])
def test_a_byte_order_mark_and_white_space_before_a_body_are_passed_over(before: bytes) -> None:
    array = decode_request(before + b'[{"role":2,"content":"Hi"}]')
    assert (array.request.messages, array.is_plain) == (HI, True)
    assert decode_request(before + b'{"messages":[{"role":2,"content":"Hi"}]}').request.messages == HI


def test_half_an_emoji_in_a_question_is_replaced() -> None:
    assert decode_request(rb'[{"role":2,"content":"Hi \ud83d"}]').request.messages == (say("user", "Hi \ufffd"),)
    assert decode_request(rb'{"messages":[{"role":2,"content":"\udc4b"}],"bot":"b"}').request.bot == "b"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "cannot be read"),
        (b"Hi", "cannot be read"),
        (b'"Hi"', "cannot be read"),
        (b"null", "cannot be read"),
        (b"[", "cannot be read"),
        (b'[{"role":2,"content":"Hi","x":' + b"[" * 100_000, "nested too deeply"),
        (b'{"messages":[],"parameters":{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"messages":"Hi"}', "Expected `array`"),
        (b"{}", "last entry of the history must be the user's"),
        (b'{"resume":{"event_id":"1","kind":"question"}}', "no answer to the question of `resume`"),
        (b'{"tool_results":[]}', "last entry of the history must be the user's"),
        (b'{"tool_results":[{"call_id":"1"}]}', "missing required field `output`"),
        (b'{"messages":[],"resume":{"event_id":"1"}}', "missing required field `kind`"),
        (b'[{"role":"user","content":"Hi"}]', "Expected `int`"),
        (b'[{"content":"Hi"}]', "missing required field `role`"),
        (b'[{"role":2,"content":7}]', "cannot be read"),
        (b'[{"role":2,"content":"\xff"}]', "not UTF-8"),
        (b'{"messages":[],"custom_variables":{"a":1}}', "Expected `str`"),
        (b'[{"role":0,"content":"Hi"}]', "Entry 0 has role 0"),
        (b'[{"role":2,"content":"Hi","contentType":50}]', "Entry 0 has contentType 50"),
        (b"[]", "last entry of the history must be the user's"),
        (b'{"messages":[]}', "last entry of the history must be the user's"),
        (b'[{"role":2,"content":"Hi"},{"role":1,"content":"Hello"}]', "last entry of the history must be the user's"),
    ],
    ids=range(23),
)
def test_a_body_that_cannot_be_answered_is_refused_with_the_reason(body: bytes, why: str) -> None:
    with pytest.raises(BadRequest, match=why) as refused:
        decode_request(body)
    assert refused.value.code == "bad_request"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b'[{"role":"user"}]', 'Send [{"role": 2'),
        (b"Hi", 'Send [{"role": 2'),
        (b'\xef\xbb\xbf {"messages":[],"reasoning":1}', 'Send {"messages": ['),
        (b"{}", 'Send {"messages": ['),
    ],
)
def test_the_hint_is_for_the_form_that_was_sent(body: bytes, hint: str) -> None:
    with pytest.raises(BadRequest) as refused:
        decode_request(body)
    assert str(refused.value.hint).startswith(hint)


def test_a_refusal_never_repeats_what_the_user_said() -> None:
    with pytest.raises(BadRequest) as refused:
        decode_request(b'{"messages":[{"role":2,"content":"my secret"}],"bot":["my secret"]}')
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", frozenset()),
        ("1", frozenset()),
        ("1,2", frozenset()),
        ("3", frozenset({"call"})),
        (" 3 , 4,,6 ", frozenset({"call", "result", "recall"})),
        ("1,2,3,4,6,7", frozenset({"call", "result", "recall", "other"})),
    ],
)
def test_steps_are_subscribed_to_by_their_numbers(text: str, kinds: frozenset[StepKind]) -> None:
    assert decode_subscribe(text) == kinds
    question = decode_request(b'[{"role":2,"content":"Hi"}]', subscribe=text)
    assert (question.steps, question.request.wants) == (kinds, Wants(steps=bool(kinds)))
    question = decode_request(b'{"messages":[{"role":2,"content":"Hi"}]}', subscribe=text)
    assert question.request.wants == Wants(steps=bool(kinds), suggestions=True, usage=True)


@pytest.mark.parametrize("text", ["5", "x", "3;4", "-3", "3.0", "03", "²", "３", "9" * 5000, "all"])
def test_a_subscription_that_is_no_list_of_reply_types_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="list of reply types"):
        decode_subscribe(text)


def test_a_subscription_is_written_as_it_is_read() -> None:
    assert encode_subscribe(frozenset()) == ""
    assert encode_subscribe(frozenset(REPLY_TYPES)) == "3,4,6,7"
    for kind in REPLY_TYPES:
        assert decode_subscribe(encode_subscribe(frozenset({kind}))) == {kind}


def test_only_what_is_set_is_written() -> None:
    assert encode_request(Request(messages=HI)) == b'{"messages":[{"role":2,"content":"Hi","contentType":1}]}'


names = st.dictionaries(texts, texts, max_size=2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda each: st.lists(each, max_size=2) | st.dictionaries(texts, each, max_size=2),
    max_leaves=4,
)
requests = st.builds(
    Request,
    messages=st.lists(st.builds(say, st.sampled_from(["user", "assistant"]), texts), max_size=3).map(
        lambda history: (*history, *HI)
    ),
    bot=texts.map(BotName),
    conversation_id=st.none() | texts.filter(bool).map(ConversationId),
    chat_id=st.none() | texts.filter(bool).map(ChatId),
    tool_results=st.lists(st.builds(ToolResult, call_id=texts, output=texts), max_size=2).map(tuple),
    resume=st.none() | st.builds(Resume, event_id=texts, kind=texts),
    user_id=st.none() | texts.filter(bool).map(UserId),
    custom_variables=names,
    parameters=st.dictionaries(texts, json_values, max_size=2),
    meta_data=names,
    extra_params=names,
    shortcut_command=st.dictionaries(texts, json_values, max_size=2),
    wants=st.just(EVERYTHING),
)


@PROPERTIES
@given(requests)
def test_what_is_encoded_is_decoded(request: Request) -> None:
    question = decode_request(encode_request(request))
    assert question.request == request
    assert not question.is_plain


@PROPERTIES
@given(
    bytes_near(
        b'[{"role":2,"content":"', b'{"messages":[', b'"', b"}", b"]", b',"contentType":6', b"\xef\xbb\xbf", b"["
    ),
    texts | st.text("1234567, x"),
)
def test_any_body_is_a_question_or_refused(body: bytes, subscribe: str) -> None:
    with suppress(BadRequest):
        decode_request(body, subscribe=subscribe)
