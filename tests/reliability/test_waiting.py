"""Turns that wait for tools or answers, and workflows: Z5, Z6, Z7."""

from pathlib import Path
from typing import Any

import pytest

from realcoze.domain.ids import WORKFLOW
from realcoze.emulator.account import BOTS, WORKFLOWS
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import QUIET_S, Row
from reliability.rows_by_hand import WAITING_ROWS
from reliability.stage import SAID, Outcome, Stage, staged

SECRETARY = next(f"bot-{bot.bot_id}" for bot in BOTS if bot.name == "secretary")
FLOWS = {each.name: f"{WORKFLOW}{each.workflow_id}" for each in WORKFLOWS}
REMIND = f"{SAID}: remind me at 18:00"


def _row(what: str) -> Row:
    return next(row for row in WAITING_ROWS if row.what == what)


def _forms(what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("form", _row(what).forms)


async def handed_in(stage: Stage, form: str, waiting: dict[str, Any], output: str = "done") -> Outcome:
    """The results of the tools that a turn waits for."""
    results = [{**result, "output": output} for result in waiting["tool_results"]]
    told = {**waiting, "tool_results": results, "messages": [], "bot": SECRETARY}
    return await stage.ask("", form=form, **told)


async def waiting_for_tools(stage: Stage, form: str) -> dict[str, Any]:
    asked = await stage.ask(REMIND, form=form, bot=SECRETARY)
    assert asked.how == "requires_action"
    return asked.waiting


HANDED, TWICE, LATE = "the results of tools are handed in", "handed in twice", "handed in late: the chat is gone"
BREAKS = "the stream of the rest breaks off"


@_forms(HANDED)
async def test_z5_the_answer_goes_on_with_the_results(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        waiting = await waiting_for_tools(stage, form)
        async with invariants.around(stage) as played:
            played.outcomes.append(await handed_in(stage, form, waiting))
        assert played.outcomes[0].text == "The tool says: done"
        page.observe(_row(HANDED), "test_waiting", form, played.outcomes[0].how)


@_forms(TWICE)
async def test_z5_results_are_taken_once(form: str, tmp_path: Path, invariants: Invariants, page: Page) -> None:
    async with staged(tmp_path) as stage:
        waiting = await waiting_for_tools(stage, form)
        assert (await handed_in(stage, form, waiting)).is_success
        async with invariants.around(stage) as played:
            played.outcomes.append(await handed_in(stage, form, waiting))
        page.observe(_row(TWICE), "test_waiting", form, played.outcomes[0].how)


@_forms(LATE)
async def test_z5_results_for_a_chat_that_is_gone_are_not_found(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        waiting = await waiting_for_tools(stage, form)
        stage.coze.open_api.state.chats.clear()
        async with invariants.around(stage) as played:
            played.outcomes.append(await handed_in(stage, form, waiting))
        page.observe(_row(LATE), "test_waiting", form, played.outcomes[0].how)


@_forms(BREAKS)
async def test_z5_the_rest_may_break_off_like_any_answer(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        waiting = await waiting_for_tools(stage, form)
        async with invariants.around(stage) as played:
            played.outcomes.append(await handed_in(stage, form, waiting, "one two three [[fault eof after=4]]"))
        page.observe(_row(BREAKS), "test_waiting", form, played.outcomes[0].how)


QUESTION, FORM = "a question node (type 2)", "an input node (type 5); its data is JSON in a string"
NO_EVENT = "an event_id that is none"


@_forms(QUESTION)
async def test_z6_a_question_is_answered_by_the_next_turn(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    quiz = FLOWS["quiz"]
    async with staged(tmp_path) as stage:
        asked = await stage.ask(SAID, form=form, bot=quiz)
        again = await stage.ask("Jupiter", form=form, bot=quiz, **asked.waiting)
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask("8", form=form, bot=quiz, **again.waiting))
        assert "2 of 2 answers are right." in played.outcomes[0].text
        page.observe(_row(QUESTION), "test_waiting", form, played.outcomes[0].how)


@_forms(FORM)
async def test_z6_a_form_is_filled_in_by_the_next_turn(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        asked = await stage.ask(SAID, form=form, bot=FLOWS["form"])
        async with invariants.around(stage) as played:
            filled = '{"name": "Ada", "guests": 2}'
            played.outcomes.append(await stage.ask(filled, form=form, bot=FLOWS["form"], **asked.waiting))
        assert "Booked for Ada, with 2 guests." in played.outcomes[0].text
        page.observe(_row(FORM), "test_waiting", form, played.outcomes[0].how)


@_forms(NO_EVENT)
async def test_z6_an_answer_to_no_question_is_refused(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            resume = {"event_id": "1/2", "kind": "question"}
            played.outcomes.append(await stage.ask("Jupiter", form=form, bot=FLOWS["quiz"], resume=resume))
        page.observe(_row(NO_EVENT), "test_waiting", form, played.outcomes[0].how)


ERROR, PINGS = "an Error event, and nothing after it", "PINGs for longer than the wait between two events"
NO_DONE = "the stream ends without Done"


@_forms(ERROR)
async def test_z7_a_workflow_that_fails_is_no_answer(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask(SAID, form=form, bot=FLOWS["broken"]))
        assert "work_flow" not in str(played.outcomes[0].error), "where a run can be looked at is for the log"
        page.observe(_row(ERROR), "test_waiting", form, played.outcomes[0].how)


@_forms(PINGS)
async def test_z7_pings_are_signs_of_life(form: str, tmp_path: Path, invariants: Invariants, page: Page) -> None:
    told: dict[str, Any] = {"first_event_s": QUIET_S, "idle_s": QUIET_S}
    async with staged(tmp_path, emulated={"beats": 4, "beat_s": QUIET_S / 2}, **told) as stage:
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask(SAID, form=form, bot=FLOWS["quiet"]))
        page.observe(_row(PINGS), "test_waiting", form, played.outcomes[0].how)


@_forms(NO_DONE)
async def test_z7_a_workflow_whose_stream_just_ends_is_no_answer(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path) as stage:
        async with invariants.around(stage) as played:
            played.outcomes.append(await stage.ask(f"{SAID} [[fault eof after=3]]", form=form, bot=FLOWS["poem"]))
        page.observe(_row(NO_DONE), "test_waiting", form, played.outcomes[0].how)
