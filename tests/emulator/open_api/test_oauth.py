import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import jwt
import pytest

from open_coze import Answer, OpenClient, open_coze
from realcoze.dialects.coze_open.oauth import (
    AUTHORIZE_PATH,
    CODE_GRANT,
    DEVICE_GRANT,
    DEVICE_PATH,
    JWT_GRANT,
    REFRESH_GRANT,
    TOKEN_PATH,
    challenge_of,
)
from realcoze.emulator.open_api import oauth
from realcoze.emulator.open_api.oauth import CLIENT_ID, PAGE_PATH
from servers import PATIENCE_S, soon

pytestmark = pytest.mark.usefixtures("nothing_left")

REDIRECT = "http://127.0.0.1:8085/callback"
DEVICE = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID}


def assertion(coze: OpenClient, **claims: Any) -> str:
    app, now = coze.server.oauth.app, int(time.time())
    host = urlsplit(coze.base).netloc
    told = {"iss": app.client_id, "aud": host, "iat": now, "exp": now + 60, "jti": str(time.time_ns()), **claims}
    return jwt.encode(told, app.private_key, algorithm="RS256", headers={"kid": app.key_id})


async def exchanged(coze: OpenClient, signed: str, **body: Any) -> Answer:
    headers = {"Authorization": f"Bearer {signed}"}
    return await coze.call("POST", TOKEN_PATH, {"grant_type": JWT_GRANT, **body}, headers=headers)


async def token_for(coze: OpenClient, **body: Any) -> Answer:
    return await coze.call("POST", TOKEN_PATH, {"client_id": CLIENT_ID, **body})


async def redirected(coze: OpenClient, challenge: str, method: str = "S256", **query: str) -> Answer:
    told = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT,
        "state": "s",
        "code_challenge": challenge,
        "code_challenge_method": method,
        **query,
    }
    return await coze.call("GET", AUTHORIZE_PATH, params=told)


def code_in(answer: Answer) -> str:
    assert answer.status == 302
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def denied(answer: Answer) -> str:
    assert answer.status == 400
    assert answer.json["error_message"]
    assert answer.json["error"] == answer.json["error_code"]
    return str(answer.json["error_code"])


async def me(coze: OpenClient, token: str) -> int:
    answer = await coze.call("GET", "/v1/users/me", headers={"Authorization": token})
    assert answer.json["code"] == (0 if answer.status == 200 else 4100)
    return answer.status


async def test_a_jwt_gives_a_token_that_opens_everything_until_its_time() -> None:
    async with open_coze() as coze:
        answer = await exchanged(coze, assertion(coze))
        assert answer.json["token_type"] == "Bearer"
        assert abs(answer.json["expires_in"] - time.time() - 900) < 10
        assert "refresh_token" not in answer.json
        token = answer.json["access_token"]
        assert token.startswith("czs_")
        assert await me(coze, f"Bearer {token}") == 200
        assert await me(coze, token) == 401
        coze.server.state.issued.end_all()
        assert await me(coze, f"Bearer {token}") == 401


async def test_a_token_may_be_wished_shorter_but_not_longer_than_a_day() -> None:
    async with open_coze(token_life_s=600) as coze:
        short = await exchanged(coze, assertion(coze), duration_seconds=60)
        whole = await exchanged(coze, assertion(coze), duration_seconds=86399)
        assert abs(short.json["expires_in"] - time.time() - 60) < 10
        assert abs(whole.json["expires_in"] - time.time() - 600) < 10
        for wish in (0, 86400):
            assert denied(await exchanged(coze, assertion(coze), duration_seconds=wish)) == "invalid_request"


async def test_what_is_no_jwt_of_the_app_is_denied() -> None:
    async with open_coze() as coze:
        assert denied(await exchanged(coze, "")) == "invalid_request"
        assert denied(await exchanged(coze, assertion(coze, iss="1"))) == "invalid_client"
        assert denied(await exchanged(coze, assertion(coze, aud="api.coze.com"))) == "invalid_request"
        signed = assertion(coze)
        await exchanged(coze, signed)
        assert denied(await exchanged(coze, signed)) == "invalid_request"


async def test_other_bodies_are_denied() -> None:
    async with open_coze() as coze:
        assert denied(await token_for(coze, grant_type="password")) == "unsupported_grant_type"
        assert denied(await token_for(coze, grant_type=REFRESH_GRANT, client_id="1")) == "invalid_client"
        assert denied(await token_for(coze, grant_type=REFRESH_GRANT)) == "invalid_request"
        assert denied(await coze.call("POST", TOKEN_PATH, [])) == "invalid_request"
        assert denied(await coze.call("POST", DEVICE_PATH, [])) == "invalid_request"
        assert denied(await coze.call("POST", DEVICE_PATH, {"client_id": "1"})) == "invalid_client"


async def test_a_person_decides_on_a_page_what_a_device_hears() -> None:
    async with open_coze(device_interval_s=0) as coze:
        for verdict, heard in (("approved", ""), ("denied", "access_denied")):
            code = (await coze.call("POST", DEVICE_PATH, {"client_id": CLIENT_ID})).json
            assert code["verification_uri"] == coze.base + PAGE_PATH
            body = {**DEVICE, "device_code": code["device_code"]}
            assert denied(await token_for(coze, **body)) == "authorization_pending"
            page = await coze.get(PAGE_PATH, user_code='"><script>')
            assert "<script>" not in page.text
            form = {"user_code": code["user_code"], "verdict": verdict}
            assert verdict in (await coze.call("POST", PAGE_PATH, data=form)).text
            answer = await token_for(coze, **body)
            assert denied(answer) == heard if heard else answer.json["refresh_token"]
        assert "no such code" in (await coze.call("POST", PAGE_PATH, data=form)).text
        assert denied(await token_for(coze, **body)) == "expired_token"


async def test_a_device_that_asks_too_often_is_told_to_slow_down() -> None:
    async with open_coze(device_interval_s=300) as coze:
        code = (await coze.call("POST", DEVICE_PATH, {"client_id": CLIENT_ID})).json
        body = {**DEVICE, "device_code": code["device_code"]}
        assert code["interval"] == 300
        assert denied(await token_for(coze, **body)) == "authorization_pending"
        assert denied(await token_for(coze, **body)) == "slow_down"


@pytest.mark.parametrize("method", ["S256", "plain"])
async def test_a_code_is_redeemed_with_its_verifier(method: str) -> None:
    async with open_coze() as coze:
        verifier = "v" * 43
        challenge = challenge_of(verifier) if method == "S256" else verifier
        answer = await redirected(coze, challenge, method)
        assert parse_qs(urlsplit(answer.headers["Location"]).query)["state"] == ["s"]
        body = {"grant_type": CODE_GRANT, "code": code_in(answer), "redirect_uri": REDIRECT}
        token = (await token_for(coze, **body, code_verifier=verifier)).json
        assert await me(coze, f"Bearer {token['access_token']}") == 200
        assert denied(await token_for(coze, **body, code_verifier=verifier)) == "invalid_request"
        refreshed = (await token_for(coze, grant_type=REFRESH_GRANT, refresh_token=token["refresh_token"])).json
        assert await me(coze, f"Bearer {refreshed['access_token']}") == 200


async def test_a_code_is_not_redeemed_otherwise() -> None:
    async with open_coze() as coze:
        for wrong in ({"code_verifier": "w"}, {"redirect_uri": "http://other"}):
            code = code_in(await redirected(coze, challenge_of("v")))
            body = {"grant_type": CODE_GRANT, "code": code, "redirect_uri": REDIRECT, "code_verifier": "v", **wrong}
            assert denied(await token_for(coze, **body)) == "invalid_request"
        assert denied(await redirected(coze, "")) == "invalid_request"
        assert denied(await redirected(coze, "c", "S512")) == "invalid_request"
        assert denied(await redirected(coze, "c", client_id="1")) == "invalid_client"
        assert denied(await redirected(coze, "c", redirect_uri="javascript:1")) == "invalid_request"


async def test_the_next_calls_can_meet_trouble() -> None:
    async with open_coze() as coze:
        coze.server.oauth.troubles.extend(["down", "past", "slow_down"])
        assert (await exchanged(coze, assertion(coze))).status == 500
        assert (await exchanged(coze, assertion(coze))).json["expires_in"] < time.time()
        assert denied(await exchanged(coze, assertion(coze))) == "slow_down"
        assert (await exchanged(coze, assertion(coze))).status == 200
        assert coze.server.seen.count(TOKEN_PATH) == 4


async def test_only_so_many_codes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "KEPT", 1)
    async with open_coze(device_interval_s=0) as coze:
        codes = [(await coze.call("POST", DEVICE_PATH, {"client_id": CLIENT_ID})).json for _ in range(2)]
        heard = [denied(await token_for(coze, **DEVICE, device_code=code["device_code"])) for code in codes]
        assert heard == ["expired_token", "authorization_pending"]
        first, _ = code_in(await redirected(coze, "v", "plain")), await redirected(coze, "v", "plain")
        body = {"grant_type": CODE_GRANT, "code": first, "redirect_uri": REDIRECT, "code_verifier": "v"}
        assert denied(await token_for(coze, **body)) == "invalid_request"


async def test_studio_has_none_of_it() -> None:
    async with open_coze(personality="studio") as coze:
        assert (await token_for(coze, grant_type=REFRESH_GRANT)).status == 404


async def test_a_slow_call_for_a_token_ends_with_the_emulator() -> None:
    async with open_coze() as coze:
        coze.server.oauth.troubles.append("slow")
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(exchanged, coze, assertion(coze))
                await soon(lambda: not coze.server.oauth.troubles)
                await coze.server.close()
