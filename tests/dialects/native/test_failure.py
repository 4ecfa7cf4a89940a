import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near, texts
from realcoze import errors
from realcoze.dialects.native.failure import (
    ErrorBody,
    decode_error,
    encode_error,
    encode_refusal,
    error_body,
    error_of,
)
from realcoze.dialects.statuses import status_of
from realcoze.domain.ids import RequestId
from realcoze.errors import RealcozeError

REQUEST = RequestId("req_1")

STATUS: dict[type[RealcozeError], int] = {
    errors.BadRequest: 400,
    errors.TooLarge: 413,
    errors.ContextTooLong: 400,
    errors.ContentRefused: 400,
    errors.Unauthorized: 401,
    errors.NotFound: 404,
    errors.Busy: 409,
    errors.RateLimited: 429,
    errors.Overloaded: 503,
    errors.QuotaExhausted: 429,
    errors.UpstreamDenied: 502,
    errors.UpstreamFailed: 502,
    errors.UpstreamTimeout: 504,
    errors.Truncated: 502,
    errors.Misconfigured: 500,
    errors.Internal: 500,
}

CODES: list[tuple[type[RealcozeError], str, int]] = [
    (errors.BadRequest, "not_supported_by_upstream", 400),
    (errors.BadRequest, "coze_4000", 400),
    (errors.NotFound, "model_not_found", 404),
    (errors.RateLimited, "too_many_connections", 429),
    (errors.Overloaded, "socket_unavailable", 503),
    (errors.UpstreamDenied, "upstream_forbidden", 502),
    (errors.UpstreamDenied, "upstream_blocked", 503),
    (errors.UpstreamFailed, "upstream_unreachable", 502),
    (errors.UpstreamFailed, "upstream_tls", 502),
    (errors.UpstreamFailed, "upstream_protocol", 502),
    (errors.UpstreamFailed, "coze_5000", 502),
    (errors.Truncated, "push_lost", 502),
]


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_every_class_has_the_status_of_the_table_and_comes_back_as_itself(kind: type[RealcozeError]) -> None:
    error = kind("What went wrong.", hint="Do this.", retry_after_s=7)
    assert status_of(error) == STATUS[kind]
    back = decode_error(STATUS[kind], encode_error(error, REQUEST))
    assert type(back) is kind
    assert (back.code, back.message, back.hint, back.retry_after_s) == (error.code, error.message, error.hint, 7)
    assert back.retryable is error.retryable


@pytest.mark.parametrize(("kind", "code", "status"), CODES, ids=[code for _, code, _ in CODES])
def test_every_code_of_the_playground_has_the_status_of_the_table_and_comes_back_as_its_class(
    kind: type[RealcozeError], code: str, status: int
) -> None:
    error = kind("m", code=code)
    assert status_of(error) == status
    back = decode_error(status, encode_error(error, REQUEST))
    assert (type(back), back.code) == (kind, code)


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_an_error_in_a_stream_has_no_status_and_is_known_by_its_code(kind: type[RealcozeError]) -> None:
    assert type(error_of(error_body(kind("m"), REQUEST))) is kind


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, code, _ in CODES if code != "coze_4000"])
def test_a_code_of_the_playground_is_known_in_a_stream_too(kind: type[RealcozeError], code: str) -> None:
    assert type(error_of(error_body(kind("m", code=code), REQUEST))) is kind


def test_the_body_says_what_is_known_and_nothing_else() -> None:
    full = errors.Overloaded("Too many turns.", hint="Wait.", retry_after_s=1.4, upstream_code=4009, logid="0217")
    assert json.loads(encode_error(full, REQUEST)) == {
        "error": {
            "code": "overloaded",
            "message": "Too many turns.",
            "hint": "Wait.",
            "request_id": "req_1",
            "retry_after": 1,
        }
    }
    assert encode_error(errors.Internal("Broken."), REQUEST) == (
        b'{"error":{"code":"internal_error","message":"Broken.","request_id":"req_1"}}'
    )


def test_a_refusal_of_http_itself_has_the_same_shape() -> None:
    assert encode_refusal("no_such_path", "There is POST /.", REQUEST) == (
        b'{"error":{"code":"no_such_path","message":"There is POST /.","request_id":"req_1"}}'
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (404, errors.NotFound),
        (409, errors.Busy),
        (413, errors.TooLarge),
        (429, errors.RateLimited),
        (500, errors.UpstreamFailed),
        (502, errors.UpstreamFailed),
        (503, errors.Overloaded),
        (504, errors.UpstreamTimeout),
        (418, errors.UpstreamFailed),
    ],
)
def test_an_unknown_code_is_told_by_its_status(status: int, kind: type[RealcozeError]) -> None:
    back = error_of(ErrorBody("of_tomorrow", "m"), status)
    assert (type(back), back.code) == (kind, "of_tomorrow")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"error":"text"}',
        b'{"error":{"code":1}}',
        b"\xff",
        b'"\xff"',
        b'{"a":' + b"[" * 100_000,
    ],
    ids=range(8),
)
def test_a_body_that_is_no_error_of_ours_gives_one_anyway(body: bytes) -> None:
    back = decode_error(503, body)
    assert (type(back), back.code) == (errors.UpstreamFailed, "upstream_protocol")
    assert back.message == "The server answered HTTP 503."


@PROPERTIES
@given(
    st.sampled_from(list(STATUS)),
    st.builds(
        ErrorBody, code=texts, message=texts, hint=st.none() | texts, retry_after=st.none() | st.integers(1, 120)
    ),
)
def test_what_is_encoded_is_decoded(kind: type[RealcozeError], body: ErrorBody) -> None:
    error = kind(body.message, code=body.code, hint=body.hint, retry_after_s=body.retry_after)
    back = decode_error(status_of(error), encode_error(error, REQUEST))
    assert (back.code, back.message, back.hint, back.retry_after_s) == (
        error.code,
        error.message,
        error.hint,
        error.retry_after_s,
    )


@PROPERTIES
@given(st.integers(100, 599), bytes_near(b'{"error":{', b'"code":"', b'"message":"m"', b'"', b"}", b",", rb"\ud83d"))
def test_any_body_gives_an_error(status: int, body: bytes) -> None:
    assert isinstance(decode_error(status, body), RealcozeError)
