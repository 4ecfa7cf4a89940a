import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, bytes_near
from realcoze.dialects.coze_playground.signature import Credentials
from realcoze.dialects.coze_playground.upload import (
    TOKEN_REQUEST,
    Auth,
    Commit,
    Grant,
    StoreInfo,
    UploadToken,
    apply_query,
    commit_query,
    crc32_hex,
    decode_apply,
    decode_commit_request,
    decode_committed,
    decode_stored,
    decode_token,
    encode_apply,
    encode_commit,
    encode_committed,
    encode_fault,
    encode_stored,
    encode_token,
    upload_headers,
)
from realcoze.errors import RealcozeError, UpstreamDenied, UpstreamFailed

AUTH = Auth("AK", "secret", "STS", "2024-02-26T02:02:03Z", "2024-02-26T01:02:03Z")
TOKEN = UploadToken(service_id="svc123", upload_host="imagex-ap-singapore-1.volcengineapi.com", auth=AUTH)
GRANT = Grant("session-1", ["tos-a.example", "tos-b.example"], [StoreInfo("tos-alisg/x.jpg", "SpaceKey/abc")])


def token_of(expired_time: str) -> UploadToken:
    return UploadToken(service_id="s", upload_host="h", auth=Auth("a", "b", "c", expired_time))


def test_vector_crc_of_hello_world_keeps_its_leading_zero() -> None:
    assert crc32_hex(b"hello world") == "0d4a1185"


def test_vector_crc_of_sample53() -> None:
    assert crc32_hex(b"sample53") == "058910d0"


def test_vector_body_of_commit() -> None:
    assert encode_commit(Grant("sess-key-1", [], [])) == b'{"SessionKey":"sess-key-1"}'


def test_weakness_17_a_checksum_has_eight_digits() -> None:
    """The Node program sent `d4a1185`."""
    assert upload_headers(GRANT, b"hello world")["Content-Crc32"] == "0d4a1185"
    assert crc32_hex(b"") == "00000000"


ANSWERS_OF_NO_USE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b'{"Result":null}',
    b'{"Result":{}}',
    b'{"Result":{"UploadAddress":null}}',
    b'{"Result":{"UploadAddress":{"SessionKey":"s","UploadHosts":[],"StoreInfos":[]}}}',
    b'{"Result":{"UploadAddress":{"SessionKey":"s","UploadHosts":["h"],"StoreInfos":[]}}}',
    b'{"Result":{"UploadAddress":{"SessionKey":"s","UploadHosts":[],"StoreInfos":[{"StoreUri":"u","Auth":"a"}]}}}',
    b'{"Result":{"UploadAddress":{"SessionKey":"s"}}}',
    b'{"ResponseMetadata":{"Error":{"Code":"SignatureDoesNotMatch","Message":"no"}}}',
    b"<html>Bad Gateway</html>",
]


@pytest.mark.parametrize("body", ANSWERS_OF_NO_USE)
def test_weakness_17_an_apply_without_a_result_is_an_error_and_no_crash(body: bytes) -> None:
    """`Result` missing was an exception that nobody caught."""
    for status in (200, 403, 502):
        with pytest.raises(UpstreamFailed):
            decode_apply(status, body)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"code":4008}', b'{"code":"2000"}', b"<html>", encode_stored(4010, "no")]
)
def test_weakness_17_bytes_that_were_not_stored_are_an_error_and_no_crash(body: bytes) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        decode_stored(200, body)
    assert failed.value.code == "upload_failed"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", encode_fault("ObjectNotFound", "commit before upload")])
def test_weakness_17_a_commit_that_fails_is_an_error_and_no_crash(body: bytes) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        decode_committed(200, body)
    assert failed.value.code == "upload_failed"


def test_what_the_page_documents_is_read() -> None:
    body = {
        "code": 0,
        "data": {
            "service_id": "svc123",
            "upload_path_prefix": "p",
            "upload_host": "imagex.example",
            "auth": {
                "access_key_id": "AK",
                "secret_access_key": "SK",
                "session_token": "STS",
                "expired_time": "2024-02-26T10:02:03+08:00",
                "current_time": "2024-02-26T09:02:03+08:00",
            },
            "of_tomorrow": 1,
        },
    }
    token = decode_token(200, json.dumps(body).encode())
    assert token.base == "https://imagex.example"
    assert token.auth.credentials == Credentials("AK", "SK", "STS")
    assert token.expires_at() == 1_708_912_923
    assert json.loads(TOKEN_REQUEST) == {"scene": "bot_task"}


def test_a_grant_is_read_with_everything_around_it() -> None:
    place = {"StoreUri": "tos-alisg/x.jpg", "Auth": "SpaceKey/abc", "UploadID": "1", "UploadHeader": None}
    address = {"SessionKey": "session-1", "UploadHosts": ["tos-a.example"], "StoreInfos": [place], "UploadHeader": {}}
    body = {"ResponseMetadata": {"RequestId": "1", "Action": "ApplyImageUpload"}, "Result": {"UploadAddress": address}}
    grant = decode_apply(200, json.dumps(body).encode())
    assert (grant.SessionKey, grant.UploadHosts, grant.place.StoreUri) == (
        "session-1",
        ["tos-a.example"],
        "tos-alisg/x.jpg",
    )


def test_calls_say_what_the_page_documents() -> None:
    assert apply_query(TOKEN, size_bytes=11, extension=".jpg", noise="abc123") == {
        "Action": "ApplyImageUpload",
        "Version": "2018-08-01",
        "ServiceId": "svc123",
        "FileSize": "11",
        "FileExtension": ".jpg",
        "s": "abc123",
    }
    assert commit_query(TOKEN) == {"Action": "CommitImageUpload", "Version": "2018-08-01", "ServiceId": "svc123"}
    assert upload_headers(GRANT, b"hello world") == {
        "Authorization": "SpaceKey/abc",
        "Content-Type": "application/octet-stream",
        "Content-Disposition": 'attachment; filename="undefined"',
        "Content-Crc32": "0d4a1185",
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-02-26T02:02:03Z", 1_708_912_923),
        ("2024-02-26T02:02:03", 1_708_912_923),
        ("2024-02-26 02:02:03", 1_708_912_923),
        ("2024-02-26T10:02:03.5+08:00", 1_708_912_923.5),
        ("Mon, 26 Feb 2024 02:02:03 GMT", 1_708_912_923),
        ("Mon Feb 26 2024 02:02:03 GMT+0000 (Coordinated Universal Time)", 1_708_912_923),
        ("", 0),
        ("tomorrow", 0),
        ("1 Jan 2024 00:00:00 +9999999999999999999999", 0),
    ],
)
def test_the_end_of_a_token_is_read_in_every_form_and_long_past_in_none(text: str, seconds: float) -> None:
    assert token_of(text).expires_at() == seconds


@PROPERTIES
@given(st.text() | st.text("0123456789:-+TZ ,JanFebGMT"))
def test_any_date_is_a_time(text: str) -> None:
    assert isinstance(token_of(text).expires_at(), float)


def test_what_one_side_writes_the_other_one_reads() -> None:
    assert decode_token(200, encode_token(TOKEN)) == TOKEN
    assert decode_apply(200, encode_apply(GRANT)) == GRANT
    decode_stored(200, encode_stored())
    commit = decode_commit_request(encode_commit(GRANT))
    assert commit is not None
    assert commit.SessionKey == "session-1"
    decode_committed(200, encode_committed())


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"SessionKey":1}', b'{"SessionKey":"' + b"\xff" + b'"}'])
def test_a_commit_that_is_none_is_known(body: bytes) -> None:
    assert decode_commit_request(body) is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, b'{"code":0}', "upstream_protocol"),
        (200, b'{"code":0,"data":null}', "upstream_protocol"),
        (200, b'{"code":0,"data":{"service_id":"s"}}', "upstream_protocol"),
        (502, b"<html>", "upstream_protocol"),
        (200, b'{"code":4001,"msg":"no"}', "coze_4001"),
    ],
)
def test_a_token_that_is_none_is_an_error(status: int, body: bytes, code: str) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        decode_token(status, body)
    assert failed.value.code == code


def test_a_session_that_has_ended_gets_no_token() -> None:
    with pytest.raises(UpstreamDenied) as denied:
        decode_token(200, b'{"code":700012006,"msg":"login session invalid"}')
    assert denied.value.code == "upstream_auth"


def test_the_words_of_a_refusal_are_repeated_and_bounded() -> None:
    with pytest.raises(UpstreamFailed, match="SignatureDoesNotMatch: no") as failed:
        decode_apply(403, encode_fault("SignatureDoesNotMatch", "no" * 1000))
    assert len(failed.value.message) < 400
    with pytest.raises(UpstreamFailed, match="HTTP 500"):
        decode_committed(500, encode_committed())


@PROPERTIES
@given(
    bytes_near(
        b'{"Result":', b'{"UploadAddress":', b'{"code":', b"2000", b'{"SessionKey":"', b'"', b"}", b"[", b"null"
    ),
    st.sampled_from([200, 403, 500]),
)
def test_any_answer_is_read_or_refused(body: bytes, status: int) -> None:
    readers: list[Any] = [decode_token, decode_apply, decode_stored, decode_committed]
    for read in readers:
        with suppress(RealcozeError):
            read(status, body)
    decode_commit_request(body)


def test_no_secret_is_printed() -> None:
    auth = Auth("AKID", "a secret", "a secret", "2030-01-01T00:00:00Z")
    token = UploadToken(service_id="svc", upload_host="up.example", auth=auth)
    place = StoreInfo("uri", "a secret", "upload")
    grant = Grant("a secret", ["up.example"], [place])
    for value in (auth, token, place, grant, Commit("a secret")):
        assert "secret" not in repr(value)
        assert "***" in repr(value)
    assert "AKID" in repr(token)
    assert "uri" in repr(grant)
