"""cozepy 0.20.0 over the emulator: what it accepts is what Coze sends; on Studio each call has the outcome that
docs/protocol/studio-web.md §5 tells."""

import subprocess
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec
import pytest

from judged import JUDGES, missing
from open_coze import BOT_IDS, open_coze
from realcoze.emulator.account import API_TOKEN, SPACE_ID

pytestmark = pytest.mark.anyio

FOLDER = JUDGES / "cozepy"
PYTHON = FOLDER / ".venv" / "bin" / "python"
MISSING = ("chat", "message_0", "message", "modify", "remove", "file", "bots_old", "bots_new", "workspaces", "me")
ALL_BOTS = list(BOT_IDS.values())


async def judged(personality: str, home: Path) -> dict[str, Any]:
    """What each call of the SDK came to."""
    if not PYTHON.exists():
        missing("The environment of tests/judges/cozepy")
    async with open_coze(personality=personality) as coze:
        order = [coze.base, API_TOKEN, BOT_IDS["echo"], BOT_IDS["tools"], SPACE_ID]
        finished = await anyio.to_thread.run_sync(_run, order, home)
    assert finished.returncode == 0, finished.stderr[-2000:]
    told: dict[str, Any] = msgspec.json.decode(finished.stdout)
    return told


def _run(order: list[str], home: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(PYTHON), str(FOLDER / "drive.py"), *order]
    return subprocess.run(
        command, env={"HOME": str(home), "LANG": "C.UTF-8"}, capture_output=True, text=True, timeout=50, check=False
    )


def raised(outcome: Any) -> tuple[str, str]:
    """Class and beginning of what a call failed with."""
    assert isinstance(outcome, dict), outcome
    assert "raised" in outcome, outcome
    return outcome["raised"], outcome["said"]


async def test_coze_com_satisfies_the_official_sdk(tmp_path: Path) -> None:
    told = await judged("coze", tmp_path)
    assert told["stream"]["text"] == told["stream_in_conversation"]["text"] == "hello there"
    assert told["stream"]["events"][-1] == "conversation.chat.completed"
    assert told["stream"]["usage"] == 4
    steps = ["function_call", "tool_response"] * 2
    assert told["tools"]["kinds"] == [*steps, "knowledge", "answer", "verbose", "follow_up", "follow_up"]
    assert told["poll"]["status"] == "completed"
    assert told["poll"]["messages"][0] == "wait for me"
    assert (told["begun"], told["chat"], told["cancel"]) == ("in_progress", "in_progress", "canceled")
    assert told["called"] == ["conversation.chat.requires_action", "take_picture"]
    assert told["submit"] == "The tool says: a picture of the sea"
    assert "4000" in raised(told["submit_again"])[1]
    assert "4104" in raised(told["cancel_again"])[1]


async def test_coze_com_keeps_conversations_for_the_official_sdk(tmp_path: Path) -> None:
    told = await judged("coze", tmp_path)
    name = told["create"]["id"]
    assert told["create"] == told["retrieve"] == {"id": name, "name": "one", "meta_data": {"a": "b"}}
    assert told["create_bare"]["meta_data"] == {}
    assert name in told["list"]
    assert (told["rename"], told["clear"], told["no_messages"], told["delete"]) == ("two", name, [], True)
    assert told["paged"] == [f"number {number}" for number in range(5)]
    assert told["newest"] == ["number 4", "number 3"]
    assert (told["message"], told["modify"], told["remove"]) == ("number 0", "new", True)
    assert (told["talk"], told["talked"][:3]) == ("said in it", ["said in it", "said in it", "number 4"])


async def test_coze_com_has_files_bots_and_people_for_the_official_sdk(tmp_path: Path) -> None:
    told = await judged("coze", tmp_path)
    assert told["file"] == 32
    assert "32 bytes" in told["shown"]
    assert told["bots_old"] == told["bots_new"] == ALL_BOTS
    assert (told["bot_old"], told["bot_new"], told["bot_with_plugin"]) == ("echo", "echo", "tools")
    assert (told["workspaces"], told["me"]) == ([SPACE_ID], "emulated")
    codes = {"wrong_token": 4100, "wrong_token_chat": 4100, "unknown_bot": 4200, "unknown_chat": 4001, "unsaved": 4007}
    for call, code in codes.items():
        kind, said = raised(told[call])
        assert (kind, f"code: {code}, msg:" in said) == ("CozeAPIError", True), call


async def test_studio_does_to_the_official_sdk_what_its_source_says(tmp_path: Path) -> None:
    told = await judged("studio", tmp_path)
    assert told["stream_in_conversation"]["text"] == "hello there"
    assert told["stream_in_conversation"]["events"][-2:] == ["conversation.chat.completed", "unknown"]
    assert told["stream_in_conversation"]["usage"] is None, "usage is not in the stream"
    assert told["tools"]["text"]
    assert told["begun"] == "created"
    assert told["create"]["name"] == "", "the name is ignored"
    assert raised(told["create_bare"])[0] == "ValidationError", "meta_data is null"
    assert (told["rename"], told["delete"], told["bot_new"]) == ("two", True, "echo")
    assert told["list"] == [told["create"]["id"]]
    assert told["talked"] == ["said in it", "said in it"]
    assert "32 bytes" in told["shown"]
    for call in ("poll", "cancel", "retrieve", "no_messages", "bot_with_plugin"):
        assert raised(told[call])[0] == "ValidationError", call
    missing_calls = [
        "chat",
        "message_0",
        "message",
        "modify",
        "remove",
        "file",
        "bots_old",
        "bots_new",
        "workspaces",
        "me",
    ]
    for call in missing_calls:
        assert raised(told[call])[1].startswith("code: 404, msg: not found"), call
    assert raised(told["tool"])[0] == "AttributeError", "the last event is the end of the stream"
    assert raised(told["bot_old"])[1].startswith("code: 500"), "connector_id is not sent"
    assert raised(told["stream"])[1].startswith("code: 400"), "an empty conversation_id is sent"
    assert raised(told["cancel_again"])[1].startswith("code: 400, msg: in progress can not be cancelled")
    assert raised(told["wrong_token_chat"])[1].startswith("code: 700012006")
    assert raised(told["unknown_bot"])[1].startswith('error event: {"code":103100002')
    assert isinstance(told["unsaved"], str), "auto_save_history is ignored"
