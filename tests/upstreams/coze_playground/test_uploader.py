import asyncio
import json
import re
import time
import zlib
from collections import Counter
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from aiohttp import web

from pictures import PDF, png
from proxies import proxying
from realcoze.domain.content import File, Image, MediaPart
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message
from realcoze.domain.request import Request
from realcoze.errors import BadRequest, TooLarge, UpstreamDenied, UpstreamFailed
from realcoze.upstreams.coze_playground import uploader
from realcoze.upstreams.coze_playground.upstream import Playground, open_playground
from servers import PATIENCE_S, Coze, ask, emulated, reached, to_reach, web_server

pytestmark = pytest.mark.usefixtures("nothing_left")

BOT = BotName("pictures")
PNG = png(3, 2)


async def upload(playground: Playground, data: bytes = PNG, name: str = "") -> MediaPart:
    with anyio.fail_after(PATIENCE_S):
        return await playground.upload(data, name, BOT)


async def asked_about(playground: Playground, *parts: MediaPart) -> str:
    request = Request(messages=(Message(role="user", parts=parts),), bot=BOT)
    return (await ask(playground, request)).text


def uploads(coze: Coze) -> list[str]:
    """The first word of each step that the emulator saw."""
    return [re.split(r"[, ]", note.detail)[0] for note in coze.wire.notes if note.kind == "upload"]


async def test_weakness_17_apply_then_upload_then_commit(coze: Coze, playground: Playground) -> None:
    """The Node program committed before it uploaded."""
    part = await upload(playground)
    assert isinstance(part, Image)
    assert uploads(coze) == ["token", "apply", "bytes", "commit"]
    assert coze.server.find_file(part.key) == PNG


async def test_weakness_17_a_checksum_that_begins_with_zero_is_taken(coze: Coze, playground: Playground) -> None:
    part = await upload(playground, b"hello world", "hello.txt")
    assert isinstance(part, File)
    assert coze.server.find_file(part.key) == b"hello world"
    assert "0d4a1185" in await asked_about(playground, part)


async def test_what_it_is_is_read_from_the_bytes(coze: Coze, playground: Playground) -> None:
    picture = await upload(playground, png(123, 45), "report.pdf")
    file = await upload(playground, PDF, "picture.png")
    assert isinstance(picture, Image)
    assert isinstance(file, File)
    assert picture.key.endswith(".png")
    assert file.key.endswith(".pdf")
    said = await asked_about(playground, picture, file)
    assert "`image/png`, 123 × 45 pixels" in said
    assert "`application/pdf`" in said


async def test_nothing_and_too_much_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, upload_bytes=100) as playground:
        with pytest.raises(BadRequest, match="empty"):
            await upload(playground, b"")
        with pytest.raises(TooLarge, match="101 bytes; 100 is the most"):
            await upload(playground, b"x" * 101)
        assert coze.wire.notes == []
        await upload(playground, b"x" * 100)
        assert coze.server.seen.launches == coze.server.seen.sockets == 0


async def test_many_uploads_at_once_share_one_token(coze: Coze, playground: Playground) -> None:
    files = [f"file {number}".encode() for number in range(30)]
    parts = await asyncio.gather(*(upload(playground, data, "a.txt") for data in files))
    assert [coze.server.find_file(part.key) for part in parts] == files
    assert Counter(uploads(coze)) == {"token": 1, "apply": 30, "bytes": 30, "commit": 30}


async def test_a_token_is_asked_for_again_after_its_expiry(coze: Coze, playground: Playground) -> None:
    for _ in range(3):
        await upload(playground)
    assert uploads(coze).count("token") == 1
    assert playground._uploader._token is not None
    playground._uploader._token.auth.expired_time = "2024-02-26T01:02:03Z"
    await asyncio.gather(*(upload(playground) for _ in range(3)))
    assert uploads(coze).count("token") == 2


async def test_a_token_is_renewed_before_it_expires(tmp_path: Path) -> None:
    """Else it could expire between two of the steps."""
    async with emulated(upload_token_s=29.0) as coze, reached(coze, tmp_path) as playground:
        for _ in range(2):
            await upload(playground)
        assert uploads(coze).count("token") == 2


async def test_a_token_that_was_refused_is_not_used_again(coze: Coze, playground: Playground) -> None:
    await upload(playground)
    token = playground._uploader._token
    assert token is not None
    token.auth.session_token = "STS-EMULATED-0"
    failures = await asyncio.gather(*(upload(playground) for _ in range(3)), return_exceptions=True)
    assert {str(failure).partition(":")[0] for failure in failures} == {"The upload service answered ExpiredToken"}
    await upload(playground)
    assert uploads(coze).count("token") == 2


class Service:
    """A picture service that notes what it is told, and answers one of the steps as a test wants."""

    def __init__(self, **answers: str) -> None:
        self.host = ""
        self.answers = answers
        self.calls: list[tuple[str, dict[str, str]]] = []

    @property
    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/playground/upload/auth_token", self._token),
            web.get("/", self._apply),
            web.post("/upload/v1/{uri:.+}", self._upload),
            web.post("/", self._commit),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        auth = {"access_key_id": "AK", "secret_access_key": "SK", "session_token": "STS"}
        auth |= {"expired_time": "2999-01-01T00:00:00Z"}
        data = {"service_id": "s", "upload_host": self.host, "auth": auth, "schema": "http"}
        return self._said("token", request, {"code": 0, "data": data})

    async def _apply(self, request: web.Request) -> web.Response:
        place = {"StoreUri": "tos/x.png", "Auth": "SpaceKey/1"}
        address = {"SessionKey": "k", "UploadHosts": [self.host], "StoreInfos": [place]}
        return self._said("apply", request, {"Result": {"UploadAddress": address}})

    async def _upload(self, request: web.Request) -> web.Response:
        return self._said("upload", request, {"code": 2000})

    async def _commit(self, request: web.Request) -> web.Response:
        return self._said("commit", request, {"Result": {}})

    def _said(self, step: str, request: web.Request, body: Any) -> web.Response:
        self.calls.append((step, {name.lower(): value for name, value in request.headers.items()}))
        return web.Response(text=self.answers.get(step, json.dumps(body)))

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.calls]


async def uploaded_to(service: Service, folder: Path) -> MediaPart:
    async with (
        web_server(*service.routes) as service.host,
        open_playground(to_reach(f"http://{service.host}", folder)) as playground,
    ):
        return await upload(playground)


@pytest.mark.parametrize("step", ["token", "apply", "upload", "commit"])
@pytest.mark.parametrize(
    "answer",
    ["", "{}", "[]", "<html>", '{"code":1}', '{"ResponseMetadata":{"Error":{"Code":"Denied","Message":"no"}}}', "\0"],
)
async def test_weakness_17_an_error_of_any_step_is_an_error_and_ends_the_upload(
    tmp_path: Path, step: str, answer: str
) -> None:
    """`Result` missing was a crash."""
    service = Service(**{step: answer})
    if (step, answer) in (("commit", "{}"), ("commit", '{"code":1}')):
        # ImageX names its faults; an answer without one is that all went well.
        assert await uploaded_to(service, tmp_path) == Image(key="tos/x.png")
        return
    with pytest.raises((UpstreamFailed, UpstreamDenied)):
        await uploaded_to(service, tmp_path)
    assert service.steps == ["token", "apply", "upload", "commit"][: len(service.steps)]
    assert service.steps[-1] == step


async def test_weakness_17_each_call_has_a_time_and_a_signature_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests shared one timestamp."""
    seconds = count()
    clock = SimpleNamespace(time=time.time, strftime=time.strftime, gmtime=lambda: time.gmtime(next(seconds)))
    monkeypatch.setattr(uploader, "time", clock)
    service = Service()
    assert await uploaded_to(service, tmp_path) == Image(key="tos/x.png")
    assert service.steps == ["token", "apply", "upload", "commit"]
    headers = dict(service.calls)
    dates = [headers[step]["x-amz-date"] for step in ("apply", "commit")]
    assert dates == ["19700101T000000Z", "19700101T000001Z"]
    assert headers["apply"]["authorization"] != headers["commit"]["authorization"]
    assert "SignedHeaders=x-amz-date;x-amz-security-token," in headers["apply"]["authorization"]
    assert "x-amz-content-sha256;" in headers["commit"]["authorization"]
    assert headers["upload"]["authorization"] == "SpaceKey/1"
    assert headers["upload"]["content-crc32"] == f"{zlib.crc32(PNG):08x}"
    assert [step for step, sent in service.calls if "cookie" in sent] == ["token"]


@pytest.mark.parametrize(("name", "region"), [("www.coze.cn", "cn-north-1"), ("www.coze.com", "ap-singapore-1")])
async def test_calls_are_signed_for_the_region_of_the_coze_that_is_called(
    tmp_path: Path, name: str, region: str
) -> None:
    service = Service()
    async with (
        web_server(*service.routes) as service.host,
        proxying("http", names={name: "127.0.0.1"}) as proxy,
        open_playground(
            to_reach(service.host.replace("127.0.0.1", f"http://{name}"), tmp_path, proxy=proxy.url("http"))
        ) as playground,
    ):
        await upload(playground)
    headers = dict(service.calls)
    assert all(f"/{region}/imagex/" in headers[step]["authorization"] for step in ("apply", "commit"))


async def test_a_service_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    service = Service()
    async with web_server(*service.routes) as host:
        service.host = "127.0.0.1:1"
        async with open_playground(to_reach(f"http://{host}", tmp_path)) as playground:
            with pytest.raises(UpstreamFailed) as failed:
                await upload(playground)
    assert failed.value.code == "upstream_unreachable"


async def test_a_session_that_has_ended_is_not_asked_again(tmp_path: Path) -> None:
    service = Service(token='{"code":700012006,"msg":"login session invalid"}')
    async with (
        web_server(*service.routes) as service.host,
        open_playground(to_reach(f"http://{service.host}", tmp_path)) as playground,
    ):
        for _ in range(3):
            with pytest.raises(UpstreamDenied):
                await upload(playground)
        assert playground.health()["refused"]
    assert service.steps == ["token"]


async def test_an_upload_that_is_cancelled_holds_nobody_up(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await playground.upload(PNG, "", BOT)
        assert scope.cancelled_caught
        assert isinstance(await upload(playground), Image)
