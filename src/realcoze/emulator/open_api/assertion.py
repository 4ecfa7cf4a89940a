"""The OAuth app of the emulated account, its key pair, and the JWTs that it signs: each is taken once.

The keys are made when they are first wanted, and differ each time.

Source: docs/protocol/openapi-v3.md §4.1.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

JWT_CLIENT_ID = "1100000000000000001"
EARLY_S = 60
"""How far a JWT may come from the future."""

USED = 10_000
"""Names of JWTs that are remembered."""


class Denied(Exception):
    """No token is given out: the status and the two fields that say why."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.status = status


class OAuthApp:
    """An app of the kind that signs for itself."""

    client_id = JWT_CLIENT_ID

    def __init__(self) -> None:
        self._used: OrderedDict[str, None] = OrderedDict()

    @cached_property
    def private_key(self) -> str:
        """The text of the file that its owner was given."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow, and for this alone

        form = serialization.PrivateFormat.PKCS8
        secret = self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        return secret.decode()

    @cached_property
    def key_id(self) -> str:
        """The fingerprint of the public key."""
        return hashlib.sha256(self._public_key).hexdigest()[:43]

    def check(self, jwt: str, *, audience: str, now: float) -> None:
        """Take a JWT.  Raises `Denied`."""
        claims = self._read(jwt)
        if claims.get("iss") != self.client_id:
            raise Denied("invalid_client", "the issuer of the JWT is no app")
        if claims.get("aud") != audience:
            raise Denied("invalid_request", "the audience of the JWT is not this host")
        made_at, dies_at, name = claims.get("iat"), claims.get("exp"), claims.get("jti")
        if not isinstance(made_at, int) or not isinstance(dies_at, int) or not isinstance(name, str) or not name:
            raise Denied("invalid_request", "the JWT lacks iat, exp or jti")
        if made_at > now + EARLY_S:
            raise Denied("invalid_request", "the JWT was issued in the future")
        if dies_at <= made_at or dies_at <= now:
            raise Denied("invalid_request", "the JWT has expired")
        if name in self._used:
            raise Denied("invalid_request", "the JWT was used before")
        self._used[name] = None
        if len(self._used) > USED:
            self._used.popitem(last=False)

    @cached_property
    def _key(self) -> "RSAPrivateKey":
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - slow, and for this alone

        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def _public_key(self) -> bytes:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - slow, and for this alone

        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.PEM, form)

    def _read(self, jwt_text: str) -> Mapping[str, Any]:
        """The claims of a JWT that this app has signed.  Raises `Denied`."""
        import jwt  # noqa: PLC0415 - slow, and for this alone

        try:
            if jwt.get_unverified_header(jwt_text).get("kid") != self.key_id:
                raise Denied("invalid_client", "the app has no such public key")
            # Its times and its audience are looked at by our own clock and address.
            without = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
            return jwt.decode(jwt_text, self._public_key, algorithms=["RS256"], options=without)  # type: ignore[arg-type, unused-ignore]
        except jwt.InvalidTokenError as error:
            raise Denied("invalid_request", "the JWT is none, or its signature is wrong") from error
