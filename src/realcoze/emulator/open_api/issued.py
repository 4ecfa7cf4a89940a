"""The tokens that the emulated Coze has given out; every time is its own, in Unix seconds.

Source: docs/protocol/openapi-v3.md §4.
"""

import secrets
from collections import OrderedDict

KEPT = 10_000
"""Tokens of each kind that are remembered."""


class Issued:
    """Access tokens, which die, and refresh tokens, each good for one use."""

    def __init__(self) -> None:
        self._dies_at: OrderedDict[str, float] = OrderedDict()
        self._client_of: OrderedDict[str, str] = OrderedDict()

    def access_token(self, prefix: str, dies_at: float) -> str:
        """A new one; `prefix` tells its flow: czs_ for JWT, czu_ for a person."""
        token = prefix + secrets.token_urlsafe(32)
        self._dies_at[token] = dies_at
        if len(self._dies_at) > KEPT:
            self._dies_at.popitem(last=False)
        return token

    def refresh_token(self, client_id: str) -> str:
        """A new one for an app."""
        token = secrets.token_urlsafe(32)
        self._client_of[token] = client_id
        if len(self._client_of) > KEPT:
            self._client_of.popitem(last=False)
        return token

    def is_good(self, token: str, now: float) -> bool:
        """An access token that lives."""
        return now < self._dies_at.get(token, 0)

    def use(self, refresh_token: str, client_id: str) -> bool:
        """Whether it is that app's, and was not used before."""
        if self._client_of.get(refresh_token) != client_id:
            return False
        del self._client_of[refresh_token]
        return True

    def end_all(self) -> None:
        """No access token of now is good any more."""
        self._dies_at.clear()
