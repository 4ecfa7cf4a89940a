from pathlib import Path

import pytest

from realcoze.errors import Misconfigured, UpstreamDenied
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_open.authentication import open_tokens
from realcoze.upstreams.coze_open.settings import Credentials, JwtCredentials, LoginCredentials, OpenSettings
from realcoze.upstreams.coze_open.tokens import RenewedToken, StaticToken, Tokens
from realcoze.upstreams.credentials import Secret
from servers import Coze

pytestmark = pytest.mark.usefixtures("nothing_left")


async def opened(credentials: Credentials, base: str = "http://127.0.0.1:1") -> type[Tokens]:
    async with (
        open_http(connect_s=2, tls_s=2) as http,
        open_tokens(OpenSettings(token=credentials, bots={}, base=base), http) as tokens,
    ):
        return type(tokens)


async def test_each_kind_of_credentials_has_its_kind_of_tokens_and_asks_nobody_yet(coze: Coze, tmp_path: Path) -> None:
    app = coze.open_api.oauth.app
    key = JwtCredentials(client_id=app.client_id, key_id=app.key_id, private_key=Secret(app.private_key))
    assert await opened(Secret("pat_1")) is StaticToken
    assert await opened(key, coze.base) is RenewedToken
    assert await opened(LoginCredentials(file=tmp_path / "login.json"), coze.base) is RenewedToken
    assert coze.open_api.seen.calls == []


@pytest.mark.parametrize("token", ["", "pat with spaces", "pat_\n"])
async def test_what_no_token_can_be_is_refused_at_once(token: str) -> None:
    with pytest.raises(Misconfigured, match="COZE_API_TOKEN"):
        await opened(Secret(token))


async def test_what_no_key_can_be_is_refused_at_once() -> None:
    with pytest.raises(Misconfigured, match="no private key"):
        await opened(JwtCredentials(client_id="1", key_id="k", private_key=Secret("canary")))


async def test_without_a_login_the_first_call_says_so(tmp_path: Path) -> None:
    settings = OpenSettings(token=LoginCredentials(file=tmp_path / "login.json"), bots={}, base="http://127.0.0.1:1")
    async with open_http(connect_s=2, tls_s=2) as http, open_tokens(settings, http) as tokens:
        with pytest.raises(UpstreamDenied, match="Nobody is logged in"):
            await tokens.current()
