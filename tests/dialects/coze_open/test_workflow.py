import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.coze_open import workflow as calls
from realcoze.dialects.coze_open.workflow import (
    decode_chatflow,
    decode_resume,
    decode_run,
    encode_chatflow,
    encode_resume,
    encode_run,
    kind_of,
    parameters_of,
    type_of,
)
from realcoze.domain.content import Audio, File, Image, Inline, Text
from realcoze.domain.ids import ConversationId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, TooLarge


def asked(*parts: Text | Image | File | Audio, **more: Any) -> Request:
    return Request(messages=(say("user", "before"), Message(role="user", parts=parts)), **more)


def sent(request: Request, **more: Any) -> Any:
    return json.loads(encode_chatflow(request, workflow_id="75", **more))


def test_words_are_the_parameter_that_the_bot_names() -> None:
    assert parameters_of(asked(Text(text="the sea")), "topic") == {"topic": "the sea"}


def test_a_json_object_is_parameters_itself() -> None:
    assert parameters_of(asked(Text(text='{"a": 1, "b": ["x"]}')), "topic") == {"a": 1, "b": ["x"]}


@pytest.mark.parametrize("text", ["[1]", "12", '"x"', "{no", "null"])
def test_any_other_json_is_words(text: str) -> None:
    assert parameters_of(asked(Text(text=text)), "topic") == {"topic": text}


def test_parameters_of_the_request_win() -> None:
    request = asked(Text(text="the sea"), parameters={"topic": "the sky", "lines": 4})
    assert parameters_of(request, "topic") == {"topic": "the sky", "lines": 4}
    request = asked(Text(text='{"lines": 1, "rhymes": true}'), parameters={"lines": 4})
    assert parameters_of(request, "topic") == {"lines": 4, "rhymes": True}


def test_what_is_shown_is_a_parameter_of_its_kind() -> None:
    request = asked(Text(text="look"), Image(key="7"), File(url="https://a/b.pdf"), Audio(key="8"), Audio(key="9"))
    assert parameters_of(request, "input") == {
        "input": "look",
        "image": '{"file_id":"7"}',
        "file": "https://a/b.pdf",
        "audio": ['{"file_id":"8"}', '{"file_id":"9"}'],
    }


def test_a_picture_sent_before_its_words_is_not_lost() -> None:
    pictured = Message(role="user", parts=(Image(key="7"),))
    request = Request(messages=(say("user", "a"), say("assistant", "b"), pictured, say("user", "what is it?")))
    assert parameters_of(request, "input") == {"input": "what is it?", "image": '{"file_id":"7"}'}


def test_nothing_said_is_nothing_given() -> None:
    assert parameters_of(Request(messages=()), "input") == {}
    assert parameters_of(asked(Image(url="https://a")), "input") == {"input": "before", "image": "https://a"}


@pytest.mark.parametrize("name", ["custom_variables", "meta_data", "shortcut_command"])
def test_what_only_bots_take_is_refused_by_name(name: str) -> None:
    given: dict[str, Any] = {name: {"a": "b"}}
    request = Request(messages=(say("user", "Hi"),), **given)
    with pytest.raises(BadRequest, match=name) as refused:
        parameters_of(request, "input")
    assert refused.value.code == "not_supported_by_upstream"
    with pytest.raises(BadRequest, match=name):
        encode_chatflow(request, workflow_id="75")


def test_a_run_names_its_workflow_its_owner_and_its_user() -> None:
    body = encode_run("75", {"a": 1}, bot_id="73", user_id="u", extra_params={"latitude": "1", "longitude": "2"})
    assert json.loads(body) == {
        "workflow_id": "75",
        "parameters": {"a": 1},
        "bot_id": "73",
        "ext": {"latitude": "1", "longitude": "2", "user_id": "u"},
    }
    assert json.loads(encode_run("75", {}, app_id="74")) == {"workflow_id": "75", "parameters": {}, "app_id": "74"}


def test_a_bot_and_an_app_at_once_are_refused() -> None:
    with pytest.raises(BadRequest, match="not for both"):
        encode_run("75", {}, bot_id="1", app_id="2")
    with pytest.raises(BadRequest, match="not for both"):
        sent(asked(Text(text="Hi")), bot_id="1", app_id="2")


def test_an_answer_goes_with_the_event_and_the_type_that_asked() -> None:
    assert json.loads(encode_resume("75", event_id="1/2", kind="question", answer="Rome")) == {
        "workflow_id": "75",
        "event_id": "1/2",
        "resume_data": "Rome",
        "interrupt_type": 2,
    }


@pytest.mark.parametrize(
    ("number", "kind"), [(1, "plugin"), (2, "question"), (5, "input"), (7, "oauth"), (3, "type_3"), (0, "type_0")]
)
def test_types_of_interrupts_have_names_there_and_back(number: int, kind: str) -> None:
    assert kind_of(number) == kind
    assert type_of(kind) == number


@pytest.mark.parametrize("kind", ["reply_message", "message", "", "type_", "type_x", "type_9999999999", "3"])
def test_a_kind_that_no_workflow_asks_by_is_refused(kind: str) -> None:
    with pytest.raises(BadRequest, match="the kind"):
        type_of(kind)


def test_a_turn_with_a_chatflow_has_its_conversation_in_the_body() -> None:
    request = asked(
        Text(text="Hi"),
        conversation_id=ConversationId("74"),
        parameters={"CONVERSATION_NAME": "x"},
        extra_params={"latitude": "1"},
    )
    assert sent(request, bot_id="73", user_id="u") == {
        "workflow_id": "75",
        "additional_messages": [
            {"role": "user", "content": "before", "content_type": "text", "type": "question"},
            {"role": "user", "content": "Hi", "content_type": "text", "type": "question"},
        ],
        "parameters": {"CONVERSATION_NAME": "x"},
        "conversation_id": "74",
        "bot_id": "73",
        "ext": {"latitude": "1", "user_id": "u"},
    }
    assert "conversation_id" not in sent(asked(Text(text="Hi")))


def test_a_chatflow_takes_fifty_messages() -> None:
    many = [say("user", "Hi")] * 51
    with pytest.raises(BadRequest, match="51 messages") as refused:
        sent(Request(messages=tuple(many)))
    assert refused.value.code == "too_many_messages"
    assert len(sent(Request(messages=tuple(many[:50])))["additional_messages"]) == 50


def test_more_than_coze_takes_is_refused_here_and_as_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MOST_BYTES", 100)
    with pytest.raises(TooLarge, match="Coze takes 100"):
        encode_run("75", {"a": "x" * 100})
    with pytest.raises(TooLarge, match="100 are taken"):
        decode_run(b" " * 101)


def test_a_server_reads_what_is_sent() -> None:
    run = decode_run(encode_run("75", {"a": 1}, app_id="74", user_id="u"))
    assert (run.workflow_id, run.given(), run.app_id, run.ext) == ("75", {"a": 1}, "74", {"user_id": "u"})
    resume = decode_resume(encode_resume("75", event_id="1/2", kind="input", answer="{}"))
    assert (resume.workflow_id, resume.event_id, resume.interrupt_type, resume.resume_data) == ("75", "1/2", 5, "{}")
    request = asked(Text(text="Hi"), Image(key="7"))
    assert decode_chatflow(encode_chatflow(request, workflow_id="75")).messages() == request.messages


def test_parameters_may_be_json_text_and_may_be_missing() -> None:
    assert decode_run(b'{"workflow_id":"1","parameters":"{\\"a\\":1}"}').given() == {"a": 1}
    assert decode_run(b'{"workflow_id":"1"}').given() == {}
    assert decode_chatflow(b'{"workflow_id":"1"}').messages() == ()
    with pytest.raises(BadRequest, match="parameters"):
        decode_run(b'{"workflow_id":"1","parameters":"[]"}').given()


@pytest.mark.parametrize("decode", [decode_run, decode_resume, decode_chatflow])
@PROPERTIES
@given(body=bytes_near(b'{"workflow_id":', b'"1"', b',"parameters":{', b"}", b"]", b"null"))
def test_whatever_comes_in_is_read_or_refused(decode: Any, body: bytes) -> None:
    with suppress(BadRequest):
        decode(body)


def test_a_file_that_was_not_uploaded_is_a_defect() -> None:
    message = Message(role="user", parts=(Inline(data=b"x"),))
    with pytest.raises(TypeError):
        calls.parameters_of(Request(messages=(message,)), "input")
