"""The calls that give tokens out, and what they teach of Coze's clock.

Source: docs/protocol/openapi-v3.md §4.1, §4.2.
"""

import logging
import time
from collections.abc import Callable

from realcoze.dialects.coze_open import oauth
from realcoze.dialects.coze_open.oauth import DeviceCode, Grant, Waiting
from realcoze.transports.http import Answer, HttpClient

log = logging.getLogger(__name__)

REPLY_S = 10.0
SKEW_S = 60.0
"""A clock that is wrong by more is worth a warning, and not to be signed with."""


class TokenOffice:
    """Calls to one base; `now` is our own clock, in Unix seconds.  Each raises a `RealcozeError`."""

    def __init__(
        self, base: str, http: HttpClient, *, now: Callable[[], float] = time.time, reply_s: float = REPLY_S
    ) -> None:
        self.base = base.rstrip("/")
        self._http = http
        self._now = now
        self._reply_s = reply_s
        self.ahead_s = 0.0
        """What is known of Coze's clock: how far it is ahead of ours, where that is much."""

    def time(self) -> float:
        """What time it is at Coze, as far as we know."""
        return self._now() + self.ahead_s

    async def exchange(self, jwt: str, *, account_id: str, life_s: int) -> Grant:
        """A token for a JWT."""
        answer = await self._post(oauth.token_path(account_id), oauth.encode_jwt_exchange(life_s), jwt)
        return oauth.decode_token(answer.status, answer.headers, answer.body, self._now())

    async def refresh(self, client_id: str, refresh_token: str) -> Grant:
        """A token for a refresh token; there is a new one of that in it."""
        body = oauth.encode_refresh(client_id=client_id, refresh_token=refresh_token)
        answer = await self._post(oauth.TOKEN_PATH, body)
        return oauth.decode_token(answer.status, answer.headers, answer.body, self._now())

    async def redeem(self, client_id: str, code: str, *, redirect_uri: str, verifier: str) -> Grant:
        """A token for the code of a redirect."""
        body = oauth.encode_code_exchange(client_id=client_id, code=code, redirect_uri=redirect_uri, verifier=verifier)
        answer = await self._post(oauth.TOKEN_PATH, body)
        return oauth.decode_token(answer.status, answer.headers, answer.body, self._now())

    async def device(self, client_id: str) -> DeviceCode:
        """A code to show to a person."""
        answer = await self._post(oauth.DEVICE_PATH, oauth.encode_device_request(client_id))
        return oauth.decode_device(answer.status, answer.headers, answer.body)

    async def poll(self, client_id: str, device_code: str) -> Grant | Waiting:
        """Whether that person has agreed."""
        body = oauth.encode_device_poll(client_id=client_id, device_code=device_code)
        answer = await self._post(oauth.TOKEN_PATH, body)
        return oauth.decode_poll(answer.status, answer.headers, answer.body, self._now())

    async def _post(self, path: str, body: bytes, bearer: str = "") -> Answer:
        headers = {"Content-Type": "application/json", "User-Agent": "realcoze"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        answer = await self._http.call("POST", self.base + path, headers=headers, body=body, reply_s=self._reply_s)
        self._learn(oauth.ahead_s(answer.headers, self._now()))
        return answer

    def _learn(self, ahead_s: float) -> None:
        """Go by Coze's clock from now on, where ours differs much from what we took for it."""
        if abs(ahead_s - self.ahead_s) <= SKEW_S:
            return
        self.ahead_s = ahead_s if abs(ahead_s) > SKEW_S else 0.0
        if self.ahead_s:
            how = "behind" if ahead_s > 0 else "ahead of"
            log.warning(
                "this machine's clock is %.0f s %s Coze's; tokens are asked for by Coze's clock", abs(ahead_s), how
            )
