"""What chats, workflows and chatflows share; the faults of each are in their own files."""

import asyncio
from itertools import count
from typing import Any

import pytest

from open_coze import open_coze
from realcoze.emulator.account import CHATFLOW, WORKFLOWS
from realcoze.emulator.open_api.desk import Desk
from realcoze.emulator.open_api.personality import CozeCom
from realcoze.emulator.open_api.plan import Plan
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.emulator.open_api.stage import Stage
from realcoze.emulator.open_api.state import OpenState
from realcoze.emulator.wire import ignore

pytestmark = pytest.mark.usefixtures("nothing_left")


def stage(pace: float) -> Stage:
    settings = OpenSettings(pace=pace)
    return Stage(Desk(settings, CozeCom(), OpenState(map(str, count())), ignore, Plan(settings, lambda: 0.0)))


async def test_a_pace_is_relative_to_the_emulators() -> None:
    now = asyncio.get_running_loop().time()
    pace = stage(10.0).pace(0.1)
    assert pace is not None
    assert 0.9 < pace.wait_s(now) <= 1.1
    assert stage(0.0).pace(0.1) is None


async def test_what_is_played_ends_with_the_stage() -> None:
    here, has_begun, was_cancelled = stage(0.0), asyncio.Event(), asyncio.Event()

    async def forever() -> None:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise

    here.play(forever())
    await has_begun.wait()
    await here.close()
    assert was_cancelled.is_set()


@pytest.mark.parametrize("name", ["broken", "limit", "silent", "mime", "code"])
async def test_a_fault_is_the_same_wherever_it_is_asked_for(name: str) -> None:
    text = f"x [[fault {name}]]"
    message = {"role": "user", "content": text, "content_type": "text"}
    async with open_coze() as coze:
        calls: dict[str, dict[str, Any]] = {
            "/v3/chat": {"bot_id": "7300000000000000005", "user_id": "u", "stream": True},
            "/v1/workflows/chat": {"workflow_id": CHATFLOW.workflow_id},
            "/v1/workflow/stream_run": {"workflow_id": WORKFLOWS[0].workflow_id, "parameters": {"input": text}},
        }
        found = set()
        for path, body in calls.items():
            async with coze.http.post(coze.base + path, json={**body, "additional_messages": [message]}) as response:
                found.add((response.status, response.headers["Content-Type"]))
    assert len(found) == 1
