import base64
import hashlib
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from realcoze.dialects.coze_open.oauth import (
    DeviceCode,
    Grant,
    ahead_s,
    authorize_target,
    challenge_of,
    decode_device,
    decode_device_call,
    decode_poll,
    decode_token,
    decode_token_call,
    encode_code_exchange,
    encode_denial,
    encode_device,
    encode_device_poll,
    encode_device_request,
    encode_jwt_exchange,
    encode_refresh,
    encode_token,
    token_path,
)
from realcoze.dialects.json_text import NotJson
from realcoze.errors import RateLimited, RealcozeError, UpstreamDenied, UpstreamFailed

DATE = {"date": "Thu, 15 Jan 2026 08:00:00 GMT", "x-tt-logid": "log-1"}
THEN = 1_768_464_000.0
"""The same."""


def token(**fields: Any) -> bytes:
    return json.dumps({"access_token": "czs_canary", "expires_in": int(THEN) + 900, **fields}).encode()


def test_each_flow_asks_with_the_body_of_the_documentation() -> None:
    jwt = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "duration_seconds": 900}
    assert json.loads(encode_jwt_exchange(900)) == jwt
    assert json.loads(encode_refresh(client_id="1", refresh_token="r")) == {
        "grant_type": "refresh_token",
        "client_id": "1",
        "refresh_token": "r",
    }
    assert json.loads(encode_code_exchange(client_id="1", code="c", redirect_uri="http://a/b", verifier="v")) == {
        "grant_type": "authorization_code",
        "client_id": "1",
        "code": "c",
        "redirect_uri": "http://a/b",
        "code_verifier": "v",
    }
    assert json.loads(encode_device_request("1")) == {"client_id": "1"}
    assert json.loads(encode_device_poll(client_id="1", device_code="d")) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": "1",
        "device_code": "d",
    }


def test_an_enterprise_has_a_path_of_its_own() -> None:
    assert token_path("") == "/api/permission/oauth2/token"
    assert token_path("12/3") == "/api/permission/oauth2/account/12%2F3/token"


def test_the_page_is_asked_with_a_challenge_whose_verifier_stays_here() -> None:
    challenge = challenge_of("v" * 43)
    digest = hashlib.sha256(b"v" * 43).digest()
    assert base64.urlsafe_b64decode(challenge + "=") == digest
    target = authorize_target(client_id="1", redirect_uri="http://127.0.0.1:8085/callback", state="s", challenge="c")
    parts = urlsplit(target)
    assert parts.path == "/api/permission/oauth2/authorize"
    assert parse_qs(parts.query) == {
        "response_type": ["code"],
        "client_id": ["1"],
        "redirect_uri": ["http://127.0.0.1:8085/callback"],
        "state": ["s"],
        "code_challenge": ["c"],
        "code_challenge_method": ["S256"],
    }


def test_the_end_of_a_token_is_a_time_of_coze_and_its_life_is_counted_by_cozes_clock() -> None:
    for wrong in (-600, 0, 600):
        grant = decode_token(200, DATE, token(refresh_token="r"), THEN + wrong)
        assert grant == Grant(access_token="czs_canary", expires_at=THEN + 900, life_s=900, refresh_token="r")
    assert "canary" not in repr(grant)


def test_without_a_date_our_own_clock_counts() -> None:
    assert decode_token(200, {}, token(), THEN + 100).life_s == 800
    assert decode_token(200, {"date": "yesterday"}, token(), THEN).life_s == 900


def test_a_small_number_is_a_duration_and_one_in_the_past_is_told() -> None:
    grant = decode_token(200, DATE, token(expires_in="900"), THEN + 5)
    assert (grant.life_s, grant.expires_at) == (900, THEN + 900)
    assert decode_token(200, DATE, token(expires_in=int(THEN) - 5), THEN).life_s == -5


def test_how_far_cozes_clock_is_ahead() -> None:
    assert ahead_s(DATE, THEN - 600) == 600
    assert ahead_s(DATE, THEN + 600) == -600
    assert ahead_s({}, THEN) == 0
    assert ahead_s({"date": "Mon, 01 Jan 2024 00:00:00 +99999999999999"}, THEN) == 0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, encode_denial("invalid_request", "the JWT has expired"), UpstreamDenied),
        (401, encode_denial("invalid_client", "no such app"), UpstreamDenied),
        (403, encode_denial("access_deny", ""), UpstreamDenied),
        (200, encode_denial("", "only words"), UpstreamDenied),
        (500, encode_denial("internal_error", "later"), UpstreamFailed),
        (400, encode_denial("internal_error", "later"), UpstreamFailed),
        (429, encode_denial("too_many", ""), RateLimited),
        (404, b"not found", UpstreamFailed),
        (502, b"<html>", UpstreamFailed),
        (200, b"{}", UpstreamFailed),
        (200, b"[]", UpstreamFailed),
        (500, b'{"access_token": "x"}', UpstreamFailed),
    ],
)
def test_what_is_no_token_is_an_error_that_says_whose_fault_it_is(
    status: int, body: bytes, kind: type[RealcozeError]
) -> None:
    with pytest.raises(kind) as caught:
        decode_token(status, DATE, body, THEN)
    assert caught.value.logid in ("log-1", None)
    assert (caught.value.code == "upstream_auth") == (kind is UpstreamDenied)


def test_studio_is_known_by_having_no_oauth() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        decode_device(404, {}, b"404 page not found")
    assert "personal access token" in str(caught.value.hint)


@pytest.mark.parametrize("word", ["authorization_pending", "slow_down", "access_denied", "expired_token"])
def test_a_device_waits_for_its_person(word: str) -> None:
    assert decode_poll(400, DATE, encode_denial(word, "…"), THEN) == word


def test_a_device_gets_a_token_or_an_error_like_others() -> None:
    grant = decode_poll(200, DATE, token(), THEN)
    assert isinstance(grant, Grant)
    assert grant.access_token == "czs_canary"
    with pytest.raises(UpstreamDenied):
        decode_poll(400, DATE, encode_denial("invalid_client", "no"), THEN)


def test_what_a_device_shows_has_the_code_in_its_address() -> None:
    code = DeviceCode("d", "ABCD", "https://www.coze.com/device")
    assert decode_device(200, {}, encode_device(code)) == code
    assert code.address == "https://www.coze.com/device?user_code=ABCD"
    assert DeviceCode("d", "A", "https://a/b?c=d").address == "https://a/b?c=d&user_code=A"
    with pytest.raises(UpstreamFailed):
        decode_device(200, {}, b"{}")


def test_the_server_reads_and_writes_the_same() -> None:
    call = decode_token_call(encode_refresh(client_id="1", refresh_token="r"))
    assert (call.grant_type, call.client_id, call.refresh_token) == ("refresh_token", "1", "r")
    assert decode_token_call(encode_jwt_exchange(60)).duration_seconds == 60
    assert decode_device_call(encode_device_request("1")).client_id == "1"
    with pytest.raises(NotJson):
        decode_token_call(b"x")
    body = encode_token(access_token="a", expires_at=int(THEN) + 60, refresh_token="r")
    assert decode_token(200, DATE, body, THEN) == Grant(
        access_token="a", expires_at=THEN + 60, life_s=60, refresh_token="r"
    )
    assert "refresh_token" not in json.loads(encode_token(access_token="a", expires_at=1))
