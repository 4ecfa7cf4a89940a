"""Agents on other people's clients, which finish a task of three steps with a bot that is told of tools in words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from houses import open_settings_for, settings_for
from judged import driven
from realcoze.app.server import listening
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.ids import BotName
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef"
STEPS = {"called": ["add", "multiply", "subtract"], "said": [*3 * ["Let me work it out."], "That makes 19."]}
Upstream = Literal["open", "studio", "continue", "playground"]


@asynccontextmanager
async def served(upstream: Upstream, folder: Path) -> AsyncIterator[str]:
    """All of it, with a bot that emulates tools."""
    personality: Literal["coze", "studio"] = "studio" if upstream == "studio" else "coze"
    async with emulated(OpenSettings(personality=personality, pace=0.0)) as coze:
        settings = (settings_for if upstream == "playground" else open_settings_for)(coze, folder)
        settings.server.key = KEY
        reckoner = settings.bots[BotName("reckoner")]
        reckoner.tools = "emulate"
        if upstream == "continue":
            reckoner.history = "continue"
        async with (
            open_house(settings) as house,
            listening(build_app(house, settings), host="127.0.0.1", port=0, grace_s=1) as port,
        ):
            yield f"http://127.0.0.1:{port}"


async def judged(judge: str, upstream: Upstream, folder: Path, path: str = "") -> dict[str, Any]:
    async with served(upstream, folder) as base:
        return await driven(judge, f"{base}{path}", KEY, home=folder, script="agent.py")


@pytest.mark.parametrize("upstream", ["open", "continue", "playground"])
async def test_an_agent_on_openai_s_sdk_finishes_in_three_steps(upstream: Upstream, tmp_path: Path) -> None:
    told = await judged("openai", upstream, tmp_path, "/v1")
    for way in ("chat", "chat_streamed"):
        assert told[way] == {**STEPS, "finish": "stop"}, way
    for way in ("responses", "responses_streamed"):
        assert told[way] == {**STEPS, "finish": "completed"}, way
    assert told["at_once"]["called"] == told["one_by_one"]["called"] == ["add", "subtract", "multiply"]
    assert len(told["at_once"]["said"]) < len(told["one_by_one"]["said"])
    for way in ("mended", "mended_streamed"):
        assert told[way]["called"] == STEPS["called"]
        assert told[way]["said"][0] == "I shall call one.\n\nLet me work it out."
    for way in ("required", "unfit"):
        assert (told[way]["status"], told[way]["code"]) == (502, "answer_unfit"), told[way]
    assert told["chosen"] == ["add"]
    assert told["none"]["said"] == ["For that I lack tools: add, multiply, subtract."]
    assert told["form"] == told["schema"] == told["schema_of_a_response"] == {"result": 19}
    assert (told["no_schema"]["status"], told["no_schema"]["code"]) == (400, "bad_request")
    assert told["ignored"] is None


@pytest.mark.parametrize("upstream", ["studio", "playground"])
async def test_an_agent_on_anthropic_s_sdk_finishes_in_three_steps(upstream: Upstream, tmp_path: Path) -> None:
    told = await judged("anthropic", upstream, tmp_path)
    for way in ("whole", "streamed"):
        assert told[way] == {**STEPS, "finish": "end_turn"}, way
    assert told["mended"]["called"] == STEPS["called"]
    assert told["any"]["raised"] == "InternalServerError", told["any"]
    assert told["runner"] == "That makes 20.", told["runner"]
    assert told["schema"] == {"result": 19}


@pytest.mark.parametrize("upstream", ["continue"])
async def test_agents_of_langchain_finish_in_three_steps(upstream: Upstream, tmp_path: Path) -> None:
    told = await judged("langchain", upstream, tmp_path)
    for way in ("agent", "agent_of_responses"):
        assert told[way] == {"called": STEPS["called"], "text": "That makes 19."}, told[way]
    for way in ("agent_streamed", "agent_of_responses_streamed"):
        assert told[way] == "".join(STEPS["said"]), told[way]
    for way in ("responses", "responses_streamed"):
        assert told[way]["text"].startswith("Give me a sum"), told[way]
        assert told[way]["usage"] > 0
    assert told["structured"]["raised"] == "OpenAIAPIError", told["structured"]
