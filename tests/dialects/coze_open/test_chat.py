import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.coze_open import chat as calls
from realcoze.dialects.coze_open.chat import (
    CANCEL_PATH,
    MESSAGES_PATH,
    chat_target,
    decode_cancel,
    decode_chat,
    decode_chat_answer,
    decode_messages,
    encode_cancel,
    encode_chat,
    ids_of,
    retrieve_target,
)
from realcoze.dialects.coze_open.objects import Chat, Message, WireUsage
from realcoze.domain.content import File, Image, Text
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import Message as Said
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, NotFound, UpstreamFailed

CHAT_ID, CONVERSATION_ID = ChatId("c"), ConversationId("v")
HI = Request(messages=(say("user", "Hi"),))


def sent(request: Request, *, saves_history: bool = True) -> Any:
    return json.loads(encode_chat(request, bot_id="734", user_id="u", saves_history=saves_history))


def test_the_calls_are_those_of_the_page() -> None:
    assert chat_target(ConversationId("7&1")) == "/v3/chat?conversation_id=7%261"
    assert retrieve_target(CONVERSATION_ID, CHAT_ID) == "/v3/chat/retrieve?conversation_id=v&chat_id=c"
    assert retrieve_target(CONVERSATION_ID, CHAT_ID, path=MESSAGES_PATH) == (
        "/v3/chat/message/list?conversation_id=v&chat_id=c"
    )
    assert CANCEL_PATH == "/v3/chat/cancel"


@pytest.mark.parametrize("conversation_id", [None, ConversationId("")])
def test_without_a_conversation_there_is_no_empty_query_which_studio_dislikes(
    conversation_id: ConversationId | None,
) -> None:
    assert chat_target(conversation_id) == "/v3/chat"


def test_a_question_is_the_smallest_call() -> None:
    assert sent(HI) == {
        "bot_id": "734",
        "user_id": "u",
        "stream": True,
        "additional_messages": [{"role": "user", "content": "Hi", "content_type": "text", "type": "question"}],
        "auto_save_history": True,
    }


def test_a_history_that_is_not_to_be_saved_says_so() -> None:
    assert sent(HI, saves_history=False)["auto_save_history"] is False


def test_a_history_has_questions_answers_and_pictures_beside_their_text() -> None:
    """CLIENTS §5 item 10."""
    history = (
        say("user", "Hi"),
        say("assistant", "Hello"),
        Said(role="user", parts=(Image(key="738"),)),
        say("user", "What?"),
    )
    messages = sent(Request(messages=history))["additional_messages"]
    assert [(each["role"], each["type"], each["content_type"]) for each in messages] == [
        ("user", "question", "text"),
        ("assistant", "answer", "text"),
        ("user", "question", "object_string"),
    ]
    assert json.loads(messages[2]["content"]) == [
        {"type": "text", "text": "What?"},
        {"type": "image", "file_id": "738"},
    ]


def test_cozes_own_fields_go_as_they_came() -> None:
    own: dict[str, Any] = {
        "custom_variables": {"name": "Ada"},
        "parameters": {"depth": 3, "list": [1, None]},
        "meta_data": {"uuid": "1"},
        "extra_params": {"latitude": "39.9"},
        "shortcut_command": {"command_id": "7", "parameters": {"q": "x"}},
    }
    body = sent(Request(messages=HI.messages, **own))
    assert {name: body[name] for name in own} == own


def test_a_history_of_100_messages_is_sent_and_one_more_is_refused_by_its_number() -> None:
    full = tuple(say("user", str(number)) for number in range(100))
    assert len(sent(Request(messages=full))["additional_messages"]) == 100
    with pytest.raises(BadRequest, match="The history has 101 messages; Coze takes 100") as refused:
        sent(Request(messages=(*full, say("user", "one more"))))
    assert refused.value.code == "too_many_messages"


def test_16_entries_of_meta_data_are_sent_and_one_more_is_refused() -> None:
    full = {str(number): "v" for number in range(16)}
    assert sent(Request(messages=HI.messages, meta_data=full))["meta_data"] == full
    with pytest.raises(BadRequest, match="meta_data has 17 entries; Coze takes 16"):
        sent(Request(messages=HI.messages, meta_data={**full, "16": "v"}))


@pytest.mark.parametrize(("key", "value"), [("k" * 64, "v"), ("k", "v" * 512)])
def test_meta_data_at_its_limit_is_sent(key: str, value: str) -> None:
    assert sent(Request(messages=HI.messages, meta_data={key: value}))["meta_data"] == {key: value}


@pytest.mark.parametrize(("key", "value"), [("", "v"), ("k" * 65, "v"), ("k", ""), ("k", "v" * 513)])
def test_meta_data_over_its_limit_is_refused(key: str, value: str) -> None:
    with pytest.raises(BadRequest, match="meta_data: a key has 1 to 64 characters, a value 1 to 512"):
        sent(Request(messages=HI.messages, meta_data={key: value}))


def test_a_call_of_the_official_sdk_is_read_with_all_its_nulls() -> None:
    call = decode_chat(
        b'{"bot_id":"734","user_id":"u","additional_messages":[{"role":"user","type":"question","content":"x",'
        b'"content_type":"text","meta_data":null,"id":null,"conversation_id":null,"section_id":null,"bot_id":null,'
        b'"chat_id":null,"created_at":null,"updated_at":null,"reasoning_content":null}],"stream":true,'
        b'"auto_save_history":true}'
    )
    assert (call.bot_id, call.user_id, call.stream, call.auto_save_history) == ("734", "u", True, True)
    assert call.messages() == (say("user", "x"),)


@pytest.mark.parametrize("body", [b"{}", b'{"additional_messages":null}', b'{"additional_messages":[]}'])
def test_a_call_without_messages_has_none(body: bytes) -> None:
    assert decode_chat(body).messages() == ()


def test_a_message_without_content_is_empty_and_one_of_any_other_role_the_users() -> None:
    call = decode_chat(b'{"additional_messages":[{"role":"assistant"},{"role":"system","content":null}]}')
    assert call.messages() == (say("assistant", ""), say("user", ""))


def test_a_broken_object_string_is_refused_when_the_messages_are_read() -> None:
    call = decode_chat(b'{"additional_messages":[{"role":"user","content":"x","content_type":"object_string"}]}')
    with pytest.raises(BadRequest, match="object_string"):
        call.messages()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"parameters":"a string"}', b'{"additional_messages":[{}]}', b'{"custom_variables":{"a":1}}']
)
def test_a_call_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="chat: "):
        decode_chat(body)


def test_a_cancel_names_the_conversation_and_the_chat() -> None:
    body = encode_cancel(CONVERSATION_ID, CHAT_ID)
    assert body == b'{"conversation_id":"v","chat_id":"c"}'
    assert (decode_cancel(body).conversation_id, decode_cancel(body).chat_id) == ("v", "c")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"conversation_id":1,"chat_id":"c"}'])
def test_a_cancel_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="cancel: "):
        decode_cancel(body)


@pytest.mark.parametrize("name", [b"data", b"ChatV3ChatDetail"])
def test_the_chat_is_read_under_cozes_name_and_under_studios(name: bytes) -> None:
    body = (
        b'{"%b":{"id":"c","conversation_id":7,"status":"completed","usage":{"token_count":3}},"BaseResp":null}' % name
    )
    chat = decode_chat_answer(200, {}, body)
    assert chat == Chat(id="c", conversation_id=7, status="completed", usage=WireUsage(token_count=3))
    assert ids_of(chat) == ("c", "7")
    assert ids_of(Chat()) == ("", "")


def test_an_answer_without_a_chat_is_refused() -> None:
    with pytest.raises(UpstreamFailed, match="holds no chat") as caught:
        decode_chat_answer(200, {}, b'{"code":0,"data":null}')
    assert caught.value.code == "upstream_protocol"


@pytest.mark.parametrize("name", [b"data", b"Messages"])
def test_the_messages_are_read_under_cozes_name_and_under_studios(name: bytes) -> None:
    body = b'{"%b":[{"id":"1","type":"answer","content":"Hi"},{"id":null,"type":"verbose"}]}' % name
    assert decode_messages(200, {}, body) == [Message(id="1", type="answer", content="Hi"), Message(type="verbose")]


@pytest.mark.parametrize("body", [b'{"BaseResp":null}', b'{"code":0,"data":[]}', b'{"data":null,"Messages":null}'])
def test_studio_leaves_an_empty_list_of_messages_out(body: bytes) -> None:
    assert decode_messages(200, {}, body) == []


def test_a_refusal_is_raised() -> None:
    for decode in (decode_chat_answer, decode_messages):
        with pytest.raises(NotFound):
            decode(200, {}, b'{"code":4001,"msg":"no such chat"}')
        with pytest.raises(UpstreamFailed, match="HTTP 500"):
            decode(500, {}, b"plain text of Studio")


variables = st.dictionaries(texts, texts, max_size=3)
parts = st.one_of(
    st.builds(lambda text: (Text(text=text),), texts),
    st.builds(lambda text, key: (Text(text=text), Image(key=key)), texts.filter(bool), texts.filter(bool)),
    st.builds(lambda text, url: (Text(text=text), File(url=url)), texts.filter(bool), texts.filter(bool)),
)
histories = st.lists(st.builds(Said, role=st.sampled_from(["user", "assistant"]), parts=parts), max_size=4)


@PROPERTIES
@given(histories.filter(lambda history: all(said.text for said in history)), variables, variables)
def test_what_is_encoded_is_decoded(history: list[Said], custom: dict[str, str], extra: dict[str, str]) -> None:
    request = Request(messages=tuple(history), custom_variables=custom, extra_params=extra)
    call = decode_chat(encode_chat(request, bot_id="734", user_id="u"))
    assert call.messages() == request.messages
    assert (call.custom_variables or {}, call.extra_params or {}) == (custom, extra)


@PROPERTIES
@given(bytes_near(b'{"additional_messages":[', b'{"role":"user"', b"]", b"}", b'"content":', b'"', b",", b"null", b"7"))
def test_any_bytes_are_a_call_or_a_bad_request(body: bytes) -> None:
    try:
        call = decode_chat(body)
    except BadRequest:
        return
    assert isinstance(call, calls.ChatCall)
