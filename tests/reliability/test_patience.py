"""Answers that take their time: Z14, Z17."""

from pathlib import Path

import pytest

from native_server import connected, parsed
from realcoze.domain.ids import BotName
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import QUIET_S, Row
from reliability.rows_by_hand import PATIENCE_ROWS
from reliability.stage import asked, read_outcome, spoken, staged
from servers import TARGETS

SUGGESTING = f"bot-{TARGETS[BotName('memory')].id}"


def _row(id: str) -> Row:  # noqa: A002 - the row's
    return next(row for row in PATIENCE_ROWS if row.id == id)


async def test_z14_the_text_does_not_wait_for_the_suggestions(
    tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    """The last word has reached the caller while Coze has not begun with the suggestions."""
    row = _row("Z14")
    async with staged(tmp_path, pace=10.0) as stage, invariants.around(stage) as played:
        async with connected(stage.port) as connection:
            await connection.send(asked(spoken(), form="SSE", bot=SUGGESTING))
            before = await connection.until(b'"type":"answer"')
            assert b'"type":"suggestion"' not in before
            assert stage.seen.open_streams == 1
            outcome = read_outcome(parsed(await connection.rest()), "SSE")
        played.outcomes.append(outcome)
        page.observe(row, "test_patience", "SSE", outcome.how)


@pytest.mark.parametrize("form", _row("Z17").forms)
async def test_z17_an_answer_may_take_longer_than_any_wait(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    row = _row("Z17")
    words = int(4 * 20 * QUIET_S)
    async with staged(tmp_path, pace=20.0, first_event_s=QUIET_S, idle_s=QUIET_S) as stage:
        async with invariants.around(stage) as played:
            outcome = await stage.ask(spoken(words), form=form)
            played.outcomes.append(outcome)
        assert outcome.text == spoken(words)
        page.observe(row, "test_patience", form, outcome.how)
