import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from realcoze.emulator.open_api.assertion import Denied, OAuthApp
from realcoze.errors import Misconfigured
from realcoze.upstreams.coze_open.settings import JwtCredentials
from realcoze.upstreams.coze_open.signing import VALID_S, check_key, sign
from realcoze.upstreams.credentials import Secret

NOW = 1_790_000_000.7


@pytest.fixture(scope="module")
def app() -> OAuthApp:
    return OAuthApp()


def credentials(app: OAuthApp, **more: str) -> JwtCredentials:
    given = {"private_key": app.private_key, **more}
    secret = Secret(given.pop("private_key"))
    return JwtCredentials(client_id=app.client_id, key_id=app.key_id, private_key=secret, **given)  # type: ignore[arg-type]


def test_a_jwt_says_what_the_documentation_asks_for(app: OAuthApp) -> None:
    signed = sign(credentials(app, session_name="anna"), base="https://api.coze.com/", now=NOW)
    assert jwt.get_unverified_header(signed) == {"alg": "RS256", "typ": "JWT", "kid": app.key_id}
    claims = jwt.decode(signed, options={"verify_signature": False})
    assert len(claims.pop("jti")) >= 32
    assert claims == {
        "iss": app.client_id,
        "aud": "api.coze.com",
        "iat": 1_790_000_000,
        "exp": 1_790_000_000 + VALID_S,
        "session_name": "anna",
    }
    assert "session_name" not in jwt.decode(
        sign(credentials(app), base="http://localhost:8888", now=NOW), options={"verify_signature": False}
    )


def test_the_audience_has_the_port_of_the_base(app: OAuthApp) -> None:
    app.check(sign(credentials(app), base="http://127.0.0.1:8888", now=NOW), audience="127.0.0.1:8888", now=NOW)


def test_no_two_are_the_same(app: OAuthApp) -> None:
    signed = [sign(credentials(app), base="https://api.coze.com", now=NOW) for _ in range(3)]
    assert len({jwt.decode(each, options={"verify_signature": False})["jti"] for each in signed}) == 3
    for each in signed:
        app.check(each, audience="api.coze.com", now=NOW)
    with pytest.raises(Denied, match="used before"):
        app.check(signed[0], audience="api.coze.com", now=NOW)


def test_a_key_that_can_sign_is_taken(app: OAuthApp) -> None:
    check_key(credentials(app))


def elliptic() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    ("key", "said"),
    [("canary", "no private key"), ("", "no private key"), (elliptic(), "not of RSA")],
    ids=["text", "nothing", "of another kind"],
)
def test_what_is_no_rsa_key_is_refused_without_being_shown(app: OAuthApp, key: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as caught:
        check_key(credentials(app, private_key=key, key_name="The file key.pem"))
    assert caught.value.message.startswith("The file key.pem holds")
    assert "canary" not in f"{caught.value.message}{caught.value.hint}{caught.value.__cause__}"
