import pytest

from clocks import Clock
from open_coze import open_coze
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.open_api.plan import Plan
from realcoze.emulator.open_api.settings import OpenSettings

CHAT, UPLOAD = "/v3/chat", "/v1/files/upload"


def refused(plan: Plan, path: str) -> int:
    try:
        plan.take(path)
    except Refused as error:
        return error.code
    return 0


def test_more_calls_a_second_than_the_plan_has_are_refused_until_it_is_over() -> None:
    clock = Clock(0.0)
    plan = Plan(OpenSettings(chats_per_s=2, uploads_per_s=1), clock)
    assert [refused(plan, path) for path in (CHAT, CHAT, CHAT, UPLOAD, UPLOAD)] == [0, 0, 4020, 0, 4020]
    clock.now = 0.9
    assert refused(plan, CHAT) == 4020
    clock.now = 1.0
    assert [refused(plan, CHAT) for _ in range(3)] == [0, 0, 4020]


def test_after_all_calls_of_the_plan_every_call_is_refused() -> None:
    plan = Plan(OpenSettings(calls_in_all=2), Clock(0.0))
    assert [refused(plan, path) for path in (CHAT, "/v1/users/me", UPLOAD, CHAT)] == [0, 0, 4028, 4028]


def test_without_limits_there_are_none() -> None:
    plan = Plan(OpenSettings(), Clock(0.0))
    assert {refused(plan, CHAT) for _ in range(1000)} == {0}


@pytest.mark.usefixtures("nothing_left")
async def test_the_rate_limit_is_said_by_status_and_code() -> None:
    async with open_coze(chats_per_s=1) as coze:
        answers = [await coze.chat("hello") for _ in range(2)]
        streamed, limited = answers
    assert streamed.said == "hello"
    assert (limited.status, limited.json["code"]) == (429, 4020)
