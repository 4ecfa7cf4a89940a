"""The files of OpenAI's official Python SDK over our face of them, and an emulated Coze behind."""

import base64
from pathlib import Path
from typing import Any

import pytest

from houses import served, served_openly
from judged import driven
from pictures import png
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
HOUSES = {"open": served_openly, "playground": served}


def failed(outcome: Any) -> tuple[Any, ...]:
    assert "raised" in outcome, outcome
    return outcome["status"], outcome["raised"], outcome["code"]


@pytest.mark.parametrize("upstream", HOUSES)
async def test_the_official_sdk_uploads_lists_and_deletes_files(upstream: str, tmp_path: Path) -> None:
    picture = png(3, 2)
    async with emulated(OpenSettings(pace=0.0)) as coze, HOUSES[upstream](coze, tmp_path, key=KEY) as base:
        sent = base64.b64encode(picture).decode()
        told = await driven("openai", f"{base}/v1", KEY, sent, home=tmp_path, script="files.py")
    assert told["uploaded"] == ["file", "a.png", len(picture), "vision", "processed", True]
    assert told["had_again"] is True
    assert told["listed"] == [["2.png", "1.png", "0.png"], ["0.png", "1.png", "2.png"], ["0.png"]]
    assert told["shown"] == ["You gave me 1 attachment(s)."] * 2
    assert told["deleted"] == [True, True, False]
    assert told["of_a_bot"] == "a.png"
    assert failed(told["of_no_bot"]) == (404, "NotFoundError", "model_not_found")
    assert failed(told["content"]) == (400, "BadRequestError", "not_supported_by_upstream")
    assert failed(told["nowhere"]) == (404, "NotFoundError", "not_found")
    assert failed(told["no_purpose"]) == (400, "BadRequestError", "bad_request")
