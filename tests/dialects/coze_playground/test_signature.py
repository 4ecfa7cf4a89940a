"""The vectors are those of docs/protocol/playground-2024.md §7.1, which the Node program's own code gives too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES
from realcoze.dialects.coze_playground.signature import (
    Credentials,
    canonical_query,
    is_signed,
    region_of,
    signed_headers,
)

CREDENTIALS = Credentials("AKTESTEXAMPLE", "c2VjcmV0LWV4YW1wbGU=", "STS-EXAMPLE-TOKEN")
DATE = "20240226T010203Z"
APPLY = {
    "ServiceId": "svc123",
    "Version": "2018-08-01",
    "Action": "ApplyImageUpload",
    "FileSize": "11",
    "FileExtension": ".jpg",
    "s": "abc123",
}
COMMIT = {"ServiceId": "svc123", "Version": "2018-08-01", "Action": "CommitImageUpload"}
BODY = b'{"SessionKey":"sess-key-1"}'
SCOPE = "AKTESTEXAMPLE/20240226/ap-singapore-1/imagex/aws4_request"


def test_vector_apply() -> None:
    assert (
        canonical_query(APPLY)
        == "Action=ApplyImageUpload&FileExtension=.jpg&FileSize=11&ServiceId=svc123&Version=2018-08-01&s=abc123"
    )
    assert signed_headers("GET", APPLY, None, CREDENTIALS, date=DATE) == {
        "x-amz-date": DATE,
        "x-amz-security-token": "STS-EXAMPLE-TOKEN",
        "authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=x-amz-date;x-amz-security-token, "
        "Signature=4534e559bcf8706c6124466374e235e0630e72ce2e7f2c55d8fa31bfcbef6bf1",
    }


def test_vector_commit() -> None:
    assert canonical_query(COMMIT) == "Action=CommitImageUpload&ServiceId=svc123&Version=2018-08-01"
    assert signed_headers("POST", COMMIT, BODY, CREDENTIALS, date=DATE) == {
        "x-amz-date": DATE,
        "x-amz-security-token": "STS-EXAMPLE-TOKEN",
        "x-amz-content-sha256": "5c2e024ef120be57410f036db2d309eda31865355a30f4d3e391a92a9c969935",
        "authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, "
        "SignedHeaders=x-amz-content-sha256;x-amz-date;x-amz-security-token, "
        "Signature=a07421d71b56051178d7e718eccc45bf02491adc69dd417eb771388695c34ad6",
    }


@pytest.mark.parametrize(
    ("base", "region"),
    [
        ("https://www.coze.com", "ap-singapore-1"),
        ("https://www.coze.cn", "cn-north-1"),
        ("https://coze.cn/", "cn-north-1"),
        ("https://WWW.COZE.CN:443", "cn-north-1"),
        ("https://notcoze.cn", "ap-singapore-1"),
        ("https://coze.cn.example.org", "ap-singapore-1"),
        ("http://127.0.0.1:8081", "ap-singapore-1"),
        ("", "ap-singapore-1"),
    ],
)
def test_the_region_is_that_of_the_coze_that_is_called(base: str, region: str) -> None:
    assert region_of(base) == region


def test_another_region_is_another_scope_and_another_signature() -> None:
    there = signed_headers("GET", APPLY, None, CREDENTIALS, date=DATE, region="cn-north-1")["authorization"]
    assert "/20240226/cn-north-1/imagex/aws4_request," in there
    assert not there.endswith("4534e559bcf8706c6124466374e235e0630e72ce2e7f2c55d8fa31bfcbef6bf1")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("a-b_c.d~e", "a-b_c.d~e"),
        ("!'()*", "%21%27%28%29%2A"),
        ("a b+c/d", "a%20b%2Bc%2Fd"),
        ("文", "%E6%96%87"),
        ("&=", "%26%3D"),
    ],
)
def test_a_query_is_encoded_as_rfc_3986_has_it_in_upper_case(text: str, encoded: str) -> None:
    assert canonical_query({text: text}) == f"{encoded}={encoded}"


def test_what_is_signed_is_accepted_and_nothing_else() -> None:
    headers = signed_headers("POST", COMMIT, BODY, CREDENTIALS, date=DATE)
    assert is_signed("POST", COMMIT, BODY, headers, CREDENTIALS)
    assert is_signed("POST", COMMIT, BODY, {**headers, "host": "anywhere", "accept": "*/*"}, CREDENTIALS)
    assert not is_signed("GET", COMMIT, BODY, headers, CREDENTIALS)
    assert not is_signed("POST", COMMIT | {"s": "1"}, BODY, headers, CREDENTIALS)
    assert not is_signed("POST", COMMIT, BODY + b" ", headers, CREDENTIALS)
    assert not is_signed("POST", COMMIT, None, headers, CREDENTIALS)
    assert not is_signed("POST", COMMIT, BODY, headers, CREDENTIALS, region="cn-north-1")
    for other in (
        Credentials("AKOTHER", CREDENTIALS.secret_access_key, CREDENTIALS.session_token),
        Credentials(CREDENTIALS.access_key_id, "other", CREDENTIALS.session_token),
        Credentials(CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key, "other"),
    ):
        assert not is_signed("POST", COMMIT, BODY, headers, other)
    for name in headers:
        assert not is_signed("POST", COMMIT, BODY, {k: v for k, v in headers.items() if k != name}, CREDENTIALS)
        assert not is_signed("POST", COMMIT, BODY, {**headers, name: headers[name] + "0"}, CREDENTIALS)


def test_credentials_do_not_show_their_secrets() -> None:
    assert "c2Vj" not in repr(CREDENTIALS)
    assert "STS" not in repr(CREDENTIALS)


latin = st.text(st.characters(max_codepoint=0xFF) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))


@PROPERTIES
@given(st.dictionaries(st.sampled_from(["x-amz-date", "authorization", "x-amz-security-token"]), latin), st.binary())
def test_any_headers_are_unsigned(headers: dict[str, str], body: bytes) -> None:
    assert not is_signed("POST", COMMIT, body, headers, CREDENTIALS)


@PROPERTIES
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    st.none() | st.binary(),
)
def test_any_call_that_is_signed_is_accepted(query: dict[str, str], body: bytes | None) -> None:
    assert is_signed("POST", query, body, signed_headers("POST", query, body, CREDENTIALS, date=DATE), CREDENTIALS)
