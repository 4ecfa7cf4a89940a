"""The emulated account: its session, its device of the launch data, its bots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

SESSION_ID = "emulated-session-0123456789"
API_TOKEN = "pat_emulated_0123456789abcdef0123456789abcdef"  # noqa: S105 - of the emulator  # nosec B105
APP_KEY = "0123456789abcdef0123456789abcdef"
APP_ID = "513695"
PRODUCT_ID = "1234"
SERVICE_ID = 2
SPACE_ID = "7300000000000000000"


@dataclass(frozen=True, slots=True)
class EmulatedBot:
    """`pace` is relative to the emulator's; `about` is a line for people."""

    name: str
    bot_id: str
    about: str
    prompt: str
    pace: float = 1.0


BOTS = (
    EmulatedBot("memory", "7300000000000000001", "remembers and quotes what was said", "You are Atri. You remember."),
    EmulatedBot("markdown", "7300000000000000002", "answers in long Markdown with tables and code", "You write."),
    EmulatedBot("tools", "7300000000000000003", "calls a plugin and a workflow before it answers", "You look up."),
    EmulatedBot("slow", "7300000000000000004", "thinks aloud, one word at a time", "You take your time.", pace=0.1),
    EmulatedBot("echo", "7300000000000000005", "says exactly what it was told", "You repeat."),
    EmulatedBot("pictures", "7300000000000000006", "describes the pictures and files it is shown", "You look."),
    EmulatedBot("secretary", "7300000000000000007", "has its caller set reminders", "You remind."),
    EmulatedBot("reckoner", "7300000000000000008", "works sums out with tools of its caller", "You call tools."),
)
BOT_OF_ID: Mapping[str, EmulatedBot] = {bot.bot_id: bot for bot in BOTS}


@dataclass(frozen=True, slots=True)
class EmulatedWorkflow:
    """`about` is a line for people."""

    name: str
    workflow_id: str
    about: str


WORKFLOWS = (
    EmulatedWorkflow("poem", "7500000000000000001", "writes a poem about its input, node by node"),
    EmulatedWorkflow("quiz", "7500000000000000002", "asks two questions, or as many as `questions` says, and counts"),
    EmulatedWorkflow("form", "7500000000000000003", "wants the fields of a form filled in"),
    EmulatedWorkflow("broken", "7500000000000000004", "fails in the middle"),
    EmulatedWorkflow("quiet", "7500000000000000005", "says nothing for long, and then one word"),
    EmulatedWorkflow("files", "7500000000000000006", "describes what it is given as image, file and audio"),
)
CHATFLOW = EmulatedWorkflow("guide", "7500000000000000011", "is talked with like a bot; told to ask, it asks back")
WORKFLOW_OF_ID: Mapping[str, EmulatedWorkflow] = {each.workflow_id: each for each in (*WORKFLOWS, CHATFLOW)}


def bot_config(bot: EmulatedBot) -> dict[str, Any]:
    """The bot's `config.json`, as its page would save it (docs/protocol/playground-2024.md §6)."""
    work_info = {
        "system_info_all": [
            {"prompt_type": 1, "data": bot.prompt, "record_id": ""},
            {"prompt_type": 2, "data": "", "record_id": ""},
            {"prompt_type": 3, "data": "", "record_id": ""},
        ],
        "other_info": {"model": "133", "temperature": 1, "max_tokens": 4096, "top_p": 1},
        "tools": [],
        "dataset": {"dataset": [], "top_k": 3, "min_score": 0.5, "auto": True},
        "onboarding": {"prologue": "", "suggested_questions": []},
        "workflow": [],
        "suggest_reply": {"suggest_reply_mode": 0},
    }
    texts = {name: msgspec.json.encode(value).decode() for name, value in work_info.items()}
    return {
        "space_id": SPACE_ID,
        "bot_id": bot.bot_id,
        "name": bot.name,
        "work_info": {"message_info": "[]", **texts, "history_info": ""},
    }
