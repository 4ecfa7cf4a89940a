import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.dialects.coze_playground.execute import (
    PATH,
    UPDATE_PATH,
    BotConfig,
    config_from,
    decode_accepted,
    decode_config,
    decode_execute,
    encode_accepted,
    encode_execute,
)
from realcoze.domain.content import File, Image, Part, Text
from realcoze.domain.message import Message, say
from realcoze.errors import BadRequest, UpstreamDenied

WIRE = Path(__file__).parents[2] / "wire" / "coze_playground"
CONFIG = (WIRE / "config.json").read_bytes()
EXECUTE = (WIRE / "execute.json").read_bytes()
UUID = "11111111-1111-4111-8111-111111111111"

SAVED: list[Any] = [
    {"role": 2, "content": "Saved question"},
    {"role": 1, "content": "Saved answer", "content_type": 1, "card": {"id": 7}},
]
HI = {"role": 2, "content": "Hi", "contentType": 1}


def executed(config: BotConfig, *messages: Message) -> Any:
    return json.loads(encode_execute(config, messages, device_id="987654321", push_uuid=UUID))


def history(body: Any) -> Any:
    return json.loads(body["work_info"]["message_info"])


def document(message_info: object = "[]") -> dict[str, Any]:
    """The smallest configuration, as a program would hold it."""
    return {"bot_id": "7331", "work_info": {"message_info": message_info, "tools": "[]"}}


def test_the_calls_are_those_of_the_page() -> None:
    assert (PATH, UPDATE_PATH) == ("/api/draftbot/execute", "/api/draftbot/update")


def test_a_configuration_is_read_and_its_saved_history_set_apart() -> None:
    config = decode_config(CONFIG)
    assert config.bot_id == "7331"
    assert config.saved == tuple(SAVED)
    assert "message_info" not in config.document["work_info"]


def test_every_member_goes_back_to_coze_as_it_came() -> None:
    sent = executed(decode_config(CONFIG), say("user", "Hi"))
    expected = json.loads(CONFIG)
    expected |= {"device_id": "987654321", "push_uuid": UUID}
    expected["work_info"]["message_info"] = sent["work_info"]["message_info"]
    assert sent == expected
    assert sent["version_compat"] == 12345678901234567890123


def test_the_body_of_the_page_is_written() -> None:
    page = json.loads(EXECUTE)
    bare = {**page, "work_info": {**page["work_info"], "message_info": "[]"}}
    del bare["device_id"], bare["push_uuid"]
    assert executed(config_from(bare), say("user", "Hi")) == page


def test_weakness_24_the_saved_history_stands_before_the_callers_and_loses_nothing() -> None:
    sent = executed(decode_config(CONFIG), say("user", "Hi"), say("assistant", "Hello"), say("user", "Bye"))
    assert history(sent) == [
        *SAVED,
        HI,
        {"role": 1, "content": "Hello", "contentType": 1},
        {"role": 2, "content": "Bye", "contentType": 1},
    ]


def test_weakness_11_one_configuration_serves_any_number_of_turns_unchanged() -> None:
    config = decode_config(CONFIG)
    before = deepcopy(config)
    bodies = [executed(config, say("user", text)) for text in ("one", "two", "one")]
    assert [history(body)[-1]["content"] for body in bodies] == ["one", "two", "one"]
    assert bodies[0] == bodies[2]
    assert config == before


def test_weakness_14_the_callers_object_is_neither_changed_nor_kept() -> None:
    callers = json.loads(CONFIG)
    before = deepcopy(callers)
    first, second = config_from(callers), config_from(callers)
    executed(first, say("user", "Hi"))
    assert callers == before
    assert first == second
    callers["work_info"]["shortcuts"]["items"].append("changed afterwards")
    callers["work_info"]["message_info"] = "[]"
    assert first.document["work_info"]["shortcuts"] == {"items": []}
    assert first.saved == tuple(SAVED)


@pytest.mark.parametrize("message_info", [None, "", "[]", []])
def test_a_configuration_without_saved_history_has_none(message_info: object) -> None:
    assert config_from(document(message_info)).saved == ()
    assert config_from({"bot_id": 7331, "work_info": {}}).bot_id == "7331"


def test_a_byte_order_mark_before_the_configuration_is_passed_over() -> None:
    assert decode_config(b"\xef\xbb\xbf" + CONFIG) == decode_config(CONFIG)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b"\xff\xfe{}"])
def test_a_configuration_that_is_no_object_is_refused_with_what_to_do(text: bytes) -> None:
    with pytest.raises(BadRequest, match="no JSON object") as refused:
        decode_config(text)
    assert "save it again with the userscript" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "lacks `bot_id` or `work_info`"),
        ({"work_info": {}}, "lacks `bot_id`"),
        ({"bot_id": "", "work_info": {}}, "lacks `bot_id`"),
        ({"bot_id": "1"}, "or `work_info`"),
        ({"bot_id": "1", "work_info": "{}"}, "or `work_info`"),
        (document([{"role": 2}]), "is no text"),
        (document("{}"), "message_info of the bot configuration"),
        (document("["), "message_info of the bot configuration"),
    ],
)
def test_a_configuration_that_lacks_what_is_needed_is_refused_with_what_to_do(config: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest, match=why) as refused:
        config_from(config)
    assert "save it again with the userscript" in str(refused.value.hint)


@pytest.mark.parametrize("part", [Image(url="https://example.com/a.png"), File(url="http://example.com/a.pdf")])
def test_a_picture_or_file_at_a_url_is_refused_by_name(part: Part) -> None:
    history = (Message(role="user", parts=(Text(text="See"), part)), say("user", "What?"))
    with pytest.raises(BadRequest, match="cannot carry a picture or file by its URL") as refused:
        executed(config_from(document()), *history)
    assert refused.value.code == "not_supported_by_upstream"
    assert "Upload it" in str(refused.value.hint)


def test_a_call_is_read_as_a_server_reads_it() -> None:
    execution = decode_execute(EXECUTE)
    assert (execution.bot_id, execution.device_id, execution.push_uuid) == ("7331", "987654321", UUID)
    assert execution.messages() == (say("user", "Hi"),)
    assert execution.system_prompt() == "You are …"


def test_a_call_without_prompts_and_history_is_empty() -> None:
    execution = decode_execute(b'{"bot_id":"1","device_id":"2","push_uuid":"3","work_info":{}}')
    assert (execution.messages(), execution.system_prompt()) == ((), "")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"bot_id":1,"device_id":"2","push_uuid":"3","work_info":{}}'])
def test_a_call_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest, match="execute: "):
        decode_execute(body)


def test_a_call_with_a_broken_history_is_refused_when_it_is_read() -> None:
    execution = decode_execute(
        b'{"bot_id":"1","device_id":"2","push_uuid":"3",'
        b'"work_info":{"message_info":"[{\\"role\\":9}]","system_info_all":"{}"}}'
    )
    with pytest.raises(BadRequest, match="Entry 0 has role 9"):
        execution.messages()
    with pytest.raises(BadRequest, match="system_info_all"):
        execution.system_prompt()


def test_an_accepted_call_says_nothing_more() -> None:
    assert encode_accepted() == b'{"code":0,"msg":"success","data":{}}'
    decode_accepted(200, encode_accepted())
    decode_accepted(200, b'{"code":0,"msg":"success"}')


def test_a_call_that_was_not_accepted_raises_why() -> None:
    with pytest.raises(UpstreamDenied) as refused:
        decode_accepted(403, b"")
    assert refused.value.code == "upstream_blocked"


says = st.builds(say, st.sampled_from(["user", "assistant"]), texts)


@PROPERTIES
@given(st.lists(says, max_size=4), st.booleans())
def test_what_is_encoded_is_decoded(messages: list[Message], pictured: bool) -> None:  # noqa: FBT001 - generated
    sent = [*messages, Message(role="user", parts=(Image(key="k"),))] if pictured else messages
    body = encode_execute(config_from(document()), sent, device_id="1", push_uuid=UUID)
    assert decode_execute(body).messages() == tuple(sent)
