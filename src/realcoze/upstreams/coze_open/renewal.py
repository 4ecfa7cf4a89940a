"""Tokens of an OAuth app, each for a JWT that the app's private key has signed.

Source: docs/protocol/openapi-v3.md §4.1.
"""

from functools import partial

from realcoze.dialects.coze_open.oauth import Grant
from realcoze.errors import UpstreamDenied
from realcoze.leaving import in_thread
from realcoze.upstreams.coze_open.oauth import TokenOffice
from realcoze.upstreams.coze_open.settings import JwtCredentials
from realcoze.upstreams.coze_open.signing import sign
from realcoze.upstreams.coze_open.tokens import Lease
from realcoze.upstreams.credentials import Secret


class JwtRenewal:
    """See `Renewal`."""

    def __init__(self, credentials: JwtCredentials, office: TokenOffice) -> None:
        self._credentials = credentials
        self._office = office

    async def renew(self) -> Lease:
        """A new token.  A JWT that was refused for its time is signed once more, with the time that Coze has."""
        thought_s = self._office.ahead_s
        try:
            grant = await self._exchange()
        except UpstreamDenied:
            if self._office.ahead_s == thought_s:
                raise
            grant = await self._exchange()
        return Lease(token=Secret(grant.access_token), life_s=grant.life_s)

    async def _exchange(self) -> Grant:
        jwt = await in_thread(partial(_signed, self._credentials, self._office.base, self._office.time()))
        credentials = self._credentials
        return await self._office.exchange(jwt, account_id=credentials.account_id, life_s=credentials.life_s)


def _signed(credentials: JwtCredentials, base: str, now: float) -> str:
    return sign(credentials, base=base, now=now)
