"""The official Python SDK of Anthropic's API over our Messages API: what it is given, and that it raises for what is
not whole.  It reads a stream that just ends as a whole answer; here something always says otherwise."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from houses import open_settings_for, settings_for
from judged import driven
from pictures import png
from realcoze.app.config import Settings
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.account import BOTS
from realcoze.emulator.open_api.settings import OpenSettings, Personality
from servers import emulated

KEY = "0123456789abcdef"
PICTURE = b64encode(png(3, 2)).decode()
DOCUMENT = b64encode(b"%PDF-1.7\n" + bytes(100)).decode()
ALIAS = "claude-sonnet-4"
RAISED = {
    "4000": ("BadRequestError", 400, "invalid_request_error", "coze_4000"),
    "4006": ("NotFoundError", 404, "not_found_error", "model_not_found"),
    "4008": ("RateLimitError", 429, "rate_limit_error", "insufficient_quota"),
    "4009": ("OverloadedError", 529, "overloaded_error", "overloaded"),
    "4010": ("BadRequestError", 400, "invalid_request_error", "context_length_exceeded"),
    "4014": ("BadRequestError", 400, "invalid_request_error", "content_filter"),
    "4016": ("RateLimitError", 429, "rate_limit_error", "conversation_busy"),
    "4020": ("RateLimitError", 429, "rate_limit_error", "rate_limited"),
    "4028": ("PaymentRequiredError", 402, "billing_error", "insufficient_quota"),
    "5000": ("InternalServerError", 500, "api_error", "coze_5000"),
    "6023": ("GatewayTimeoutError", 504, "timeout_error", "upstream_timeout"),
}
"""What each of Coze's codes comes to."""

BREAKS = ("eof after=3", "torn after=3", "cut after=3", "reset after=3", "error after=3", "failed after=3")
SILENT = ("deaf after=3", "half after=3", "trickle after=3")
WHOLE = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
]


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[str]:
    """All of it with a key and an alias; its address."""
    settings.server.key = KEY
    settings.bots[BotName("echo")].aliases = [ALIAS]
    async with (
        open_house(settings) as house,
        listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
    ):
        yield f"http://127.0.0.1:{port}"


async def judged(settings: Settings, home: Path, **orders: Any) -> dict[str, Any]:
    """What each call came to."""
    order = json.dumps({"codes": [], "faults": [], "at_once": 1, "leaves": False, **orders})
    async with served(settings) as url:
        return await driven("anthropic", url, KEY, PICTURE, DOCUMENT, order, home=home)


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_the_official_sdk_is_satisfied_over_the_open_api(personality: Personality, tmp_path: Path) -> None:
    """CLIENTS §4.3: `error` raises, and a stream that was cut is no answer."""
    async with emulated(OpenSettings(personality=personality, pace=0.0)) as coze:
        settings = open_settings_for(coze, tmp_path)
        settings.upstreams["coze"].recovery_calls = 0  # type: ignore[union-attr]
        settings.upstreams["coze"].idle_s = 0.5
        told = await judged(settings, tmp_path, codes=list(RAISED), faults=[*BREAKS, *SILENT], at_once=8)
    check_talking(told, is_counted=personality == "coze")
    check_refusals(told)
    assert told["system"]["text"] == "Be brief.\n\nhello"
    assert "sea.png" in told["picture_by_url"]["text"], told["picture_by_url"]
    assert "sea.pdf" in told["document_by_url"]["text"], told["document_by_url"]
    for way in ("tools", "tools_streamed"):
        if personality == "studio":  # it has no call that takes a tool's result
            assert raised(told[way]) == ("NotFoundError", 404, "not_found_error", "not_found")
            continue
        assert told[way]["called"] == [["add_reminder", ["time", "what"]]]
        assert told[way]["stops"] == ["tool_use", "end_turn"]
        assert told[way]["text"] == "The tool says: It stands there"
        assert told[way]["after"] == "end_turn"
    for code, outcome in RAISED.items():
        for way in ("whole", "stream"):
            assert raised(told[f"{way} {code}"]) == outcome, (way, code)
    for fault in BREAKS:
        assert raised(told[f"whole {fault}"])[:3] == ("InternalServerError", 500, "api_error"), fault
        for way in ("raw", "stream"):  # what has begun has its status, which the SDK goes by
            assert raised(told[f"{way} {fault}"])[:3] == ("APIStatusError", 200, "api_error"), (way, fault)
    for fault in SILENT:
        assert raised(told[f"whole {fault}"])[:3] == ("GatewayTimeoutError", 504, "timeout_error"), fault
        for way in ("raw", "stream"):
            assert raised(told[f"{way} {fault}"])[:3] == ("APIStatusError", 200, "timeout_error"), (way, fault)


@pytest.mark.parametrize("personality", ["coze", "studio"])
async def test_a_reader_that_leaves_in_the_middle_ends_the_chat_at_coze(
    personality: Personality, tmp_path: Path
) -> None:
    """CLIENTS §5 item 7."""
    async with emulated(OpenSettings(personality=personality, pace=0.0)) as coze:
        told = await judged(open_settings_for(coze, tmp_path), tmp_path, leaves=True)
        assert coze.open_api.seen.count("/v3/chat/cancel") == 2
    assert told["left"] == "still there"
    assert told["left_whole"]["raised"] == "APITimeoutError"


async def test_the_official_sdk_is_satisfied_over_the_playground(tmp_path: Path) -> None:
    async with emulated() as coze:
        settings = settings_for(coze, tmp_path)
        settings.upstreams["playground"].idle_s = 1.0
        told = await judged(settings, tmp_path, faults=["cut after=3", "unfinished"])
    check_talking(told, is_counted=True)
    check_refusals(told)
    for call in ("picture_by_url", "document_by_url"):
        kind, status, _, code = raised(told[call])
        assert (kind, status, code) == ("BadRequestError", 400, "not_supported_by_upstream"), call
    for way in ("tools", "tools_streamed"):
        assert raised(told[way])[:2] == ("BadRequestError", 400), told[way]
    for fault in ("cut after=3", "unfinished"):
        for way in ("whole", "raw", "stream"):
            assert "raised" in told[f"{way} {fault}"], (way, fault, told[f"{way} {fault}"])


async def test_with_recovery_half_an_answer_becomes_whole_or_raises(tmp_path: Path) -> None:
    async with emulated(OpenSettings(pace=0.0)) as coze:
        settings = open_settings_for(coze, tmp_path)
        settings.upstreams["coze"].idle_s = 0.5
        told = await judged(settings, tmp_path, faults=[*BREAKS, *SILENT], at_once=8)
    outcomes = [told[f"{way} {fault}"] for fault in (*BREAKS, *SILENT) for way in ("whole", "raw", "stream")]
    assert {outcome["text"] for outcome in outcomes if "raised" not in outcome} == {"one two three four five six"}


def check_talking(told: dict[str, Any], *, is_counted: bool) -> None:
    """What every upstream can do."""
    for way in ("create", "blocks", "beta"):
        assert told[way]["text"] == "hello there", told[way]
        assert (told[way]["stop"], told[way]["model"], told[way]["id"]) == ("end_turn", "echo", "msg_")
        assert told[way]["kinds"] == ["text"]
        assert (told[way]["usage"] > 0) == is_counted
    assert told["stream"]["text"] == told["stream"]["streamed"] == "hello there you all"
    assert told["stream"]["stop"] == "end_turn"
    assert (told["stream"]["usage"] > 0) == is_counted
    assert told["raw"]["types"] == WHOLE
    assert told["raw"]["text"] == "hello there you all"
    assert told["raw"]["pieces"] > 1
    assert told["at_once"] == ["one", "two", "three"]
    assert "Ada" in told["memory"]["text"]
    assert "3 × 2" in told["picture"]["text"], told["picture"]
    assert "application/pdf" in told["document"]["text"], told["document"]
    assert told["ignored"] == {"ignored": "tools", "request_id": "req_"}
    assert told["count"] == {"tokens": 4, "estimate": "true"}
    assert told["models"] == [*(bot.name for bot in BOTS), ALIAS], "page by page"
    assert (told["model"], told["alias"]) == ("echo", ALIAS)


def check_refusals(told: dict[str, Any]) -> None:
    """What no bot can do, and what nobody may."""
    for demand in ("tool_choice", "output", "prefill"):
        assert raised(told[demand]) == ("BadRequestError", 400, "invalid_request_error", "bad_request"), demand
    for unknown in ("wrong_model", "unknown_model", "count_unknown"):
        assert raised(told[unknown]) == ("NotFoundError", 404, "not_found_error", "model_not_found"), unknown
    assert raised(told["wrong_key"]) == ("AuthenticationError", 401, "authentication_error", "invalid_api_key")
    assert raised(told["too_large"]) == ("ContentTooLargeError", 413, "request_too_large", "request_too_large")


def raised(outcome: Any) -> tuple[str, int, str, str]:
    """Class, status, type and code of what a call failed with."""
    assert "raised" in outcome, outcome
    return outcome["raised"], outcome["status"], outcome["type"], outcome["code"]
