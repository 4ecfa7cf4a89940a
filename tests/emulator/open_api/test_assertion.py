from typing import Any

import jwt
import pytest

from realcoze.emulator.open_api import assertion
from realcoze.emulator.open_api.assertion import Denied, OAuthApp

NOW = 1_790_000_000
HOST = "api.coze.com"


@pytest.fixture(scope="module")
def app() -> OAuthApp:
    return OAuthApp()


def signed(app: OAuthApp, key: str = "", kid: str = "", **claims: Any) -> str:
    told = {"iss": app.client_id, "aud": HOST, "iat": NOW, "exp": NOW + 60, "jti": f"j{id(claims)}", **claims}
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(told, key or app.private_key, algorithm="RS256", headers={"kid": kid or app.key_id})


def test_a_right_one_is_taken_once(app: OAuthApp) -> None:
    one = signed(app, jti="once")
    app.check(one, audience=HOST, now=NOW)
    with pytest.raises(Denied, match="used before"):
        app.check(one, audience=HOST, now=NOW)


@pytest.mark.parametrize("made_at", [NOW + 60, NOW - 59])
def test_clocks_may_differ_a_little(app: OAuthApp, made_at: int) -> None:
    app.check(signed(app, jti=f"at {made_at}", iat=made_at, exp=made_at + 60), audience=HOST, now=NOW)


@pytest.mark.parametrize(
    ("claims", "code", "text"),
    [
        ({"iss": "other"}, "invalid_client", "issuer"),
        ({"aud": "api.coze.cn"}, "invalid_request", "audience"),
        ({"iat": NOW + 61}, "invalid_request", "future"),
        ({"exp": NOW}, "invalid_request", "expired"),
        ({"iat": NOW, "exp": NOW - 1}, "invalid_request", "expired"),
        ({"jti": None}, "invalid_request", "lacks"),
        ({"exp": None}, "invalid_request", "lacks"),
        ({"kid": "other"}, "invalid_client", "public key"),
    ],
)
def test_what_is_wrong_with_one_is_told(app: OAuthApp, claims: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(Denied, match=text) as caught:
        app.check(signed(app, **claims), audience=HOST, now=NOW)
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_a_signature_of_another_key_is_none(app: OAuthApp) -> None:
    for one in (signed(app, key=OAuthApp().private_key), "x", "a.b.c", jwt.encode({}, "s" * 32, algorithm="HS256")):
        with pytest.raises(Denied):
            app.check(one, audience=HOST, now=NOW)


def test_only_so_many_names_are_remembered(app: OAuthApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assertion, "USED", 1)
    first, second = signed(app, jti="first"), signed(app, jti="second")
    for one in (first, second):
        app.check(one, audience=HOST, now=NOW)
    with pytest.raises(Denied):
        app.check(second, audience=HOST, now=NOW)
