"""From credentials to tokens, for as long as an account is open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import assert_never

from realcoze.errors import Misconfigured
from realcoze.leaving import in_thread
from realcoze.tasks import background_tasks
from realcoze.transports.http import HttpClient
from realcoze.upstreams.coze_open.login import LoginRenewal
from realcoze.upstreams.coze_open.oauth import TokenOffice
from realcoze.upstreams.coze_open.renewal import JwtRenewal
from realcoze.upstreams.coze_open.settings import JwtCredentials, LoginCredentials, OpenSettings
from realcoze.upstreams.coze_open.signing import check_key
from realcoze.upstreams.coze_open.tokens import Renewal, RenewedToken, StaticToken, Tokens
from realcoze.upstreams.credentials import Secret, can_be_token


@asynccontextmanager
async def open_tokens(settings: OpenSettings, http: HttpClient) -> AsyncIterator[Tokens]:
    """The tokens of an account; nothing is sent before the first is wanted.

    Raises `Misconfigured` for credentials that could not work.
    """
    credentials = settings.token
    if isinstance(credentials, Secret):
        if not can_be_token(credentials.reveal()):
            raise Misconfigured(
                "COZE_API_TOKEN is empty or holds characters that no token has.",
                hint="Copy the token itself, which begins with pat_, without quotes or spaces.",
            )
        yield StaticToken(credentials)
        return
    office = TokenOffice(settings.base, http)
    renewal: Renewal
    match credentials:
        case JwtCredentials():
            await in_thread(partial(check_key, credentials))
            renewal = JwtRenewal(credentials, office)
        case LoginCredentials():
            renewal = LoginRenewal(credentials, office)
        case _:
            assert_never(credentials)
    async with background_tasks() as tasks:
        yield RenewedToken(renewal, tasks)
