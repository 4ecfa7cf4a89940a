"""`realcoze login` and `realcoze logout`: a person agrees on a page of Coze's, and later runs act in their name.

By device the page may be opened anywhere; by browser it comes back to a port of this machine (PKCE).
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import click
from aiohttp import web

from realcoze.app.accounts import OpenUpstream
from realcoze.app.config import OPEN_UPSTREAM, Settings
from realcoze.dialects.coze_open.oauth import Grant, authorize_target, challenge_of
from realcoze.errors import Misconfigured, UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.faces.terminal.printable import one_line
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_open.login import FILE_NAME, LoginFile
from realcoze.upstreams.coze_open.oauth import TokenOffice

CONNECT_S = 5.0
OFTEN_S = 1.0
"""The least that a device waits between two questions, whatever Coze says."""

SLOWER_S = 5.0
"""What a device waits longer between two questions, each time that it is told to."""

BROWSER_S = 300.0
CALLBACK_PATH = "/callback"
LANDED = "You are logged in; this page can be closed."
NOT_LANDED = "That did not work; the terminal says why."
CLIENT_HINT = (
    "It is the id of an OAuth app: make one at /open/oauth/apps of www.coze.com or www.coze.cn. docs/oauth.md has "
    "each step."
)

_PAGES = {"https://api.coze.com": "https://www.coze.com", "https://api.coze.cn": "https://www.coze.cn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where to log in, with which app, and where that is kept."""

    base: str
    client_id: str
    proxy: str
    file: Path


def wish_of(settings: Settings, client_id: str) -> Wish:
    """What the settings say of the account `coze`.  Raises `Misconfigured` where no app is named."""
    upstream = _account(settings)
    client_id = client_id or upstream.client_id
    if not client_id:
        raise Misconfigured("Which app to log in with is not said: --client-id.", hint=CLIENT_HINT)
    return Wish(base=upstream.base, client_id=client_id, proxy=upstream.proxy, file=settings.state_dir / FILE_NAME)


async def log_in_by_device(wish: Wish, *, wait: Callable[[float], Awaitable[Any]] = anyio.sleep) -> int:
    """Show an address and a code, and ask until the person has decided; `wait` takes seconds."""
    async with _office(wish) as office:
        code = await office.device(wish.client_id)
        click.echo(one_line(f"Open {code.address} and allow it; the code is {code.user_code}."))
        interval_s = max(OFTEN_S, code.interval)
        with anyio.move_on_after(code.expires_in):
            while True:
                await wait(interval_s)
                match await office.poll(wish.client_id, code.device_code):
                    case Grant() as grant:
                        await _keep(wish, grant)
                        return 0
                    case "slow_down":
                        interval_s += SLOWER_S
                    case "access_denied":
                        raise UpstreamDenied("The login was refused on the page.", hint="Nothing was kept.")
                    case "expired_token":
                        break
                    case "authorization_pending":
                        pass
    raise UpstreamTimeout("The code has expired before anybody allowed it.", hint="Run `realcoze login` again.")


async def log_in_by_browser(wish: Wish, *, port: int) -> int:
    """Show an address, and wait for the redirect that comes back from it."""
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    async with _office(wish) as office, _callback(port, state) as landing:
        target = authorize_target(
            client_id=wish.client_id, redirect_uri=landing.uri, state=state, challenge=challenge_of(verifier)
        )
        page = _PAGES.get(office.base, office.base)
        click.echo(
            f"The app must have this redirect address:\n  {landing.uri}\nOpen this and allow it:\n  {page}{target}"
        )
        with anyio.move_on_after(BROWSER_S):
            await landing.arrived.wait()
        if not landing.arrived.is_set():
            raise UpstreamTimeout(f"Nobody came back from the page within {BROWSER_S:.0f} s.")
        if not landing.code:
            raise UpstreamDenied(f"The page gave no code: {landing.error[:80]}.", hint="Nothing was kept.")
        grant = await office.redeem(wish.client_id, landing.code, redirect_uri=landing.uri, verifier=verifier)
        await _keep(wish, grant)
    return 0


async def log_out(settings: Settings, *, client_id: str) -> int:
    """Forget the logins at the base of the account `coze`, or that of one app."""
    base = _account(settings).base
    logins = LoginFile(settings.state_dir / FILE_NAME)
    async with logins.locked():
        count = logins.drop(base, client_id)
    if count:
        click.echo(f"Forgot {_counted(count)} at {base}. Coze knows of it until it ends; its page can end it.")
    else:
        click.echo(f"Nobody was logged in at {base}.")
    return 0


def _counted(count: int) -> str:
    return "1 login" if count == 1 else f"{count} logins"


def _account(settings: Settings) -> OpenUpstream:
    upstream = settings.upstreams.get(OPEN_UPSTREAM)
    if not isinstance(upstream, OpenUpstream):
        raise Misconfigured("There is no account of the open API in the settings.", hint="Set COZE_API_BASE.")
    return upstream


@asynccontextmanager
async def _office(wish: Wish) -> AsyncIterator[TokenOffice]:
    async with open_http(proxy=wish.proxy or None, connect_s=CONNECT_S, tls_s=CONNECT_S) as http:
        yield TokenOffice(wish.base, http)


async def _keep(wish: Wish, grant: Grant) -> None:
    if not grant.refresh_token:
        raise UpstreamFailed("Coze gave no refresh token, so that the login would be over in a moment.")
    logins = LoginFile(wish.file)
    async with logins.locked():
        logins.keep(wish.base, wish.client_id, grant)
    click.echo(f"Logged in at {wish.base}. It is kept in {wish.file}, which only you can read;")
    click.echo("runs with another temp_path do not find it.")


class _Landing:
    """What the redirect brought."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.arrived = anyio.Event()
        self.code = ""
        self.error = ""


@asynccontextmanager
async def _callback(port: int, state: str) -> AsyncIterator[_Landing]:
    """A page on a port of this machine for one redirect; one with another state is refused, and not waited for."""
    landing = _Landing("")

    async def land(request: web.Request) -> web.Response:
        if landing.arrived.is_set() or not secrets.compare_digest(
            request.query.get("state", "").encode(), state.encode()
        ):
            return web.Response(text=NOT_LANDED, status=400)
        landing.code = request.query.get("code", "")
        landing.error = request.query.get("error", "")
        landing.arrived.set()
        return web.Response(text=LANDED if landing.code else NOT_LANDED)

    app = web.Application()
    app.add_routes([web.get(CALLBACK_PATH, land)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            said = f"Cannot listen on port {port}: {error.strerror}."
            raise Misconfigured(said, hint="Choose another: --port.") from error
        landing.uri = f"http://127.0.0.1:{runner.addresses[0][1]}{CALLBACK_PATH}"
        yield landing
    finally:
        await runner.cleanup()
