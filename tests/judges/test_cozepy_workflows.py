"""cozepy 0.20.0 and the emulator's tools, workflows and chatflows; on Studio each call has the outcome that
docs/protocol/studio-web.md §5.5 tells."""

import json
import subprocess
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec
import pytest

from judged import JUDGES, missing
from open_coze import BOT_IDS, open_coze
from realcoze.emulator.account import API_TOKEN, CHATFLOW, WORKFLOWS

pytestmark = pytest.mark.anyio

FOLDER = JUDGES / "cozepy"
PYTHON = FOLDER / ".venv" / "bin" / "python"
IDS = {each.name: each.workflow_id for each in WORKFLOWS}


async def judged(personality: str, home: Path) -> dict[str, Any]:
    """What each call of the SDK came to."""
    if not PYTHON.exists():
        missing("The environment of tests/judges/cozepy")
    async with open_coze(personality=personality) as coze:
        named = [IDS[name] for name in ("poem", "quiz", "quiet", "broken")]
        order = [coze.base, API_TOKEN, BOT_IDS["secretary"], *named, CHATFLOW.workflow_id]
        finished = await anyio.to_thread.run_sync(_run, order, home)
    assert finished.returncode == 0, finished.stderr[-2000:]
    told: dict[str, Any] = msgspec.json.decode(finished.stdout)
    return told


def _run(order: list[str], home: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(PYTHON), str(FOLDER / "drive_workflows.py"), *order]
    return subprocess.run(
        command, env={"HOME": str(home), "LANG": "C.UTF-8"}, capture_output=True, text=True, timeout=50, check=False
    )


def raised(outcome: Any) -> tuple[str, str]:
    """Class and beginning of what a call failed with."""
    assert isinstance(outcome, dict), outcome
    assert "raised" in outcome, outcome
    return outcome["raised"], outcome["said"]


def output(told: dict[str, Any]) -> str:
    """What a whole run gave."""
    text: str = json.loads(told["data"])["output"]
    return text


async def test_coze_com_runs_workflows_for_the_official_sdk(tmp_path: Path) -> None:
    told = await judged("coze", tmp_path)
    assert output(told["run"]).startswith("Of the sea I sing")
    assert told["run"]["usage"]["token_count"] > 0
    assert told["history"] == "Success"
    assert told["run_quiz"]["data"] == ""
    assert "720701013" in raised(told["run_broken"])[1]
    assert "4200" in raised(told["run_unknown"])[1]
    assert told["stream"]["text"].startswith("About the seaOf the sea I sing")
    assert told["stream"]["ids"] == len(told["stream"]["names"]) - 1
    assert set(told["stream"]["names"]) == {"Message"}
    assert told["quiet"]["names"][:3] == ["unknown"] * 3, "it does not know PING"
    assert (told["broken"]["names"][-1], told["broken"]["code"]) == ("Error", 720701013)
    assert "4200" in raised(told["unknown"])[1]
    assert told["asked"]["names"][-1] == told["resumed_0"]["names"][-1] == "Interrupt"
    assert told["resumed_1"]["text"].startswith("1 of 2 answers are right.")


async def test_coze_com_takes_results_of_tools_from_the_official_sdk(tmp_path: Path) -> None:
    told = await judged("coze", tmp_path)
    assert (told["tools"]["last"], len(told["tools"]["calls"])) == ("conversation.chat.requires_action", 2)
    assert told["tools_submit"]["text"] == "The tool says: number 0; number 1"
    assert told["tools_submit"]["chat_id"] == told["tools"]["chat_id"]
    assert (told["words"]["text"], told["words_submit"]["text"]) == ("What shall I call you?", "You said: number 0")
    for call in ("tools_partly", "tools_again", "words_partly", "words_again"):
        assert "4000" in raised(told[call])[1], call


async def test_coze_com_talks_in_chatflows_with_the_official_sdk(tmp_path: Path) -> None:
    told = await judged("coze", tmp_path)
    assert told["chatflow"]["last"] == "conversation.chat.completed"
    assert told["chatflow"]["text"].startswith("Follow me: “hello”.")
    assert "told me 2 things" in told["chatflow_more"]["text"], told["chatflow_more"]
    assert told["chatflow_asks"]["last"] == "conversation.chat.requires_action"
    assert told["chatflow_submit"]["text"] == "You said: number 0"


async def test_studio_does_to_the_official_sdk_what_its_source_says(tmp_path: Path) -> None:
    told = await judged("studio", tmp_path)
    assert output(told["run"]).startswith("Of the sea I sing")
    assert raised(told["history"])[1].startswith("code: 404"), "its record has another address"
    assert "6039" in raised(told["run_quiz"])[1]
    assert set(told["stream"]["names"]) == set(told["quiet"]["names"]) == {"Message"}
    assert told["broken"]["names"][-1] == "Error"
    assert raised(told["unknown"])[0] == "CozeAPIError", "the body of a refusal is empty"
    assert raised(told["asked"])[0] == "ValidationError", "a question does not name its node"
    assert raised(told["chatflow"])[0] == "CozeInvalidEventError", "its events have numbers"
    assert "resumed_0" not in told
    assert raised(told["tools_partly"])[1].startswith("code: 404"), "there is no such call"
