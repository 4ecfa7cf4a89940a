"""The Responses of OpenAI's official Python SDK over our face of them, and an emulated Coze behind."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from houses import served, served_openly
from judged import driven
from pictures import png
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
HALF = ("eof", *(f"{fault} after=3" for fault in ("eof", "torn", "cut", "reset", "error", "unfinished")))
WAYS = ("whole", "raw", "helper")


async def judged(base: str, home: Path, *faults: str) -> dict[str, Any]:
    """What each call of the SDK came to."""
    picture, wished = base64.b64encode(png(3, 2)).decode(), msgspec.json.encode(faults).decode()
    return await driven("openai", f"{base}/v1", KEY, picture, wished, home=home, script="responses.py")


def failed(outcome: Any) -> tuple[Any, ...]:
    assert "raised" in outcome, outcome
    return outcome["status"], outcome["raised"], outcome["code"]


def assert_talks(told: dict[str, Any]) -> None:
    """What every Coze can do."""
    for way in WAYS:
        found = told[way]
        assert (found["text"], found["status"], found["kinds"]) == ("hello there", "completed", ["message"]), found
    assert told["raw"]["deltas"] == told["helper"]["snapshot"] == "hello there"
    assert told["raw"]["end"] == "response.completed"
    assert told["raw"]["numbers"] == list(range(len(told["raw"]["numbers"])))
    assert told["ignored"] == {"ignored": "tools", "text": "hello"}
    assert failed(told["no_bot"]) == (404, "NotFoundError", "model_not_found")
    assert failed(told["wrong_key"]) == (401, "AuthenticationError", "invalid_api_key")
    for demanded in ("demanded_tool", "demanded_form"):
        assert failed(told[demanded]) == (400, "BadRequestError", "bad_request")
    assert told["picture"] == "You gave me 1 attachment(s)."
    assert "Ada" in told["history"]["text"]


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_the_official_sdk_gets_responses(personality: Personality, tmp_path: Path) -> None:
    """CLIENTS §4.4."""
    async with (
        emulated(OpenSettings(pace=0.0, personality=personality)) as coze,
        served_openly(coze, tmp_path, key=KEY) as base,
    ):
        told = await judged(base, tmp_path)
    assert_talks(told)
    assert told["picture_url"] == told["file"] == "You gave me 1 attachment(s)."
    is_studio = personality == "studio"
    assert [told[way]["usage"] for way in WAYS] == [None if is_studio else 4] * 3
    if is_studio:  # nor has it a call that takes a tool's result
        assert failed(told["tools"])[:2] == (404, "NotFoundError")
        return
    for way in ("tools", "tools_streamed"):
        assert told[way]["names"] == ["add_reminder", "get_weather"]
        assert told[way]["arguments"][1] == {"city": "Berlin"}
        assert told[way]["text"] == "The tool says: add_reminder is done; get_weather is done"


async def test_the_official_sdk_gets_responses_over_the_playground(tmp_path: Path) -> None:
    async with emulated() as coze, served(coze, tmp_path, key=KEY) as base:
        told = await judged(base, tmp_path)
    assert_talks(told)
    assert failed(told["picture_url"]) == (400, "BadRequestError", "not_supported_by_upstream")


@pytest.mark.parametrize("recovery_calls", [0, 8])
async def test_half_a_response_never_looks_whole(recovery_calls: int, tmp_path: Path) -> None:
    """A stream's own events tell of a failure: `response.failed`, and `error`, by which the package raises."""
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY, recovery_calls=recovery_calls) as base,
    ):
        told = await judged(base, tmp_path, *HALF)
    for name, found in ((f"{fault} {way}", told[f"{fault} {way}"]) for fault in HALF for way in WAYS):
        is_whole = recovery_calls and found.get("text") == "one two three four five six"
        assert "raised" in found or (is_whole and found["status"] == "completed"), (name, found)
        assert is_whole or found["raised"] in ("APIError", "InternalServerError"), (name, found)
