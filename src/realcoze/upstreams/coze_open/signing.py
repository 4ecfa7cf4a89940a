"""JWTs of an OAuth app, signed with its private key; PyJWT is imported when the first one is.

Source: docs/protocol/openapi-v3.md §4.1.
"""

import secrets
from urllib.parse import urlsplit

from realcoze.errors import Misconfigured
from realcoze.upstreams.coze_open.settings import JwtCredentials

VALID_S = 600
"""How long a JWT may be shown; it is shown once and at once."""

KEY_HINT = (
    "It is the file that Coze gave when the key pair was made, a text in the form PEM, which says so itself. "
    "The public key at Coze is not it. docs/oauth.md has each step."
)


def check_key(credentials: JwtCredentials) -> None:
    """Raise `Misconfigured` unless there is an RSA private key to sign with."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow, and for this alone
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(credentials.private_key.reveal().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # What it says may quote the key.
        raise Misconfigured(f"{credentials.key_name} holds no private key that can be read.", hint=KEY_HINT) from None
    if not isinstance(key, RSAPrivateKey):
        raise Misconfigured(f"{credentials.key_name} holds a private key that is not of RSA.", hint=KEY_HINT)


def sign(credentials: JwtCredentials, *, base: str, now: float) -> str:
    """A JWT that is good for one call to `base`; `now` is Coze's time, as far as it is known."""
    import jwt  # noqa: PLC0415 - slow, and for this alone

    claims: dict[str, str | int] = {
        "iss": credentials.client_id,
        "aud": urlsplit(base).netloc,
        "iat": int(now),
        "exp": int(now) + VALID_S,
        "jti": secrets.token_hex(24),
    }
    if credentials.session_name:
        claims["session_name"] = credentials.session_name
    return jwt.encode(claims, credentials.private_key.reveal(), algorithm="RS256", headers={"kid": credentials.key_id})
