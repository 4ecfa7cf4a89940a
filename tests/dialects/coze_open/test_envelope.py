import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze.dialects.coze_open.envelope import (
    decode_answer,
    encode_refusal,
    encode_success,
    logid_of,
    raise_refusal,
)
from realcoze.errors import (
    BadRequest,
    NotFound,
    RateLimited,
    RealcozeError,
    UpstreamDenied,
    UpstreamFailed,
)


class Answer(msgspec.Struct):
    data: dict[str, str] | None = None


ANSWER = msgspec.json.Decoder(Answer)


def refused(status: int, body: bytes, **headers: str) -> RealcozeError:
    with pytest.raises(RealcozeError) as caught:
        raise_refusal(status, headers, body)
    return caught.value


def test_a_call_that_went_well_gives_its_data() -> None:
    body = encode_success({"id": "1"}, logid="2025ABC")
    assert body == b'{"code":0,"msg":"","data":{"id":"1"},"detail":{"logid":"2025ABC"}}'
    assert decode_answer(200, {}, body, ANSWER) == Answer({"id": "1"})


@pytest.mark.parametrize(
    "body",
    [b'{"data":null}', b'{"code":0,"msg":"Success"}', b'{"code":null,"msg":null,"BaseResp":null}', b'{"code":"0"}'],
)
def test_studio_may_leave_out_the_code_and_all_else(body: bytes) -> None:
    assert decode_answer(200, {}, body, ANSWER) == Answer()


def test_a_refusal_is_raised_with_its_code_its_text_and_its_logid() -> None:
    body = encode_refusal(4200, "no such thing", logid="2025ABC")
    assert body == b'{"code":4200,"msg":"no such thing","detail":{"logid":"2025ABC"}}'
    error = refused(200, body)
    assert (type(error), error.upstream_code, error.logid) == (NotFound, 4200, "2025ABC")
    assert error.message == "Coze answered code 4200: no such thing"


def test_a_code_may_come_as_text_and_its_text_as_null() -> None:
    error = refused(200, b'{"code":"4000","msg":null}')
    assert (type(error), error.message) == (BadRequest, "Coze answered code 4000.")


@pytest.mark.parametrize(
    ("body", "logid"),
    [
        (b'{"code":4000,"detail":{"logid":"in detail"},"error":{"logid":"in error"}}', "in detail"),
        (b'{"code":4000,"error":{"logid":"in error"}}', "in error"),
        (b'{"code":4000,"detail":{"logid":""}}', "in header"),
        (b'{"code":4000,"detail":{"logid":7}}', "in header"),
        (b'{"code":4000,"detail":"words","error":["words"]}', "in header"),
        (b'{"code":4000}', "in header"),
        (b"<html>", "in header"),
    ],
)
def test_the_logid_stands_in_the_body_or_in_a_header(body: bytes, logid: str) -> None:
    assert refused(200, body, **{"x-tt-logid": "in header"}).logid == logid


def test_coze_and_studio_name_the_header_each_in_its_way() -> None:
    assert logid_of({"x-tt-logid": "1", "x-log-id": "2"}) == "1"
    assert logid_of({"x-tt-logid": "", "x-log-id": "2"}) == "2"
    assert logid_of({}) is None


def test_the_code_counts_before_the_status() -> None:
    assert type(refused(400, b'{"code":700012006,"msg":"access token invalid"}')) is UpstreamDenied
    assert type(refused(200, b'{"code":700012006,"msg":"access token invalid"}')) is UpstreamDenied


@pytest.mark.parametrize(
    "body", [b"", b"<html>secret</html>", b"[]", b'"text"', b"null", b"\xff", b"[" * 100_000, b"{"]
)
@pytest.mark.parametrize("status", [200, 500])
def test_what_is_no_envelope_is_refused_by_its_status_and_never_shown(status: int, body: bytes) -> None:
    error = refused(status, body)
    assert (type(error), error.code) == (UpstreamFailed, "upstream_protocol")
    assert error.message == f"Coze answered HTTP {status} without its usual envelope."


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_status_of_trouble_is_trouble_even_where_the_body_says_nothing(status: int) -> None:
    assert refused(status, b"{}").message == f"Coze answered HTTP {status} without its usual envelope."


@pytest.mark.parametrize("body", [b'{"code":4020}', b"slow down", b"{}"])
def test_a_limit_of_rate_says_how_long_to_wait(body: bytes) -> None:
    error = refused(429, body, **{"retry-after": "30"})
    assert (type(error), error.retry_after_s) == (RateLimited, 30)


def test_data_of_another_shape_cannot_be_read() -> None:
    with pytest.raises(UpstreamFailed, match=r"Coze's answer cannot be read: Expected `object \| null`") as caught:
        decode_answer(200, {"x-log-id": "7"}, b'{"code":0,"data":[]}', ANSWER)
    assert (caught.value.code, caught.value.logid) == ("upstream_protocol", "7")


@PROPERTIES
@given(st.dictionaries(texts, texts), texts)
def test_what_is_encoded_is_decoded(data: dict[str, str], logid: str) -> None:
    assert decode_answer(200, {}, encode_success(data, logid=logid), ANSWER) == Answer(data)


@PROPERTIES
@given(st.integers(min_value=1, max_value=2**62), texts, texts)
def test_every_refusal_arrives_as_one(code: int, text: str, logid: str) -> None:
    error = refused(200, encode_refusal(code, text, logid=logid))
    assert (error.upstream_code, error.logid) == (code, logid or None)


@PROPERTIES
@given(
    bytes_near(b'{"code":', b"0", b"4016", b'"', b",", b'"data":', b"null", b"{", b"}", b'"msg":', b'"detail":', b"[]"),
    st.sampled_from([200, 400, 429, 500]),
)
def test_any_bytes_are_an_answer_or_one_of_our_errors(body: bytes, status: int) -> None:
    try:
        answer = decode_answer(status, {}, body, ANSWER)
    except RealcozeError:
        return
    assert isinstance(answer, Answer)
