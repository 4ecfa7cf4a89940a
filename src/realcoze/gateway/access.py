"""Who may ask: one decision for every face and every way to carry a key."""

import hashlib
import hmac
from collections.abc import Iterable

from realcoze.domain.ids import CallerId
from realcoze.errors import Misconfigured, Unauthorized

KEY_CHARACTERS = 16
"""A shorter key is refused as a setting."""

CALLER_CHARACTERS = 16
"""Of a key's digest, enough to tell callers apart."""

_HINT = "Send it as `Authorization: Bearer KEY` or as `x-api-key: KEY`."


class Access:
    """The keys that are accepted, by their SHA-256; none means that everybody may ask."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        keys = tuple(keys)
        if any(len(key) < KEY_CHARACTERS for key in keys):
            raise Misconfigured(
                f"REALCOZE_KEY has fewer than {KEY_CHARACTERS} characters.",
                hint="Make one with: python -c 'import secrets; print(secrets.token_urlsafe(24))'",
            )
        self._digests = tuple(_digest(key) for key in keys)

    @property
    def is_open(self) -> bool:
        """No key is needed."""
        return not self._digests

    def authenticate(self, presented: Iterable[str]) -> CallerId:
        """Accept what a request carried, and name its caller, or raise `Unauthorized`.

        All keys that it carried must be the same one: a good key beside a bad one is a bad request.  What
        is no Bearer token, as the password of a proxy, is none where a key is beside it.
        """
        if self.is_open:
            return CallerId("")
        given = set(presented)
        if len(given) > 1:
            given.discard("")
        if not given:
            raise Unauthorized("This server wants a key.", hint=_HINT)
        if len(given) > 1:
            raise Unauthorized("The request carries two different keys.", hint=_HINT)
        digest = _digest(given.pop())
        if not any(hmac.compare_digest(digest, known) for known in self._digests):
            raise Unauthorized("The key is not known here.", hint=_HINT)
        return CallerId(digest.hex()[:CALLER_CHARACTERS])


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="replace")).digest()
