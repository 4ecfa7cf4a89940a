"""The official Python SDK of OpenAI's API over our face of it, and an emulated Coze behind."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from houses import served, served_openly
from judged import driven
from pictures import png
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from realcoze.emulator.sound import wav_of
from servers import Coze, emulated, soon

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"
CODES = {
    "4000": (400, "BadRequestError", "coze_4000", "invalid_request_error"),
    "4010": (400, "BadRequestError", "context_length_exceeded", "invalid_request_error"),
    "4014": (400, "BadRequestError", "content_filter", "invalid_request_error"),
    "4015": (404, "NotFoundError", "model_not_found", "invalid_request_error"),
    "4302": (413, "APIStatusError", "request_too_large", "request_too_large"),
    "4016": (409, "ConflictError", "conversation_busy", "invalid_request_error"),
    "4020": (429, "RateLimitError", "rate_limited", "rate_limit_error"),
    "4009": (503, "InternalServerError", "overloaded", "overloaded"),
    "4028": (429, "RateLimitError", "insufficient_quota", "insufficient_quota"),
    "5000": (502, "InternalServerError", "coze_5000", "upstream_error"),
    "6023": (504, "InternalServerError", "upstream_timeout", "upstream_error"),
}
DENIED = {
    "4101": (502, "InternalServerError", "upstream_forbidden", "upstream_error"),
    "4102": (503, "InternalServerError", "upstream_blocked", "upstream_error"),
}
"""After these the account is left alone for a while, so each has a house of its own."""

HALF = ("eof", *(f"{fault} after=3" for fault in ("eof", "torn", "cut", "reset", "error", "unfinished")))
SILENT = tuple(f"{fault} after=3" for fault in ("deaf", "half", "trickle"))


async def judged(base: str, home: Path, key: str = KEY, **orders: Any) -> dict[str, Any]:
    """What each call of the SDK came to."""
    picture = base64.b64encode(png(3, 2)).decode()
    sound = base64.b64encode(wav_of("hello")).decode()
    order = msgspec.json.encode({"codes": [], "faults": [], **orders}).decode()
    return await driven("openai", f"{base}/v1", key, picture, sound, order, home=home)


@asynccontextmanager
async def house(personality: Personality, folder: Path, **options: Any) -> AsyncIterator[tuple[Coze, str]]:
    """A Coze and a whole realcoze before it."""
    async with (
        emulated(OpenSettings(pace=0.0, personality=personality)) as coze,
        served_openly(coze, folder, key=KEY, **options) as base,
    ):
        yield coze, base


def failed(outcome: Any) -> tuple[Any, ...]:
    """How a call failed."""
    assert "raised" in outcome, outcome
    return outcome["status"], outcome["raised"], outcome["code"], outcome["type"]


def assert_talks(told: dict[str, Any]) -> None:
    """What every Coze can do."""
    assert told["whole"]["text"] == told["raw"]["text"] == told["helper"]["text"] == "hello there"
    assert told["whole"]["finish"] == told["helper"]["finish"] == "stop"
    assert (told["raw"]["roles"], told["raw"]["finish"], told["raw"]["heads"]) == (["assistant"], ["stop"], 1)
    assert told["raw"]["usage"] == []
    assert told["whole"]["more"] == told["raw"]["more"] == {}
    assert told["ignored"] == {"ignored": "tools, seed", "text": "hello"}
    assert (told["completion"], told["completion_streamed"]) == ("hello there", ["hello there", ["stop"]])
    assert told["at_once"] == [f"number {number}" for number in range(8)]
    assert told["models"] == [bot.name for bot in BOTS]
    assert told["model"] == "coze"
    assert failed(told["no_model"]) == (404, "NotFoundError", "model_not_found", "invalid_request_error")
    assert failed(told["no_bot"]) == (404, "NotFoundError", "model_not_found", "invalid_request_error")
    assert failed(told["wrong_key"]) == (401, "AuthenticationError", "invalid_api_key", "authentication_error")
    for demanded in ("two", "demanded_tool", "demanded_form"):
        assert failed(told[demanded]) == (400, "BadRequestError", "bad_request", "invalid_request_error")
    assert told["picture"] == told["picture_streamed"] == "You gave me 1 attachment(s)."


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_the_official_sdk_talks(personality: Personality, tmp_path: Path) -> None:
    """CLIENTS §4.2 rule 3.  CLIENTS §4.2 rule 4.  CLIENTS §4.2 rule 8.  CLIENTS §4.2 rule 10.  CLIENTS §5 item 13."""
    async with house(personality, tmp_path) as (_, base):
        told = await judged(base, tmp_path, codes=[*CODES])
    assert_talks(told)
    assert told["picture_url"] == told["sound"] == told["file"] == "You gave me 1 attachment(s)."
    for code, outcome in CODES.items():
        assert failed(told[f"code {code}"]) == failed(told[f"code {code} streamed"]) == outcome
    is_studio = personality == "studio"  # which does not count
    assert told["whole"]["usage"] == (0 if is_studio else 4)
    assert told["usage"]["usage"] == ([] if is_studio else [4])
    assert set(told["extras"]["x_coze"]) == {"conversation_id", "chat_id", "follow_ups", "steps"}
    assert told["extras"]["x_coze"]["follow_ups"][0] == "Do you remember what I said?"
    if is_studio:  # nor has it a call that takes a tool's result
        assert failed(told["tools"])[:2] == (404, "NotFoundError")
    assert told["extras_streamed"]["x_coze"]["follow_ups"] == told["extras"]["x_coze"]["follow_ups"]


async def test_the_official_sdk_runs_tools_that_the_bot_asks_for(tmp_path: Path) -> None:
    """CLIENTS §5 item 9."""
    async with house("coze", tmp_path) as (_, base):
        told = await judged(base, tmp_path)
    for way in ("tools", "tools_streamed"):
        assert told[way]["finish"] == "tool_calls"
        assert told[way]["names"] == ["add_reminder", "get_weather"]
        assert told[way]["arguments"][1] == {"city": "Berlin"}
        assert told[way]["text"] == "The tool says: add_reminder is done; get_weather is done"
        assert told[way]["finish_after"] == "stop"


@pytest.mark.parametrize("code", DENIED)
async def test_what_coze_denies_is_no_fault_of_the_sdk_s_key(code: str, tmp_path: Path) -> None:
    async with house("coze", tmp_path) as (_, base):
        told = await judged(base, tmp_path, codes=[code])
    assert failed(told[f"code {code}"]) == DENIED[code]


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_a_reader_that_leaves_in_the_middle_ends_the_chat_at_coze(
    personality: Personality, tmp_path: Path
) -> None:
    """CLIENTS §5 item 7."""
    async with house(personality, tmp_path) as (coze, base):
        told = await judged(base, tmp_path, stop=[])
        await soon(lambda: coze.open_api.seen.count("/v3/chat/cancel") == 2)
    assert told["stopped"] == "hello"
    assert told["stopped_whole"]["raised"] == "APITimeoutError"


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_half_an_answer_raises_however_it_is_asked_for(personality: Personality, tmp_path: Path) -> None:
    """CLIENTS §4.2 rule 5.  CLIENTS §5 item 5."""
    faults = [*HALF, *SILENT]
    async with house(personality, tmp_path, recovery_calls=0, idle_s=0.5) as (_, base):
        told = await judged(base, tmp_path, faults=faults)
    outcomes = {f"{fault} {way}": told[f"{fault} {way}"] for fault in faults for way in ("whole", "raw", "helper")}
    assert [name for name, outcome in outcomes.items() if "raised" not in outcome] == []


async def test_with_recovery_half_an_answer_becomes_whole_or_raises(tmp_path: Path) -> None:
    faults = [*HALF, *SILENT]
    async with house("coze", tmp_path, idle_s=0.5) as (_, base):
        told = await judged(base, tmp_path, faults=faults)
    outcomes = [told[f"{fault} {way}"] for fault in faults for way in ("whole", "raw", "helper")]
    assert {outcome["text"] for outcome in outcomes if "raised" not in outcome} == {"one two three four five six"}


async def test_the_official_sdk_talks_over_the_playground(tmp_path: Path) -> None:
    async with emulated() as coze, served(coze, tmp_path, key=KEY) as base:
        told = await judged(base, tmp_path)
    assert_talks(told)
    assert failed(told["picture_url"])[:3] == (400, "BadRequestError", "not_supported_by_upstream")
    assert told["usage"]["usage"] == [4]
