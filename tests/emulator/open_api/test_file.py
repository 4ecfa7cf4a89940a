from collections.abc import Sequence

import aiohttp
import pytest

from open_coze import Answer, OpenClient, open_coze
from realcoze.emulator.open_api import file as files_of_open_api

pytestmark = pytest.mark.usefixtures("nothing_left")


async def uploaded(coze: OpenClient, *files: tuple[str, bytes], field: str = "file") -> Answer:
    form = aiohttp.FormData({"other": "x"}, default_to_multipart=True)
    for name, data in files:
        form.add_field(field, data, filename=name, content_type="application/octet-stream")
    return await coze.call("POST", "/v1/files/upload", data=form)


async def test_a_file_is_kept_under_an_id() -> None:
    async with open_coze() as coze:
        file = (await uploaded(coze, ("a.txt", b"hello"))).json["data"]
        assert (file["file_name"], file["bytes"]) == ("a.txt", 5)
        assert (await coze.get("/v1/files/retrieve", file_id=file["id"])).json["data"] == file
        assert coze.server.state.find_file(file["id"]) == b"hello"
        assert coze.wire.count("upload") == 1
        assert (await coze.get("/v1/files/retrieve", file_id="1")).json["code"] == 4200


@pytest.mark.parametrize(
    ("files", "code"),
    [([], 4300), ([("a", b"")], 4300), ([("a", b"1"), ("b", b"2")], 4301), ([("a", bytes(2000))], 4302)],
)
async def test_what_is_no_single_file_is_refused(
    files: Sequence[tuple[str, bytes]], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_of_open_api, "FILE_BYTES", 1999)
    async with open_coze() as coze:
        assert (await uploaded(coze, *files)).json["code"] == code
        assert coze.server.state.files == {}


async def test_only_a_form_with_the_right_field_is_an_upload() -> None:
    async with open_coze() as coze:
        assert (await coze.post("/v1/files/upload", {"file": "x"})).json["code"] == 4300
        assert (await uploaded(coze, ("a", b"1"), field="document")).json["code"] == 4300
