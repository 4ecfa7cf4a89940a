"""LangChain's model of OpenAI over our face of OpenAI: text whole and as it comes, pictures, tools, and every failure
as an exception.  It reads half an answer as a whole one where nothing says otherwise: here something always does."""

import random
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from houses import served_openly
from judged import driven
from pictures import png
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from servers import emulated

KEY = "0123456789abcdef"
PICTURE = f"data:image/png;base64,{b64encode(png(3, 2)).decode()}"
BREAKS = ("eof after=3", "cut after=3", "reset after=3", "error after=3 value=word", "failed after=3")
RAISED = {
    "4000": ("OpenAIInvalidRequestError", 400, "coze_4000"),
    "4006": ("OpenAIModelNotFoundError", 404, "model_not_found"),
    "4008": ("OpenAIRateLimitError", 429, "insufficient_quota"),
    "4010": ("OpenAIContextOverflowError", 400, "context_length_exceeded"),
    "4014": ("OpenAIInvalidRequestError", 400, "content_filter"),
    "4016": ("ConflictError", 409, "conversation_busy"),
    "4020": ("OpenAIRateLimitError", 429, "rate_limited"),
    "5000": ("OpenAIAPIError", 502, "coze_5000"),
}
"""What each of Coze's codes comes to."""


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry waits as short as it may."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


async def judged(personality: Personality, folder: Path) -> dict[str, Any]:
    """What each call came to."""
    async with (
        emulated(OpenSettings(personality=personality, pace=0.0)) as coze,
        served_openly(coze, folder, key=KEY, recovery_calls=0) as url,
    ):
        return await driven("langchain", url, KEY, PICTURE, home=folder)


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_langchain_is_satisfied(personality: Personality, tmp_path: Path) -> None:
    told = await judged(personality, tmp_path)
    assert told["invoke"]["text"] == "hello there"
    assert (told["invoke"]["finish"], told["invoke"]["model"]) == ("stop", "echo")
    assert (told["stream"]["text"], told["stream"]["finish"]) == ("hello there you all", "stop")
    assert told["stream"]["pieces"] > 1
    if personality == "coze":  # Studio tells no usage in its streams
        assert told["invoke"]["usage"] > 0
        assert told["stream"]["usage"] > 0
    assert told["astream"] == ["one", "two", "three"]
    assert told["system"]["text"] == "Be brief.\n\nhello"
    assert "Ada" in told["memory"]["text"]
    assert "3 × 2" in told["picture"]["text"], told["picture"]
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
    for fault in BREAKS:
        assert told[f"whole {fault}"]["raised"] == "OpenAIAPIError", fault
        assert told[f"stream {fault}"]["raised"] == "APIError", fault
