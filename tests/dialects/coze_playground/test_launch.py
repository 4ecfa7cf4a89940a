from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, texts
from realcoze.dialects.coze_playground.launch import PATH, REQUEST, Launch, decode_launch, encode_launch
from realcoze.errors import UpstreamDenied, UpstreamFailed

ANSWER = (Path(__file__).parents[2] / "wire" / "coze_playground" / "launch.json").read_bytes()


def test_the_call_is_the_one_of_the_page() -> None:
    assert (PATH, REQUEST) == ("/api/playground/user/launch", b"{}")


def test_the_channel_of_bot_debugging_is_read() -> None:
    assert decode_launch(200, ANSWER) == Launch(
        app_key="0123456789abcdef0123456789abcdef",
        access_key="0011",
        app_id="513695",
        product_id="1234",
        domain="wss://frontier.example",
        message_service_id="2",
    )


def test_what_nobody_needs_may_be_missing() -> None:
    body = (
        b'{"code":0,"data":{"config":{"frontier_app_key":"k","frontier_app_id":"1",'
        b'"frontier_product_id":"2","frontier_domain":"ws://h"}}}'
    )
    assert decode_launch(200, body) == Launch(app_key="k", app_id="1", product_id="2", domain="ws://h")


@pytest.mark.parametrize("body", [b'{"code":0}', b'{"code":0,"data":null}'])
def test_an_answer_without_data_is_one_that_nobody_can_use(body: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="no data") as refused:
        decode_launch(200, body)
    assert refused.value.code == "upstream_protocol"


def test_an_answer_with_half_the_data_is_named_by_its_place() -> None:
    with pytest.raises(UpstreamFailed, match="frontier_app_key") as refused:
        decode_launch(200, b'{"code":0,"data":{"config":{}}}')
    assert refused.value.code == "upstream_protocol"


@pytest.mark.parametrize("data", [b"{}", b"null", b"[]", b'""', b'{"config":{}}'])
def test_a_refusal_is_told_by_its_code_whatever_data_it_carries(data: bytes) -> None:
    with pytest.raises(UpstreamDenied) as refused:
        decode_launch(200, b'{"code":700012006,"msg":"login session invalid","data":%s}' % data)
    assert (refused.value.code, refused.value.upstream_code) == ("upstream_auth", 700012006)


@PROPERTIES
@given(
    st.builds(
        Launch,
        app_key=texts,
        app_id=texts,
        product_id=texts,
        domain=texts,
        access_key=texts,
        message_service_id=texts,
    )
)
def test_what_is_encoded_is_decoded(launch: Launch) -> None:
    assert decode_launch(200, encode_launch(launch)) == launch
