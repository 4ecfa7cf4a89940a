"""Where the token of a call comes from: given once, or renewed while the program runs."""

from typing import Protocol

from realcoze.upstreams.credentials import Secret


class Tokens(Protocol):
    """The token of one account."""

    async def current(self) -> Secret:
        """The token for a call that is made now.  Raises a `RealcozeError` when there is none to be had."""

    def refuse(self, token: Secret) -> bool:
        """Coze did not take this token; True when `current` will give another one, so that asking again makes sense."""


class StaticToken:
    """A token that was given, and stays."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def current(self) -> Secret:
        return self._token

    def refuse(self, token: Secret) -> bool:  # noqa: ARG002 - there is only the one
        return False
