"""Responses that are kept, as OpenAI's official Python SDK finds them, and an emulated Coze behind."""

import base64
from pathlib import Path
from typing import Any

import pytest

from houses import open_settings_for
from judged import driven
from pictures import png
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.gateway.continuity import History
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
SLOW = "one two three [[fault stall]]"


def failed(outcome: Any) -> tuple[Any, ...]:
    assert "raised" in outcome, outcome
    return outcome["status"], outcome["raised"], outcome["code"]


@pytest.mark.parametrize("history", ["replay", "continue"])
async def test_the_official_sdk_goes_on_with_responses_and_fetches_them(history: History, tmp_path: Path) -> None:
    picture = base64.b64encode(png(3, 2)).decode()
    async with emulated(OpenSettings(pace=0.0)) as coze:
        settings = open_settings_for(coze, tmp_path, key=KEY)
        for bot in settings.bots.values():
            bot.history = history
        async with (
            open_house(settings) as house,
            listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
        ):
            base = f"http://127.0.0.1:{port}/v1"
            told = await driven("openai", base, KEY, picture, SLOW, home=tmp_path, script="kept.py")
    assert told["chain"] == {"text": "You are Ada.", "store": True, "previous": True, "again": True}
    assert told["streamed"] == told["referred"] == "You are Ada."
    assert (told["listed"]["newest"][0], told["listed"]["newest"][2]) == ("Two", "One")
    assert (told["listed"]["roles"], told["listed"]["by_pages"]) == (["user", "assistant", "user"], True)
    assert told["seen"] == ["Look", "[a picture]"]
    assert told["tools"] == "The tool says: add_reminder; get_weather"
    assert told["behind"] == ["queued", "completed", "hello there"]
    assert told["behind_streamed"] == {
        "first": ["response.created", "response.queued", "response.in_progress"],
        "last": "response.completed", "text": "hello there", "kept": "completed",
    }  # fmt: skip
    assert told["stopped"] == ["queued", "cancelled", "cancelled", "cancelled"]
    assert failed(told["deleted"]) == failed(told["unkept"]) == (404, "NotFoundError", "not_found")
    assert failed(told["nowhere"]) == (404, "NotFoundError", "previous_response_not_found")
    for wrong in ("both", "no_order", "streamed_again", "stopped_in_vain"):
        assert failed(told[wrong]) == (400, "BadRequestError", "bad_request")
