import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from open_coze import BOT_IDS
from realcoze.dialects.coze_open.oauth import TOKEN_PATH
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName
from realcoze.errors import UpstreamDenied, UpstreamFailed
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_open.oauth import TokenOffice
from realcoze.upstreams.coze_open.renewal import JwtRenewal
from realcoze.upstreams.coze_open.settings import JwtCredentials, Target
from realcoze.upstreams.credentials import Secret
from servers import Coze, asking, emulated, outcomes, reached_openly

pytestmark = pytest.mark.usefixtures("nothing_left")

BOTS = {BotName(name): Target(id=bot_id) for name, bot_id in BOT_IDS.items()}


def key_of(coze: Coze, **more: str) -> JwtCredentials:
    """Credentials of the emulated app."""
    app = coze.open_api.oauth.app
    given = {"client_id": app.client_id, "key_id": app.key_id, **more}
    return JwtCredentials(private_key=Secret(app.private_key), **given)  # type: ignore[arg-type]


@asynccontextmanager
async def renewing(
    coze: Coze, now: Callable[[], float] = time.time, **more: str
) -> AsyncIterator[tuple[JwtRenewal, TokenOffice]]:
    async with open_http(connect_s=2, tls_s=2) as http:
        office = TokenOffice(coze.base, http, now=now)
        yield JwtRenewal(key_of(coze, **more), office), office


async def test_a_jwt_becomes_a_token_that_coze_takes(coze: Coze) -> None:
    async with renewing(coze) as (renewal, _):
        first, second = await renewal.renew(), await renewal.renew()
    assert first.token.reveal() != second.token.reveal()
    assert 890 < first.life_s <= 901
    async with reached_openly(coze.base, token=second.token) as upstream:
        assert (await upstream.calls.me()).user_name


@pytest.mark.parametrize("wrong_s", [600, -600])
async def test_a_clock_that_is_wrong_by_ten_minutes_is_told_and_does_no_harm(
    coze: Coze, caplog: pytest.LogCaptureFixture, wrong_s: int
) -> None:
    async with renewing(coze, lambda: time.time() + wrong_s) as (renewal, _):
        lease = await renewal.renew()
        calls = coze.open_api.seen.count(TOKEN_PATH)
        assert calls == 2, "a JWT from the future, or the past, is signed again"
        assert 890 < lease.life_s <= 902
        await renewal.renew()
        assert coze.open_api.seen.count(TOKEN_PATH) == calls + 1, "what was learned is kept"
    told = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert len(told) == 1
    assert ("ahead of" in told[0]) == (wrong_s > 0)


@pytest.mark.parametrize(
    ("more", "said"), [({"client_id": "1"}, "invalid_client"), ({"key_id": "x"}, "invalid_client")]
)
async def test_who_is_refused_hears_where_to_look(coze: Coze, more: dict[str, str], said: str) -> None:
    async with renewing(coze, time.time, **more) as (renewal, _):
        with pytest.raises(UpstreamDenied, match=said) as caught:
            await renewal.renew()
    assert caught.value.code == "upstream_auth"
    assert "fingerprint" in str(caught.value.hint)
    assert coze.open_api.seen.count(TOKEN_PATH) == 1


async def test_an_enterprise_is_asked_at_its_own_path(coze: Coze) -> None:
    async with renewing(coze, account_id="42") as (renewal, _):
        await renewal.renew()
    assert coze.open_api.seen.count("/api/permission/oauth2/account/42/token") == 1


async def test_a_hundred_callers_at_the_moment_their_token_dies_make_one_renewal(
    coze: Coze, caplog: pytest.LogCaptureFixture
) -> None:
    async with reached_openly(coze.base, token=key_of(coze), bots=BOTS) as upstream:
        await upstream.calls.me()
        token = await upstream.calls.tokens.current()
        assert coze.open_api.seen.count(TOKEN_PATH) == 1
        coze.open_api.state.issued.end_all()
        turns = await outcomes(upstream, [asking(f"number {number}") for number in range(100)])
    assert [turn.text if isinstance(turn, Reply) else turn for turn in turns] == [f"number {n}" for n in range(100)]
    assert coze.open_api.seen.count(TOKEN_PATH) == 2
    assert token.reveal() not in caplog.text
    assert "PRIVATE KEY" not in caplog.text


async def test_while_the_endpoint_is_down_the_token_there_is_serves(coze: Coze) -> None:
    async with reached_openly(coze.base, token=key_of(coze), bots=BOTS) as upstream:
        coze.open_api.oauth.troubles.append("down")
        with pytest.raises(UpstreamFailed):
            await upstream.calls.me()
    async with reached_openly(coze.base, token=key_of(coze), bots=BOTS) as upstream:
        await upstream.calls.me()
        coze.open_api.oauth.troubles.extend(["down", "past"])
        for _ in range(5):
            await upstream.calls.me()


async def test_an_end_in_the_past_is_no_token(coze: Coze) -> None:
    coze.open_api.oauth.troubles.append("past")
    async with reached_openly(coze.base, token=key_of(coze), bots=BOTS) as upstream:
        with pytest.raises(UpstreamFailed, match="dead already"):
            await upstream.calls.me()


async def test_a_slow_endpoint_is_waited_for_by_all(coze: Coze) -> None:
    coze.open_api.oauth.troubles.append("slow")
    async with reached_openly(coze.base, token=key_of(coze), bots=BOTS) as upstream, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(upstream.calls.me)
        await coze.wire.until_count("call", 1)
        coze.open_api.oauth.go_on()
    assert coze.open_api.seen.count(TOKEN_PATH) == 1
    assert coze.open_api.seen.count("/v1/users/me") == 10


async def test_a_token_that_lives_a_second_is_renewed_again_and_again() -> None:
    async with emulated() as coze:
        credentials = key_of(coze)
        async with open_http(connect_s=2, tls_s=2) as http:
            office = TokenOffice(coze.base, http)
            short = JwtCredentials(
                client_id=credentials.client_id,
                key_id=credentials.key_id,
                private_key=credentials.private_key,
                life_s=1,
            )
            assert (await JwtRenewal(short, office).renew()).life_s <= 2
