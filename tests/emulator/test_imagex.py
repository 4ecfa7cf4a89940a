"""The emulated picture service, called with a plain HTTP client; our own upstream is no judge of it."""

import json
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from realcoze.dialects.coze_playground.signature import Credentials, canonical_query, signed_headers
from realcoze.emulator import imagex
from realcoze.emulator.account import SESSION_ID
from servers import Coze, emulated

pytestmark = pytest.mark.usefixtures("nothing_left")

HELLO = b"hello world"
CRC = "0d4a1185"


@dataclass
class Client:
    """The page's side of the three steps, by hand (docs/protocol/playground-2024.md §7)."""

    coze: Coze
    http: aiohttp.ClientSession
    token: Any = None

    async def call(self, method: str, url: str, data: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        async with self.http.request(method, url, data=data, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith("{") else text

    async def ask_token(self, session_id: str = SESSION_ID) -> Any:
        """Step 1."""
        url = f"{self.coze.base}/api/playground/upload/auth_token"
        status, answer = await self.call("POST", url, b'{"scene":"bot_task"}', {"Cookie": f"sessionid={session_id}"})
        assert status == 200
        self.token = answer.get("data")
        return answer

    @property
    def credentials(self) -> Credentials:
        auth = self.token["auth"]
        return Credentials(auth["access_key_id"], auth["secret_access_key"], auth["session_token"])

    async def signed(
        self, method: str, query: dict[str, str], body: bytes | None = None, *, at: datetime | None = None, **more: str
    ) -> tuple[int, Any]:
        """A call to the service; `more` are headers that take the place of the right ones."""
        date = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        headers = signed_headers(method, query, body, self.credentials, date=date)
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return await self.call(method, f"{self.coze.base}/?{canonical_query(query)}", body, headers)

    def query(self, action: str, **more: str) -> dict[str, str]:
        return {"Action": action, "Version": "2018-08-01", "ServiceId": self.token["service_id"], **more}

    async def apply(self, data: bytes = HELLO, **more: Any) -> Any:
        """Step 2: the address of the upload."""
        query = self.query("ApplyImageUpload", FileSize=str(len(data)), FileExtension=".txt", s="abc123")
        status, answer = await self.signed("GET", query, **more)
        assert status == 200, answer
        return answer["Result"]["UploadAddress"]

    async def upload(self, address: Any, data: bytes = HELLO, **more: str) -> tuple[int, Any]:
        """Step 3."""
        place = address["StoreInfos"][0]
        headers = {"Authorization": place["Auth"], "Content-Crc32": f"{zlib.crc32(data):08x}"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return await self.call(
            "POST", f"http://{address['UploadHosts'][0]}/upload/v1/{place['StoreUri']}", data, headers
        )

    async def commit(self, session_key: str, **more: Any) -> tuple[int, Any]:
        """Step 4."""
        body = json.dumps({"SessionKey": session_key}).encode()
        return await self.signed("POST", self.query("CommitImageUpload"), body, **more)

    def sees(self, address: Any) -> bytes | None:
        """What the bots see under this key."""
        return self.coze.server.find_file(address["StoreInfos"][0]["StoreUri"])


@asynccontextmanager
async def _client(**settings: Any) -> AsyncIterator[Client]:
    async with emulated(**settings) as coze, aiohttp.ClientSession() as http:
        client = Client(coze, http)
        await client.ask_token()
        yield client


def code(answer: Any) -> str:
    return str(answer["ResponseMetadata"]["Error"]["Code"])


async def test_apply_upload_commit_in_this_order() -> None:
    async with _client() as client:
        address = await client.apply()
        assert address["StoreInfos"][0]["StoreUri"].endswith(".txt")
        assert await client.upload(address) == (200, {"code": 2000, "message": "Success"})
        assert client.sees(address) is None
        status, answer = await client.commit(address["SessionKey"])
        assert (status, answer["Result"]) == (200, {})
        assert client.sees(address) == HELLO
        kinds = [note.detail.partition(" ")[0].strip(",") for note in client.coze.wire.notes if note.kind == "upload"]
        assert kinds == ["token", "apply", "bytes", "commit"]


async def test_a_token_is_a_short_lived_key_for_this_host() -> None:
    async with _client() as client:
        auth = client.token["auth"]
        life = datetime.fromisoformat(auth["expired_time"]) - datetime.fromisoformat(auth["current_time"])
        assert life == timedelta(hours=1)
        assert client.token["upload_host"] == client.coze.base.removeprefix("http://")


async def test_a_token_is_for_the_account_only() -> None:
    async with _client() as client:
        assert (await client.ask_token("another"))["code"] == 700012006
    async with emulated(region_blocked=True) as coze, aiohttp.ClientSession() as http:
        answer = await Client(coze, http).ask_token()
        assert "regional restrictions" in answer["msg"]
        assert coze.wire.count("upload") == 0


@pytest.mark.parametrize("crc", [CRC, CRC.lstrip("0")])
async def test_vector_crc_is_accepted_with_and_without_its_leading_zero(crc: str) -> None:
    async with _client() as client:
        status, answer = await client.upload(await client.apply(), Content_Crc32=crc)
        assert (status, answer["code"]) == (200, 2000)


@pytest.mark.parametrize("crc", ["", "0", "4a1185", "0d4a1186", "0D4A1185", "00d4a1185"])
async def test_bytes_with_another_crc_are_refused(crc: str) -> None:
    async with _client() as client:
        address = await client.apply()
        status, answer = await client.upload(address, Content_Crc32=crc)
        assert (status, answer["code"]) == (400, 4008)
        status, answer = await client.commit(address["SessionKey"])
        assert (status, code(answer)) == (400, "ObjectNotFound")


async def test_a_crc_of_nothing_but_zeros_may_be_short_and_not_missing() -> None:
    data = bytes.fromhex("9d0ad96d")
    assert zlib.crc32(data) == 0
    async with _client() as client:
        address = await client.apply(data)
        for crc, status in (("", 400), ("0", 200), ("00000000", 200)):
            assert (await client.upload(address, data, Content_Crc32=crc))[0] == status


async def test_bytes_of_another_size_are_refused() -> None:
    async with _client() as client:
        address = await client.apply()
        status, answer = await client.upload(address, HELLO * 2)
        assert (status, answer["code"]) == (400, 4008)


@pytest.mark.parametrize("authorization", ["", "SpaceKey/emulated/2", "\xff"])
async def test_bytes_for_somebody_elses_place_are_refused(authorization: str) -> None:
    async with _client() as client:
        address = await client.apply()
        status, answer = await client.upload(address, Authorization=authorization)
        assert (status, answer["code"]) == (403, 4010)
        address["StoreInfos"][0]["StoreUri"] = "tos-emulated/elsewhere"
        assert (await client.upload(address))[0] == 403


async def test_a_commit_before_the_upload_is_refused_and_may_come_again() -> None:
    """The order of the Node program."""
    async with _client() as client:
        address = await client.apply()
        status, answer = await client.commit(address["SessionKey"])
        assert (status, code(answer)) == (400, "ObjectNotFound")
        await client.upload(address)
        assert (await client.commit(address["SessionKey"]))[0] == 200
        status, answer = await client.commit(address["SessionKey"])
        assert (status, code(answer)) == (400, "InvalidSessionKey")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"SessionKey":"session-99"}', b"\xff"])
async def test_a_commit_of_nothing_is_refused(body: bytes) -> None:
    async with _client() as client:
        status, answer = await client.signed("POST", client.query("CommitImageUpload"), body)
        assert (status, code(answer)) == (400, "InvalidSessionKey")


@pytest.mark.parametrize("header", ["authorization", "x-amz-date", "x-amz-security-token"])
@pytest.mark.parametrize("value", ["", "20240226T010203Z", "\xff", "AWS4-HMAC-SHA256 Credential=a, Signature=0"])
async def test_a_call_that_is_signed_wrongly_is_refused(header: str, value: str) -> None:
    async with _client() as client:
        query = client.query("ApplyImageUpload", FileSize="11", FileExtension=".txt")
        wrong: dict[str, Any] = {header.replace("-", "_"): value}
        status, answer = await client.signed("GET", query, **wrong)
        assert (status, code(answer)) == (403, "SignatureDoesNotMatch")
        status, answer = await client.commit("session-1", **wrong)
        assert (status, code(answer)) == (403, "SignatureDoesNotMatch")


async def test_a_commit_whose_body_is_not_the_signed_one_is_refused() -> None:
    async with _client() as client:
        for sha in ("", "0" * 64):
            status, answer = await client.commit("session-1", x_amz_content_sha256=sha)
            assert (status, code(answer)) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365])
async def test_a_signature_of_another_time_is_refused(minutes: int) -> None:
    async with _client() as client:
        query = client.query("ApplyImageUpload", FileSize="11", FileExtension=".txt")
        status, answer = await client.signed("GET", query, at=datetime.now(UTC) + timedelta(minutes=minutes))
        assert (status, code(answer)) == (403, "SignatureExpired")


async def test_a_time_that_is_none_is_of_another_time() -> None:
    async with _client() as client:
        query = client.query("ApplyImageUpload", FileSize="11", FileExtension=".txt")
        headers = signed_headers("GET", query, None, client.credentials, date="yesterday")
        status, answer = await client.call("GET", f"{client.coze.base}/?{canonical_query(query)}", None, headers)
        assert (status, code(answer)) == (403, "SignatureExpired")


async def test_a_token_that_has_expired_or_was_never_given_is_refused() -> None:
    async with _client(upload_token_s=0.0) as client:
        query = client.query("ApplyImageUpload", FileSize="11", FileExtension=".txt")
        status, answer = await client.signed("GET", query)
        assert (status, code(answer)) == (403, "ExpiredToken")
    async with _client() as client:
        client.token["auth"]["session_token"] = "STS-EMULATED-0"
        query = client.query("ApplyImageUpload", FileSize="11", FileExtension=".txt")
        assert code((await client.signed("GET", query))[1]) == "ExpiredToken"


@pytest.mark.parametrize(
    "wrong", [{"Action": "CommitImageUpload"}, {"Action": "DeleteEverything"}, {"ServiceId": "another"}]
)
async def test_another_action_or_service_is_refused(wrong: dict[str, str]) -> None:
    async with _client() as client:
        query = client.query("ApplyImageUpload", FileSize="11", FileExtension=".txt") | wrong
        status, answer = await client.signed("GET", query)
        assert (status, code(answer)) == (400, "InvalidAction")


@pytest.mark.parametrize("size", ["", "0", "-1", "x", "²", "1.0", "9" * 5000])
async def test_a_size_that_is_none_is_refused(size: str) -> None:
    async with _client() as client:
        query = client.query("ApplyImageUpload", FileSize=size, FileExtension=".txt")
        status, answer = await client.signed("GET", query)
        assert (status, code(answer)) == (400, "InvalidParameter")


async def test_of_too_much_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagex, "STORED_BYTES", 2 * len(HELLO))
    monkeypatch.setattr(imagex, "PLACES", 2)
    async with _client() as client:
        addresses = []
        for _ in range(3):
            address = await client.apply()
            await client.upload(address)
            await client.commit(address["SessionKey"])
            addresses.append(address)
        assert [client.sees(address) for address in addresses] == [None, HELLO, HELLO]
        waiting = [await client.apply() for _ in range(3)]
        assert [(await client.upload(address))[0] for address in waiting] == [403, 200, 200]
        big = b"x" * 100
        address = await client.apply(big)
        await client.upload(address, big)
        await client.commit(address["SessionKey"])
        assert client.sees(address) == big


async def test_files_without_a_commit_count_too_and_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagex, "STORED_BYTES", 3 * len(HELLO))
    async with _client() as client:
        committed = await client.apply()
        await client.upload(committed)
        await client.commit(committed["SessionKey"])
        waiting = [await client.apply() for _ in range(4)]
        for address in waiting:
            assert (await client.upload(address))[0] == 200
        answers = [await client.commit(address["SessionKey"]) for address in waiting]
        assert [status for status, _ in answers] == [400, 400, 200, 200]
        assert client.sees(committed) == HELLO
