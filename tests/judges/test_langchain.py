"""LangChain's model of OpenAI over our face of OpenAI: text whole and as it comes, pictures, tools, and every failure
as an exception.  It reads half an answer as a whole one where nothing says otherwise: here something always does."""

import json
import random
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from houses import served, served_openly
from judged import driven
from pictures import png
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from servers import emulated, soon

KEY = "0123456789abcdef"
PICTURE = f"data:image/png;base64,{b64encode(png(3, 2)).decode()}"
BREAKS = ("eof after=3", "torn after=3", "cut after=3", "reset after=3", "error after=3 value=word", "failed after=3")
SILENT = ("deaf after=3", "half after=3", "trickle after=3")
RAISED = {
    "4000": ("OpenAIInvalidRequestError", 400, "coze_4000"),
    "4006": ("OpenAIModelNotFoundError", 404, "model_not_found"),
    "4008": ("OpenAIRateLimitError", 429, "insufficient_quota"),
    "4010": ("OpenAIContextOverflowError", 400, "context_length_exceeded"),
    "4014": ("OpenAIInvalidRequestError", 400, "content_filter"),
    "4016": ("ConflictError", 409, "conversation_busy"),
    "4009": ("OpenAIAPIError", 503, "overloaded"),
    "4020": ("OpenAIRateLimitError", 429, "rate_limited"),
    "4028": ("OpenAIRateLimitError", 429, "insufficient_quota"),
    "4302": ("APIStatusError", 413, "request_too_large"),
    "5000": ("OpenAIAPIError", 502, "coze_5000"),
    "6023": ("OpenAIAPIError", 504, "upstream_timeout"),
}
"""What each of Coze's codes comes to."""


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry waits as short as it may."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


async def judged(url: str, home: Path, **orders: list[str]) -> dict[str, Any]:
    """What each call came to."""
    order = json.dumps({"codes": [], "faults": [], **orders})
    return await driven("langchain", url, KEY, PICTURE, order, home=home)


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_langchain_is_satisfied(personality: Personality, tmp_path: Path) -> None:
    async with (
        emulated(OpenSettings(personality=personality, pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY, recovery_calls=0, idle_s=0.5) as url,
    ):
        told = await judged(url, tmp_path, codes=[*RAISED], faults=[*BREAKS, *SILENT])
    check_talking(told)
    if personality == "coze":  # Studio tells no usage in its streams
        assert told["invoke"]["usage"] > 0
        assert told["stream"]["usage"] > 0
    assert told["system"]["text"] == "Be brief.\n\nhello"
    assert "sea.png" in told["picture_by_url"]["text"], told["picture_by_url"]
    for way in ("tools", "tools_streamed"):
        if personality == "studio":  # it has no call that takes a tool's result
            assert (told[way]["status"], told[way]["code"]) == (404, "not_found"), told[way]
            continue
        assert told[way]["called"] == [["add_reminder", ["time", "what"]]]
        assert "stands there for 18:00" in told[way]["text"]
    for demand in ("tool_choice", "structured"):
        assert told[demand]["status"] == 400, told[demand]
    assert (told["wrong_key"]["raised"], told["wrong_key"]["code"]) == ("OpenAIAuthenticationError", "invalid_api_key")
    assert (told["wrong_model"]["raised"], told["wrong_model"]["code"]) == (
        "OpenAIModelNotFoundError",
        "model_not_found",
    )
    for code, (kind, status, ours) in RAISED.items():
        for way in ("whole", "stream"):
            outcome = told[f"{way} {code}"]
            assert (outcome["raised"], outcome["status"], outcome["code"]) == (kind, status, ours), (way, code)
    for fault in (*BREAKS, *SILENT):
        assert told[f"whole {fault}"]["raised"] == "OpenAIAPIError", fault
        assert told[f"stream {fault}"]["raised"] == "APIError", fault


async def test_with_recovery_half_an_answer_becomes_whole_or_raises(tmp_path: Path) -> None:
    faults = [f"{fault} after=3" for fault in ("eof", "cut", "reset", "deaf", "trickle")]  # of each of the rows one
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY, idle_s=0.5) as url,
    ):
        told = await judged(url, tmp_path, faults=faults)
    outcomes = [told[f"{way} {fault}"] for fault in faults for way in ("whole", "stream")]
    assert {each["text"] for each in outcomes if "raised" not in each} == {"one two three four five six"}


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_a_reader_that_leaves_in_the_middle_ends_the_chat_at_coze(
    personality: Personality, tmp_path: Path
) -> None:
    """CLIENTS §5 item 7."""
    async with (
        emulated(OpenSettings(personality=personality, pace=0.0)) as coze,
        served_openly(coze, tmp_path, key=KEY) as url,
    ):
        told = await judged(url, tmp_path, leaves=[])
        await soon(lambda: coze.open_api.seen.count("/v3/chat/cancel") == 2)
    assert told["left"] == "hello"
    assert "Timeout" in told["left_whole"]["raised"]


async def test_langchain_is_satisfied_over_the_playground(tmp_path: Path) -> None:
    async with emulated() as coze, served(coze, tmp_path, key=KEY) as url:
        told = await judged(url, tmp_path)
    check_talking(told)
    assert (told["picture_by_url"]["status"], told["picture_by_url"]["code"]) == (400, "not_supported_by_upstream")
    for way in ("tools", "tools_streamed", "tool_choice", "structured"):
        assert told[way]["status"] == 400, told[way]


def check_talking(told: dict[str, Any]) -> None:
    """What every upstream can do."""
    assert told["invoke"]["text"] == "hello there"
    assert (told["invoke"]["finish"], told["invoke"]["model"]) == ("stop", "echo")
    assert (told["stream"]["text"], told["stream"]["finish"]) == ("hello there you all", "stop")
    assert told["stream"]["pieces"] > 1
    assert told["astream"] == ["one", "two", "three"]
    assert "Ada" in told["memory"]["text"]
    assert "3 × 2" in told["picture"]["text"], told["picture"]
