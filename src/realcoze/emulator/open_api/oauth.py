"""OAuth at the emulated Coze: tokens for a JWT, for a device, for the code of a redirect, for a refresh token.

Coze asks a person on a page of its own; here that is a small form for devices, and a redirect is agreed to at
once.

Source: docs/protocol/openapi-v3.md §4.1, §4.2.
"""

import html
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

import anyio
from aiohttp import web

from realcoze.dialects.coze_open import oauth
from realcoze.dialects.coze_open.oauth import DeviceCode, TokenCall, challenge_of
from realcoze.dialects.json_text import NotJson
from realcoze.emulator.open_api.assertion import Denied, OAuthApp
from realcoze.emulator.open_api.desk import AiohttpHandler, Desk
from realcoze.emulator.open_api.personality import JSON, Reply
from realcoze.emulator.open_api.stage import Stage

CLIENT_ID = "1100000000000000002"
"""The app that people log in to, from devices and by redirect."""

PAGE_PATH = "/oauth/device"
KEPT = 1_000
CODE_LIFE_S = 300

Trouble = Literal["down", "slow", "past", "slow_down"]
"""What the next call for a token meets.

An error 500, a wait until `go_on` or the emulator's end, a token that is dead, a reproach.
"""

Verdict = Literal["pending", "approved", "denied"]


@dataclass
class _Device:
    """A device that waits for its person."""

    device_code: str
    client_id: str
    dies_at: float
    asked_at: float = float("-inf")
    verdict: Verdict = "pending"


@dataclass(frozen=True)
class _Redirect:
    """A code that stands for a person's consent."""

    client_id: str
    redirect_uri: str
    challenge: str
    is_hashed: bool
    dies_at: float


class OpenOAuth:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk, stage: Stage) -> None:
        self._desk = desk
        self._stage = stage
        self.app = OAuthApp()
        self.troubles: deque[Trouble] = deque()
        """What the next calls for a token meet, one each."""

        self._devices: OrderedDict[str, _Device] = OrderedDict()
        self._redirects: OrderedDict[str, _Redirect] = OrderedDict()
        self._going = anyio.Event()

    def more_routes(self) -> list[web.RouteDef]:
        """Studio has none of them."""
        seen = self._desk.unguarded
        return [
            web.post(oauth.TOKEN_PATH, seen(_answered(self._token))),
            web.post("/api/permission/oauth2/account/{account}/token", seen(_answered(self._token))),
            web.post(oauth.DEVICE_PATH, seen(_answered(self._device))),
            web.get(oauth.AUTHORIZE_PATH, seen(_answered(self._authorize))),
            web.get(PAGE_PATH, seen(self._page)),
            web.post(PAGE_PATH, seen(self._decided)),
        ]

    def decide(self, user_code: str, verdict: Verdict) -> bool:
        """What the person with this code says; False where no device waits with it."""
        device = self._devices.get(user_code.strip().upper())
        if device is None:
            return False
        device.verdict = verdict
        return True

    def go_on(self) -> None:
        """Let the calls go on that met the trouble `slow`."""
        self._going.set()
        self._going = anyio.Event()

    async def _token(self, request: web.Request) -> web.StreamResponse | Reply:
        trouble = self.troubles.popleft() if self.troubles else None
        if trouble == "down":
            return Reply(b"<html>Internal Server Error</html>", 500, "text/html")
        if trouble == "slow":
            await self._stage.unless_closing(self._going.wait())
        if trouble == "slow_down":
            raise Denied("slow_down", "asked too often")
        call = _read(await request.read())
        now = time.time()
        life_s = -1 if trouble == "past" else self._desk.settings.token_life_s
        if call.grant_type == oauth.JWT_GRANT:
            jwt = request.headers.get("Authorization", "").removeprefix("Bearer ")
            self.app.check(jwt, audience=request.host, now=now)
            wished_s = 900 if call.duration_seconds is None else call.duration_seconds
            if not 0 < wished_s <= oauth.LONGEST_S:
                raise Denied("invalid_request", f"duration_seconds is from 1 to {oauth.LONGEST_S}")
            return self._given("czs_", int(now) + min(wished_s, life_s))
        if call.client_id != CLIENT_ID:
            raise Denied("invalid_client", "there is no such app")
        if call.grant_type == oauth.REFRESH_GRANT:
            if not self._desk.state.issued.use(call.refresh_token or "", CLIENT_ID):
                raise Denied("invalid_request", "the refresh token is none, or was used before")
        elif call.grant_type == oauth.DEVICE_GRANT:
            self._check_device(call, now)
        elif call.grant_type == oauth.CODE_GRANT:
            self._check_redirect(call, now)
        else:
            raise Denied("unsupported_grant_type", "there is no such grant type")
        return self._given("czu_", int(now) + life_s, self._desk.state.issued.refresh_token(CLIENT_ID))

    def _given(self, prefix: str, dies_at: int, refresh_token: str | None = None) -> Reply:
        token = self._desk.state.issued.access_token(prefix, dies_at)
        return Reply(oauth.encode_token(access_token=token, expires_at=dies_at, refresh_token=refresh_token or ""))

    def _check_device(self, call: TokenCall, now: float) -> None:
        found = [item for item in self._devices.items() if item[1].device_code == call.device_code]
        if not found or found[0][1].dies_at <= now:
            raise Denied("expired_token", "the device code is none, or has expired")
        user_code, device = found[0]
        too_soon = now < device.asked_at + self._desk.settings.device_interval_s
        device.asked_at = now
        if too_soon:
            raise Denied("slow_down", "asked too often")
        if device.verdict == "pending":
            raise Denied("authorization_pending", "the person has not decided yet")
        del self._devices[user_code]
        if device.verdict == "denied":
            raise Denied("access_denied", "the person has refused")

    def _check_redirect(self, call: TokenCall, now: float) -> None:
        redirect = self._redirects.pop(call.code or "", None)
        if redirect is None or redirect.dies_at <= now or redirect.redirect_uri != call.redirect_uri:
            raise Denied("invalid_request", "the code is none, has expired, or is for another redirect")
        verifier = call.code_verifier or ""
        if (challenge_of(verifier) if redirect.is_hashed else verifier) != redirect.challenge:
            raise Denied("invalid_request", "the verifier is not that of the challenge")

    async def _device(self, request: web.Request) -> Reply:
        try:
            call = oauth.decode_device_call(await request.read())
        except NotJson as error:
            raise Denied("invalid_request", str(error)) from error
        if call.client_id != CLIENT_ID:
            raise Denied("invalid_client", "there is no such app")
        user_code = secrets.token_hex(4).upper()
        device = _Device(secrets.token_urlsafe(24), CLIENT_ID, time.time() + CODE_LIFE_S)
        self._devices[user_code] = device
        if len(self._devices) > KEPT:
            self._devices.popitem(last=False)
        told = DeviceCode(
            device_code=device.device_code,
            user_code=user_code,
            verification_uri=f"http://{request.host}{PAGE_PATH}",
            expires_in=CODE_LIFE_S,
            interval=self._desk.settings.device_interval_s,
        )
        return Reply(oauth.encode_device(told))

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        redirect_uri, method = query.get("redirect_uri", ""), query.get("code_challenge_method", "plain")
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
            raise Denied("invalid_client", "there is no such app, or no such response type")
        if not redirect_uri.startswith(("http://", "https://")):
            raise Denied("invalid_request", "there is no redirect_uri")
        if not query.get("code_challenge") or method not in ("S256", "plain"):
            raise Denied("invalid_request", "there is no code_challenge, or its method is unknown")
        code = secrets.token_urlsafe(24)
        dies_at = time.time() + CODE_LIFE_S
        self._redirects[code] = _Redirect(CLIENT_ID, redirect_uri, query["code_challenge"], method == "S256", dies_at)
        if len(self._redirects) > KEPT:
            self._redirects.popitem(last=False)
        mark = "&" if "?" in redirect_uri else "?"
        there = f"{redirect_uri}{mark}{urlencode({'code': code, 'state': query.get('state', '')})}"
        return web.Response(status=302, headers={"Location": there})

    async def _page(self, request: web.Request) -> web.StreamResponse:
        code = html.escape(request.query.get("user_code", ""))
        return _html(
            f'<form method="post"><label>The code on your device: <input name="user_code" value="{code}"></label> '
            '<button name="verdict" value="approved">Allow</button> '
            '<button name="verdict" value="denied">Refuse</button></form>'
        )

    async def _decided(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        verdict: Verdict = "approved" if form.get("verdict") == "approved" else "denied"
        is_known = self.decide(str(form.get("user_code", "")), verdict)
        return _html(f"<p>{verdict if is_known else 'There is no such code.'}</p>")


def _read(body: bytes) -> TokenCall:
    try:
        return oauth.decode_token_call(body)
    except NotJson as error:
        raise Denied("invalid_request", str(error)) from error


def _answered(handler: Callable[[web.Request], Awaitable[web.StreamResponse | Reply]]) -> AiohttpHandler:
    """The handler, its refusals as Coze words them."""

    async def answered(request: web.Request) -> web.StreamResponse:
        try:
            reply = await handler(request)
        except Denied as denied:
            reply = Reply(oauth.encode_denial(denied.code, denied.text), denied.status)
        if not isinstance(reply, Reply):
            return reply
        return web.Response(body=reply.body, status=reply.status, content_type=reply.content_type or JSON)

    return answered


def _html(body: str) -> web.Response:
    return web.Response(text=f"<!doctype html><title>Emulated Coze</title>{body}", content_type="text/html")
