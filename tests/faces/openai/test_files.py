"""Files over both upstreams, to an emulated Coze; the SDK's reading of it stands in tests/judges."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from houses import served, served_openly
from native_server import Answer, exchange, parsed, request
from pictures import png
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.faces.openai.files import PATH
from servers import Coze, emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n'


@pytest.fixture
async def coze(nothing_left: None) -> AsyncIterator[Coze]:
    async with emulated(OpenSettings(pace=0.0)) as running:
        yield running


def _house(upstream: str, coze: Coze, folder: Path, **server: Any) -> AbstractAsyncContextManager[str]:
    return (served_openly if upstream == "open" else served)(coze, folder, **server)


def form(data: bytes, name: str = "a.png", **fields: str) -> bytes:
    others = (PART % (field.encode(), b"", value.encode()) for field, value in fields.items())
    file = PART % (b"file", b'; filename="%b"' % name.encode(), data)
    return b"".join([*others, file, b"--x--\r\n"])


class Client:
    def __init__(self, base: str) -> None:
        self._port = int(base.rpartition(":")[2])

    async def post(self, body: bytes, *, query: str = "", content_type: str = FORM, key: str = KEY) -> Answer:
        sent = request(body, path=f"{PATH}{query}", content_type=content_type, x_api_key=key)
        return parsed(await exchange(self._port, sent))

    async def call(self, path: str = "", *, method: str = "GET", key: str = KEY) -> Answer:
        return parsed(await exchange(self._port, request(b"", path=f"{PATH}{path}", method=method, x_api_key=key)))

    async def ask(self, file_id: str, **part: str) -> Any:
        content = [{"type": "input_text", "text": "Look"}, {"type": "input_image", "file_id": file_id, **part}]
        body = json.dumps({"model": "memory", "input": [{"role": "user", "content": content}]}).encode()
        answer = parsed(await exchange(self._port, request(body, path="/v1/responses", x_api_key=KEY)))
        return answer.json["output"][0]["content"][0]["text"]


def failed(answer: Answer) -> tuple[int, str]:
    assert answer.headers["x-request-id"].startswith("req_")
    return answer.status, answer.json["error"]["code"]


@pytest.mark.parametrize("upstream", ["open", "playground"])
async def test_a_file_is_uploaded_shown_listed_and_forgotten(upstream: str, coze: Coze, tmp_path: Path) -> None:
    async with _house(upstream, coze, tmp_path, key=KEY) as base:
        client = Client(base)
        file = (await client.post(form(png(3, 2), purpose="vision"))).json
        second = (await client.post(form(png(4, 2), name="b.png", model="memory"))).json
        assert (file["filename"], file["bytes"], file["purpose"]) == ("a.png", len(png(3, 2)), "vision")
        assert ("/" in file["id"]) == (upstream == "playground")
        assert await client.ask(file["id"]) == "You gave me 1 attachment(s)."
        for written in (file["id"], quote(file["id"], safe="")):
            assert (await client.call(f"/{written}")).json == file
        assert (await client.call()).json["data"] == [second, file]
        assert (await client.call("?order=asc&limit=1")).json["data"] == [file]
        assert (await client.call("?purpose=vision")).json["data"] == [file]
        assert failed(await client.call(f"/{file['id']}/content")) == (400, "not_supported_by_upstream")
        deleted = (await client.call(f"/{file['id']}", method="DELETE")).json
        assert deleted == {"id": file["id"], "object": "file", "deleted": True}
        for path, method in (("", "GET"), ("", "DELETE"), ("/content", "GET")):
            assert failed(await client.call(f"/{file['id']}{path}", method=method)) == (404, "not_found")
        assert (await client.call()).json["data"] == [second]


async def test_what_is_wrong_is_told_before_anything_is_sent_to_coze(coze: Coze, tmp_path: Path) -> None:
    async with served_openly(coze, tmp_path, key=KEY, upload_bytes=100) as base:
        client = Client(base)
        assert failed(await client.post(png(3, 2), content_type="image/png")) == (400, "bad_request")
        assert failed(await client.post(form(png(3, 2), purpose="batch"))) == (400, "bad_request")
        assert failed(await client.post(form(png(3, 2), model="nobody"))) == (404, "model_not_found")
        assert failed(await client.post(form(png(3, 2)), query="?bot=nobody")) == (404, "model_not_found")
        assert failed(await client.post(form(b"x" * 101))) == (413, "request_too_large")
        assert failed(await client.post(form(png(3, 2)), key="wrong")) == (401, "invalid_api_key")
        assert failed(await client.call(key="wrong")) == (401, "invalid_api_key")
        assert failed(await client.call("?limit=0")) == (400, "bad_request")
        assert (await client.call()).json["data"] == []
    assert coze.open_api.seen.calls == []


async def test_a_field_that_is_passed_over_is_named_and_a_file_has_a_name(coze: Coze, tmp_path: Path) -> None:
    fields = {"expires_after[seconds]": "3600"}
    async with served_openly(coze, tmp_path, key=KEY) as base:
        answer = await Client(base).post(form(png(3, 2), name="n" * 1000, **fields))
    assert answer.headers["x-realcoze-ignored"] == "expires_after[seconds]"
    assert answer.json["filename"] == "n" * 200
    assert answer.json["expires_at"] - answer.json["created_at"] == 30 * 86400
