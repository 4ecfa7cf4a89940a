"""Rows that take more than a mark: callers who leave, turns beside each other, and what is told to Coze."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import anyio
import pytest

from native_server import connected
from open_coze import asked as open_question
from realcoze.dialects.coze_open.chat import CANCEL_PATH, CHAT_PATH, RETRIEVE_PATH
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import QUIET_S, Row
from reliability.rows_by_hand import LEAVING_ROWS
from reliability.stage import TOKEN, Outcome, Stage, asked, spoken, staged


def _row(what: str) -> Row:
    return next(row for row in LEAVING_ROWS if row.what == what)


def _forms(what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("form", _row(what).forms)


GATE = "silent for longer than the gate"
THREE = "3 turns at once on one conversation"
OCCUPIED = "somebody else's chat runs in it"
LEFT = "the next turn after a caller left"
TOO_LATE = "the cancel comes too late"
STREAMED = "a whole answer is streamed from Coze"
WRONG_TOKEN = "a wrong token with HTTP 200"
FAILED_START = "a failed start with HTTP 400"


@_forms(GATE)
async def test_u12_what_fails_after_the_gate_has_a_status_already(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path, gate_s=0.05, first_event_s=QUIET_S) as stage:
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask(f"{spoken()} [[fault silent]]", form=form))
        page.observe(_row(GATE), "test_leaving", form, played.outcomes[0].how)


@_forms(THREE)
async def test_z1_turns_on_one_conversation_wait_for_each_other(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            before = stage.seen.count(CHAT_PATH)

            async def one(number: int) -> None:
                told = f"{spoken()} {number}"
                outcome = await stage.ask(told, form=form, conversation_id=played.conversation_id)
                assert outcome.text == told
                played.outcomes.append(outcome)

            async with anyio.create_task_group() as tasks:
                for number in range(3):
                    tasks.start_soon(one, number)
            assert stage.seen.count(CHAT_PATH) - before == 3, "none was refused by Coze"
        for outcome in played.outcomes:
            page.observe(_row(THREE), "test_leaving", form, outcome.how)


@_forms(OCCUPIED)
async def test_z1_a_conversation_that_is_occupied_past_us_is_busy(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            before = stage.seen.count(CHAT_PATH)
            async with _occupied(stage, played.conversation_id):
                outcome = await stage.ask(spoken(), form=form, conversation_id=played.conversation_id)
            played.outcomes.append(outcome)
            assert outcome.error["retry_after"] == 1
            assert stage.seen.count(CHAT_PATH) - before == 1 + 2, "theirs, and twice ours"
        page.observe(_row(OCCUPIED), "test_leaving", form, outcome.how)


@asynccontextmanager
async def _occupied(stage: Stage, conversation_id: str) -> AsyncIterator[None]:
    """A chat of somebody else's runs in the conversation for as long as the block lasts."""
    query = {"conversation_id": conversation_id}
    async with aiohttp.ClientSession(stage.coze.base, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        question = open_question("one two three [[fault stuck after=1]]", stream=False)
        async with http.post(CHAT_PATH, params=query, json=question) as answer:
            chat = (await answer.json())["data"]
        yield
        async with http.post(CANCEL_PATH, json={**query, "chat_id": chat["id"]}) as answer:
            assert (await answer.json())["code"] == 0


@_forms(LEFT)
async def test_z2_a_caller_who_leaves_stops_the_chat_before_the_next_turn(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            conversation_id = played.conversation_id
            async with connected(stage.port) as caller:
                await caller.send(
                    asked(f"{spoken()} [[fault stuck after=1]]", form=form, conversation_id=conversation_id)
                )
                await stage.witness.until(lambda: b"conversation.message.delta" in stage.witness.said)
                assert await stage.turns() == 1
                caller.leave()
            played.left += 1
            following = await stage.ask(spoken(), form=form, conversation_id=conversation_id)
            played.outcomes.append(following)
            assert following.text == spoken()
            assert len(stage.seen.cancelled) == 1
        page.observe(_row(LEFT), "test_leaving", form, following.how)


@_forms(TOO_LATE)
async def test_z3_a_cancel_that_comes_too_late_is_nothing_to_talk_about(
    form: str, tmp_path: Path, invariants: Invariants, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    async with staged(tmp_path, idle_s=QUIET_S) as stage:
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask(f"{spoken()} [[fault deaf after=1]]", form=form))
            assert stage.seen.count(CANCEL_PATH) == 1
            assert not stage.seen.cancelled
            assert "could not be stopped" not in caplog.text
        page.observe(_row(TOO_LATE), "test_leaving", form, played.outcomes[0].how)


@_forms(STREAMED)
async def test_z4_a_chat_is_never_asked_after(form: str, tmp_path: Path, invariants: Invariants, page: Page) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask(spoken(), form=form))
            assert stage.seen.chats[-1].stream is True
            assert stage.seen.count(RETRIEVE_PATH) == 0
        page.observe(_row(STREAMED), "test_leaving", form, played.outcomes[0].how)


@_forms(WRONG_TOKEN)
async def test_z8_studio_says_with_200_that_the_token_is_wrong(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path, "studio") as stage:
        outcome = await _refused(stage, 700012006, form, invariants, next_ends="R 502 upstream_auth")
        page.observe(_row(WRONG_TOKEN), "test_leaving", form, outcome.how)


@_forms(FAILED_START)
async def test_z8_studio_says_with_400_that_the_start_failed(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path, "studio") as stage:
        outcome = await _refused(stage, 4000, form, invariants)
        page.observe(_row(FAILED_START), "test_leaving", form, outcome.how)


async def _refused(
    stage: Stage, code: int, form: str, invariants: Invariants, *, next_ends: str = "success"
) -> Outcome:
    async with invariants.around(stage, next_ends=next_ends) as played:
        stage.coze.open_api.refuse_next(code)
        outcome = await stage.ask(spoken(), form=form, conversation_id=played.conversation_id)
        played.outcomes.append(outcome)
    return outcome
