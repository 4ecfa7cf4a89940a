from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.coze_playground.envelope import (
    BOT_HINT,
    LOGIN_HINT,
    MOVED_HINT,
    PROXY_HINT,
    SIGNATURE_HINT,
    TRAFFIC_HINT,
    Envelope,
    decode_answer,
    encode_refusal,
    encode_success,
    refusal,
)
from realcoze.errors import (
    BadRequest,
    NotFound,
    QuotaExhausted,
    RateLimited,
    RealcozeError,
    UpstreamDenied,
    UpstreamFailed,
)

NUMBERS = msgspec.json.Decoder(Envelope[list[int]])


def refused(status: int, body: bytes) -> RealcozeError:
    with pytest.raises(RealcozeError) as raised:
        decode_answer(status, body, NUMBERS)
    return raised.value


def test_code_0_is_success_and_gives_the_data() -> None:
    assert decode_answer(200, b'{"code":0,"msg":"success","data":[1,2]}', NUMBERS) == [1, 2]
    assert decode_answer(200, b'{"code":0,"msg":""}', NUMBERS) is None
    assert decode_answer(200, encode_success([3]), NUMBERS) == [3]
    assert encode_success({}) == b'{"code":0,"msg":"success","data":{}}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"code":1,"msg":"from msg"}', "from msg"),
        (b'{"code":1,"message":"from message"}', "from message"),
        (b'{"code":1,"msg":"","message":"from message"}', "from message"),
        (b'{"code":1,"msg":"from msg","message":"from message"}', "from msg"),
        (b'{"code":1}', ""),
    ],
)
def test_weakness_18_the_text_of_a_refusal_is_in_msg_or_message(body: bytes, said: str) -> None:
    error = refused(200, body)
    assert error.message == f"Coze answered code 1: {said}"
    assert (type(error), error.code, error.upstream_code) == (UpstreamFailed, "coze_1", 1)


@pytest.mark.parametrize(
    ("code", "text", "kind", "our_code", "hint"),
    [
        (700012006, "login session invalid", UpstreamDenied, "upstream_auth", LOGIN_HINT),
        (1, "Sorry, Regional Restrictions apply", UpstreamDenied, "upstream_blocked", PROXY_HINT),
        (700012014, "unusual traffic", UpstreamDenied, "upstream_blocked", TRAFFIC_HINT),
        (700012015, "Device anomaly", UpstreamDenied, "upstream_blocked", TRAFFIC_HINT),
        (702240010, "", UpstreamDenied, "upstream_blocked", TRAFFIC_HINT),
        (4000, "bad parameter", BadRequest, "coze_4000", None),
        (4006, "no such bot", NotFound, "model_not_found", BOT_HINT),
        (4008, "daily limit", QuotaExhausted, "insufficient_quota", "The account's limit for today is used up."),
        (702082008, "", QuotaExhausted, "insufficient_quota", "The account's limit for today is used up."),
        (702082010, "", QuotaExhausted, "insufficient_quota", "The account's limit for today is used up."),
        (5000, "oops", UpstreamFailed, "coze_5000", None),
        (-1, "oops", UpstreamFailed, "coze_-1", None),
    ],
)
def test_a_code_stands_for_the_error_of_the_table(
    code: int, text: str, kind: type[RealcozeError], our_code: str, hint: str | None
) -> None:
    for error in (refusal(code, text), refused(200, encode_refusal(code, text))):
        assert (type(error), error.code, error.hint, error.upstream_code) == (kind, our_code, hint, code)
        assert error.message == f"Coze answered code {code}: {text}"


def test_the_text_of_a_refusal_is_cut_to_300_characters() -> None:
    assert refusal(1, "x" * 1000).message == "Coze answered code 1: " + "x" * 300


def test_a_refusal_is_told_by_its_code_whatever_data_it_carries() -> None:
    error = refused(200, b'{"code":700012006,"msg":"login session invalid","data":{"config":null}}')
    assert (type(error), error.hint) == (UpstreamDenied, LOGIN_HINT)


def test_data_of_another_shape_is_no_demand_for_signatures() -> None:
    error = refused(200, b'{"code":0,"msg":"success","data":{"surprise":1}}')
    assert (type(error), error.code, error.hint) == (UpstreamFailed, "upstream_protocol", None)


@pytest.mark.parametrize(
    ("status", "kind", "code", "hint"),
    [
        (200, UpstreamDenied, "upstream_blocked", SIGNATURE_HINT),
        (403, UpstreamDenied, "upstream_blocked", SIGNATURE_HINT),
        (404, UpstreamFailed, "upstream_protocol", SIGNATURE_HINT),
        (302, UpstreamFailed, "upstream_protocol", MOVED_HINT),
        (401, UpstreamDenied, "upstream_auth", LOGIN_HINT),
        (500, UpstreamFailed, "upstream_protocol", SIGNATURE_HINT),
        (502, UpstreamFailed, "upstream_protocol", SIGNATURE_HINT),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b'{"code":"0"}', b"{}", b"[" * 100_000])
def test_an_answer_that_is_no_envelope_is_told_by_its_status(
    status: int, kind: type[RealcozeError], code: str, hint: str, body: bytes
) -> None:
    error = refused(status, body)
    assert (type(error), error.code, error.hint, error.upstream_code) == (kind, code, hint, None)
    assert error.message == f"Coze answered HTTP {status} without its usual envelope."


ANY: msgspec.json.Decoder[Envelope[Any]] = msgspec.json.Decoder(Envelope[Any])


@PROPERTIES
@given(bytes_near(b'{"code":0', b'{"code":700012006', b',"msg":"', b',"data":', b"{}", b'"', b"}", b"[", b"]"))
def test_any_bytes_give_data_or_an_error_of_ours(body: bytes) -> None:
    with suppress(RealcozeError):
        decode_answer(200, body, ANY)


def test_http_429_without_an_envelope_is_too_fast() -> None:
    error = refused(429, b"")
    assert (type(error), error.retry_after_s) == (RateLimited, 1.0)


def test_a_text_that_is_null_is_no_text() -> None:
    assert refused(200, b'{"code":9,"msg":null,"message":null}').message == "Coze answered code 9: "
