"""Files from a client to a bot and back: `POST /upload` on all that we are, with stock clients (docs/native-api.md)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from houses import served
from native_server import connected, request, saying, serving
from pictures import PDF, gif, jpeg, png
from realcoze.app import wiring
from realcoze.domain.content import File, Image
from realcoze.domain.ids import BotName
from realcoze.errors import UpstreamDenied, UpstreamFailed
from servers import PATIENCE_S, Coze, Watched, emulated

KEY = "a-key-of-32-characters-and-more-"
PNG = png(31, 17)
OCTETS = {"Content-Type": "application/octet-stream"}


class Client:
    """What a page does with a file."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url = http, url

    async def upload(self, data: Any, query: str = "", headers: dict[str, str] | None = None) -> tuple[int, Any]:
        url = f"{self.url}/upload{query}"
        async with self.http.post(url, data=data, headers=headers) as answer:
            assert answer.headers["content-type"] == "application/json; charset=utf-8"
            said = await answer.json()
            if answer.status != 200:
                assert said["error"]["request_id"] == answer.headers["x-request-id"]
            return answer.status, said

    async def ask(self, *uploaded: Any) -> str:
        """What the bot sees."""
        lists = {6: "image_list", 9: "file_list"}
        history = [
            {
                "role": 2,
                "content": json.dumps({lists[each["contentType"]]: [{"key": each["key"]}]}),
                "contentType": each["contentType"],
            }
            for each in uploaded
        ]
        body = {"messages": [*history, {"role": 2, "content": "What is this?"}], "bot": "pictures"}
        async with self.http.post(f"{self.url}/", json=body) as answer:
            assert answer.status == 200
            return str((await answer.json())["content"])


@asynccontextmanager
async def _client(url: str, **options: Any) -> AsyncIterator[Client]:
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, **options) as http:
        yield Client(http, url)


@pytest.fixture
async def client(coze: Coze, tmp_path: Path) -> AsyncIterator[Client]:
    async with served(coze, tmp_path) as url, _client(url) as client:
        yield client


async def test_a_picture_goes_the_whole_way_and_the_bot_sees_it(coze: Coze, client: Client) -> None:
    status, picture = await client.upload(PNG, "?name=photo.png", OCTETS)
    assert (status, picture["contentType"]) == (200, 6)
    assert picture.keys() == {"key", "contentType"}
    said = await client.ask(picture)
    assert said.startswith(f"I see `image/png`, 31 × 17 pixels, {len(PNG)} bytes, CRC-32 `")
    steps = [note.detail.split()[0].strip(",") for note in coze.wire.notes if note.kind == "upload"]
    assert steps == ["token", "apply", "bytes", "commit"]


async def test_a_file_and_a_picture_in_one_question(client: Client) -> None:
    picture = (await client.upload(jpeg(1920, 1080), "?bot=pictures"))[1]
    file = (await client.upload(PDF, "?name=report.pdf&bot=memory"))[1]
    assert (picture["contentType"], file["contentType"]) == (6, 9)
    said = await client.ask(picture, file)
    assert said.index("1920 × 1080") < said.index("application/pdf")


async def test_a_picture_is_one_whatever_it_is_called(client: Client) -> None:
    for name in ("invoice.pdf", "notes.txt", "", "%E5%9B%BE.png", "..%2F..%2Fetc%2Fpasswd"):
        status, picture = await client.upload(PNG, f"?name={name}", {"Content-Type": "application/pdf"})
        assert (status, picture["contentType"]) == (200, 6)
        assert picture["key"].endswith(".png")
    assert (await client.upload(b"just text", "?name=picture.png"))[1]["contentType"] == 9


async def test_the_form_of_a_stock_client_is_taken(client: Client) -> None:
    form = aiohttp.FormData({"comment": "a field beside it"})
    form.add_field("file", gif(5, 6), filename='图 "1".gif', content_type="image/gif")
    status, picture = await client.upload(form)
    assert (status, picture["contentType"]) == (200, 6)
    assert "5 × 6 pixels" in await client.ask(picture)


async def test_the_name_in_a_form_counts_unless_the_address_has_one(client: Client) -> None:
    for query, extension in (("", ".csv"), ("?name=b.tsv", ".tsv")):
        form = aiohttp.FormData()
        form.add_field("file", b"a,b,c", filename="table.csv")
        assert (await client.upload(form, query))[1]["key"].endswith(extension)


async def test_a_large_file_arrives_whole(coze: Coze, client: Client) -> None:
    data = bytes(range(256)) * (3 << 13)
    form = aiohttp.FormData()
    form.add_field("file", BytesIO(data), filename="big.bin")
    for body in (form, BytesIO(data)):
        _, file = await client.upload(body)
        assert coze.server.find_file(file["key"]) == data, "nothing is lost or added"


@pytest.mark.parametrize("arguments", [("-F", "file=@PATH"), ("-F", "file=@PATH;type=image/png", "-F", "other=1")])
async def test_curl_uploads_a_form(client: Client, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    picture = await _curl(client, tmp_path, *arguments)
    assert "31 × 17 pixels" in await client.ask(picture)


@pytest.mark.parametrize("arguments", [("--data-binary", "@PATH"), ("-T", "PATH", "-X", "POST")])
async def test_curl_uploads_a_body(client: Client, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    picture = await _curl(client, tmp_path, *arguments)
    assert "31 × 17 pixels" in await client.ask(picture)


async def _curl(client: Client, folder: Path, *arguments: str) -> Any:
    path = anyio.Path(folder) / "picture.png"
    await path.write_bytes(PNG)
    words = [word.replace("PATH", str(path)) for word in arguments]
    with anyio.fail_after(PATIENCE_S):
        done = await anyio.run_process(["curl", "-sS", "--fail-with-body", *words, f"{client.url}/upload"])
    return json.loads(done.stdout)


async def test_many_at_once_ask_for_one_token(coze: Coze, client: Client) -> None:
    parts = await asyncio.gather(*(client.upload(png(number, 1)) for number in range(1, 21)))
    keys = [uploaded["key"] for _, uploaded in parts]
    assert [coze.server.find_file(key) for key in keys] == [png(number, 1) for number in range(1, 21)]
    assert sum(note.detail == "token" for note in coze.wire.notes if note.kind == "upload") == 1


# What is refused


@pytest.mark.parametrize("query", ["", "?name=empty.txt"])
async def test_an_empty_file_is_refused(coze: Coze, client: Client, query: str) -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"", filename="empty.txt")
    for data in (b"", form):
        status, said = await client.upload(data, query)
        assert (status, said["error"]["code"], said["error"]["message"]) == (400, "bad_request", "The file is empty.")
    assert coze.wire.notes == []


def _form(*fields: tuple[str, bytes | str, str | None]) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, data, filename in fields:
        form.add_field(name, data, filename=filename)
    return form


FORMS = {
    "without a file": _form(("comment", "hello", None)),
    "with the file under another name": _form(("picture", PNG, "a.png")),
    "with a text for a file": _form(("file", "hello", None)),
    "with two files": _form(("file", PNG, "a.png"), ("file", PNG, "b.png")),
    "with too many fields": _form(*((f"field{number}", "x", None) for number in range(20)), ("file", PNG, "a.png")),
    "with a field that is too long": _form(("comment", "x" * 70_000, None), ("file", PNG, "a.png")),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_without_one_file_is_refused(client: Client, form: str) -> None:
    status, said = await client.upload(FORMS[form])
    assert (status, said["error"]["code"]) == (400, "bad_request")
    assert "form" in said["error"]["message"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"no form at all"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nhello\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhel',
        ),
        ("Multipart/Form-Data; boundary=x", b"no form at all"),
        ("multipart/form-data; boundary=x; charset=nonsense", b"\xff\xfe"),
        ("multipart/form-data; boundary=" + "x" * 300, b"\x00" * 100),
    ],
    ids=range(10),
)
async def test_a_form_that_cannot_be_read_is_refused(client: Client, content_type: str, body: bytes) -> None:
    status, said = await client.upload(body, headers={"Content-Type": content_type})
    assert (status, said["error"]["code"]) == (400, "bad_request")


async def test_what_is_too_large_is_refused_before_anything_is_sent(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path, upload_bytes=1000) as url, _client(url) as client:
        for size, status in ((1000, 200), (1001, 413)):
            assert (await client.upload(b"x" * size))[0] == status
            form = aiohttp.FormData()
            form.add_field("file", b"x" * size, filename="a.bin")
            assert (await client.upload(form))[0] == status
        before = len(coze.wire.notes)

        async def in_pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 500

        for data in (in_pieces(), _form(("file", b"x" * 1001, "a.bin")), _form(("file", b"x" * 100_000, "a.bin"))):
            status, said = await client.upload(data)
            assert (status, said["error"]["message"]) == (413, "The file is larger than 1000 bytes.")
            assert "`upload_bytes`" in said["error"]["hint"]
        assert len(coze.wire.notes) == before


async def test_without_the_key_nothing_is_taken(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path, key=KEY) as url, _client(url) as client:
        for headers in ({}, {"X-Api-Key": "another"}):
            status, said = await client.upload(PNG, f"?key={KEY}", headers)
            assert (status, said["error"]["code"]) == (401, "invalid_api_key")
        assert coze.wire.notes == []
        assert (await client.upload(PNG, headers={"Authorization": f"Bearer {KEY}"}))[0] == 200


async def test_a_bot_that_is_not_here_has_no_files(coze: Coze, client: Client) -> None:
    status, said = await client.upload(PNG, "?bot=nobody")
    assert (status, said["error"]["code"]) == (404, "model_not_found")
    assert "pictures" in said["error"]["hint"]
    assert coze.wire.notes == []


async def test_only_post_uploads(client: Client) -> None:
    for method in ("GET", "PUT", "DELETE"):
        async with client.http.request(method, f"{client.url}/upload") as answer:
            assert answer.status == 405


async def test_a_page_of_another_site_uploads_nothing(coze: Coze, client: Client) -> None:
    status, said = await client.upload(PNG, headers={"Origin": "https://evil.example"})
    assert (status, said["error"]["code"]) == (403, "wrong_origin")
    assert coze.wire.notes == []


async def test_a_client_that_leaves_in_the_middle_of_its_file_is_forgotten(coze: Coze, client: Client) -> None:
    port = int(client.url.rpartition(":")[2])
    for content_type in ("application/octet-stream", "multipart/form-data; boundary=x"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = (
            f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: 99\r\n\r\n--x"
        )
        writer.write(head.encode())
        await writer.drain()
        writer.transport.abort()
    assert (await client.upload(PNG))[0] == 200
    assert coze.server.find_file("") is None


async def test_a_session_that_has_ended_is_said_so(tmp_path: Path) -> None:
    async with emulated(session_id="another") as coze, served(coze, tmp_path) as url, _client(url) as client:
        status, said = await client.upload(PNG)
        assert (status, said["error"]["code"]) == (502, "upstream_auth")
        assert "sessionid" in said["error"]["hint"]


async def test_an_upstream_without_files_says_so(nothing_left: None) -> None:
    async with serving(saying("Hello")) as running, _client(running.url) as client:
        status, said = await client.upload(PNG)
        assert (status, said["error"]["code"]) == (400, "not_supported_by_upstream")


class Taking:
    """A fake at the ports `Chats` and `Uploads`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken: list[tuple[bytes, str, str]] = []

    async def converse(self, request: Any, sink: Any) -> None:
        raise NotImplementedError

    async def upload(self, data: bytes, name: str, bot: BotName) -> Image | File:
        self.taken.append((data, name, bot))
        if self.error is not None:
            raise self.error
        return File(key="k")


async def test_the_upstream_is_told_bytes_name_and_bot(nothing_left: None) -> None:
    one, two = Taking(), Taking()
    async with serving({"one": one, "two": two}) as running, _client(running.url) as client:
        assert await client.upload(b"1") == (200, {"key": "k", "contentType": 9})
        await client.upload(b"2", "?name=a%20b.txt&bot=two")
    assert (one.taken, two.taken) == ([(b"1", "", "one")], [(b"2", "a b.txt", "two")])


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UpstreamFailed("No.", code="upload_failed"), 502, "upload_failed"),
        (UpstreamDenied("No.", code="upstream_blocked"), 503, "upstream_blocked"),
        (ZeroDivisionError("a secret"), 500, "internal_error"),
    ],
)
async def test_the_errors_of_an_upload_have_their_status(
    nothing_left: None, error: Exception, status: int, code: str
) -> None:
    async with serving(Taking(error)) as running, _client(running.url) as client:
        got, said = await client.upload(PNG)
        assert (got, said["error"]["code"]) == (status, code)
        assert "secret" not in json.dumps(said)


class Storing(Watched):
    """A fake at the ports `Chats` and `Uploads` whose files are never stored to the end."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = self.stopped = 0

    async def converse(self, request: Any, sink: Any) -> None:
        raise NotImplementedError

    async def upload(self, data: bytes, name: str, bot: BotName) -> Image | File:
        self.begun += 1
        self.changed()
        try:
            await anyio.sleep_forever()
        finally:
            self.stopped += 1
            self.changed()
        raise AssertionError


@pytest.mark.parametrize("way", ["leave", "half_close"])
async def test_a_client_that_leaves_stops_what_is_sent_to_coze(nothing_left: None, way: str) -> None:
    bot = Storing()
    async with serving(bot) as running, connected(running.port) as leaver:
        await leaver.send(request(PNG, path="/upload"))
        await bot.until(lambda: bot.begun == 1)
        getattr(leaver, way)()
        await bot.until(lambda: bot.stopped == 1)


async def test_files_on_their_way_at_once_are_limited(nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "UPLOADING_BYTES", 2500)
    bot = Storing()
    async with serving(bot, upload_bytes=2000) as running, _client(running.url) as client:
        async with connected(running.port) as first, connected(running.port) as second:
            await first.send(request(b"x" * 1900, path="/upload"))
            await second.send(request(b"x" * 600, path="/upload"))
            await bot.until(lambda: bot.begun == 2)
            for data in (b"x", aiohttp.FormData({"file": BytesIO(b"x")}), BytesIO(b"x" * 1500)):
                async with client.http.post(f"{client.url}/upload", data=data) as answer:
                    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                    assert (await answer.json())["error"]["code"] == "overloaded"
            second.leave()
            await bot.until(lambda: bot.stopped == 1)
            async with connected(running.port) as third:
                await third.send(request(b"x" * 600, path="/upload"))
                await bot.until(lambda: bot.begun == 3)
        await bot.until(lambda: bot.stopped == 3)
