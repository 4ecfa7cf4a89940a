import json
from pathlib import Path

import pytest

from houses import served_openly
from native_server import exchange, parsed, request
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.faces.http import TEXT_BODY_BYTES
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
FORM = "multipart/form-data; boundary=x; charset=undefined"
"""A charset that Python cannot decode is nothing to fail by."""

LONG = json.dumps({"input": "a" * TEXT_BODY_BYTES}).encode()
PART = '--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


def form(**fields: str) -> bytes:
    file = PART % ("file", '; filename="a.txt"', "no sound")
    return "".join([*(PART % (name, "", value) for name, value in fields.items()), file, "--x--\r\n"]).encode()


async def test_what_is_wrong_is_told_in_openai_s_shape(tmp_path: Path) -> None:
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY, voice_id=next(iter(VOICES))) as base,
    ):
        port = int(base.rpartition(":")[2])
        spoken = json.dumps({"input": "Hello", "model": "nobody", "voice": "alloy"}).encode()
        cases = [
            (request(spoken, path="/v1/audio/speech"), 401, "invalid_api_key"),
            (request(spoken, path="/v1/audio/speech", x_api_key=KEY), 404, "model_not_found"),
            (request(b"{}", path="/audio/speech", x_api_key=KEY), 400, "bad_request"),
            (request(LONG, path="/v1/audio/speech", x_api_key=KEY), 413, "request_too_large"),
            (request(LONG, path="/speech", x_api_key=KEY), 413, "request_too_large"),
            (request(b'{"model":"echo"}', path="/v1/audio/transcriptions", x_api_key=KEY), 400, "bad_request"),
            *(
                (
                    request(form(**fields), path="/v1/audio/transcriptions", x_api_key=KEY, content_type=FORM),
                    status,
                    code,
                )
                for fields, status, code in (
                    ({"model": "echo"}, 400, "bad_request"),
                    ({"model": "nobody"}, 404, "model_not_found"),
                    ({"model": "echo", "response_format": "vtt"}, 400, "bad_request"),
                )
            ),
        ]
        for sent, status, code in cases:
            answer = parsed(await exchange(port, sent))
            assert (answer.status, answer.json["error"]["code"]) == (status, code)
            assert answer.headers["x-request-id"].startswith("req_")
        assert coze.open_api.seen.calls == []
