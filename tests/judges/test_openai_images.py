"""The pictures of OpenAI's official Python SDK over our face of it, and an emulated Coze behind."""

from pathlib import Path

import pytest

from houses import served_openly
from judged import driven
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
TWO = ["https://example.com/a.png", "https://example.com/b.png"]


async def test_the_official_sdk_has_pictures_drawn(tmp_path: Path) -> None:
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY) as base,
    ):
        told = await driven("openai", f"{base}/v1", KEY, home=tmp_path, script="images.py")
        asked = len(coze.open_api.seen.chats)
    assert told["drawn"] == [f"{coze.base}/drawn/a%20cat.png"]
    assert told["facts"] == [True, True]
    assert told["two"] == told["dressed"] == TWO
    assert told["workflow"] == ["https://s.coze.cn/t/abc/"]
    assert told["ignored"] == "size, style"
    refused = ("words", "several", "bytes", "streamed", "nobody")
    wrong = {name: (told[name]["raised"], told[name]["status"], told[name]["code"]) for name in refused}
    assert wrong == {
        "words": ("BadRequestError", 400, "no_picture"),
        "several": ("BadRequestError", 400, "bad_request"),
        "bytes": ("BadRequestError", 400, "bad_request"),
        "streamed": ("BadRequestError", 400, "bad_request"),
        "nobody": ("NotFoundError", 404, "model_not_found"),
    }
    assert "It said: No picture at all" in told["words"]["said"]
    assert "fetch_urls" in told["bytes"]["said"]
    assert asked == 7, "one call each, and none for what is refused"
