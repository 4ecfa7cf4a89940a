import json
from typing import Any

import pytest

from realcoze.emulator.account import WORKFLOWS
from realcoze.emulator.open_api.personality import CozeCom, Refused, Reply
from realcoze.emulator.open_api.workflow_run import WorkflowRun
from realcoze.emulator.open_api.workflow_wording import CozeWording, StudioWording
from realcoze.emulator.workflow_script import Play, perform

BY_NAME = {each.name: each for each in WORKFLOWS}
COZE, STUDIO = CozeWording(), StudioWording()


async def run(name: str, wording: CozeWording = COZE) -> WorkflowRun:
    """One that has said all."""
    play = Play(given={}, event_id="11/12")
    made = WorkflowRun("11", BY_NAME[name], play, 15)
    made.begin_leg(perform(name, play), wording.encoder(), beat_s=0)
    await made.play(None)
    return made


def told(reply: Reply) -> Any:
    assert reply.status == 200
    return json.loads(reply.body)


async def test_a_whole_run_has_the_fields_that_the_sdk_needs() -> None:
    """docs/protocol/openapi-v3.md §10: its model needs debug_url."""
    answer = told(COZE.whole(await run("poem"), "L"))
    assert set(answer) == {"code", "msg", "data", "debug_url", "execute_id", "token", "cost", "usage", "detail"}
    assert isinstance(answer["data"], str)
    assert "interrupt_data" not in answer


async def test_studios_whole_run_has_no_message_and_no_name_of_the_call() -> None:
    answer = told(STUDIO.whole(await run("poem", STUDIO), "L"))
    assert set(answer) == {"code", "msg", "data", "debug_url", "execute_id", "token", "cost", "BaseResp"}
    assert (answer["code"], answer["msg"], answer["BaseResp"]) == (0, None, None)


async def test_a_whole_run_that_asks_tells_what() -> None:
    asked = told(COZE.whole(await run("form"), "L"))["interrupt_data"]
    assert (asked["event_id"], asked["type"], json.loads(asked["data"])[0]["name"]) == ("11/12", 5, "name")


async def test_a_whole_run_that_failed_has_a_code_and_an_address() -> None:
    for wording in (COZE, STUDIO):
        answer = told(wording.whole(await run("broken", wording), "L"))
        assert answer["code"] == 720701013
        assert answer["debug_url"].startswith("https://")


async def test_a_record_has_all_that_the_sdk_needs() -> None:
    record = told(COZE.history(await run("poem"), "L"))["data"][0]
    assert (record["execute_status"], record["logid"], record["error_code"]) == ("Success", "L", 0)
    waiting = told(COZE.history(await run("quiz"), "L"))["data"][0]
    assert (waiting["execute_status"], waiting["output"]) == ("Running", "")


async def test_studios_record_has_numbers_and_other_names() -> None:
    for name, status in (("poem", "Success"), ("quiz", "Running"), ("broken", "Fail")):
        record = told(STUDIO.history(await run(name, STUDIO), "L"))["data"][0]
        assert (record["execute_id"], record["execute_status"]) == (11, status)
        assert "is_output_trimmed" not in record
        assert bool(record["error_msg"]) == (name == "broken")


@pytest.mark.parametrize(("wording", "is_empty"), [(COZE, False), (STUDIO, True)])
def test_what_is_refused_before_a_stream_is_said_or_lost(wording: CozeWording, is_empty: bool) -> None:  # noqa: FBT001 - a case
    reply = wording.stream_refusal(CozeCom(), "/v1/workflow/stream_run", Refused(4200, "no"), "L")
    assert (reply.body == b"") == is_empty
    assert (reply.status, reply.content_type) == (200, "application/json")


def test_a_chatflows_question_has_a_name_where_it_is_answered_like_a_tool() -> None:
    assert (COZE.asks_by, COZE.name_of_question("11")) == ("reply_message", "call_11")
    assert (STUDIO.asks_by, STUDIO.name_of_question("11")) == ("message", "")
