"""Streams that break off where Coze may be asked for the rest: Z11, and U9 to U13 once more."""

from pathlib import Path

import pytest

from realcoze.dialects.coze_open.chat import CANCEL_PATH, CHAT_PATH, MESSAGES_PATH, RETRIEVE_PATH
from realcoze.emulator.open_api.settings import Personality
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import RECOVERED_ROWS, Row
from reliability.stage import staged

PLAYS = [(row, personality, form) for row in RECOVERED_ROWS for personality in row.on for form in row.forms]
CALLS = (CHAT_PATH, RETRIEVE_PATH, MESSAGES_PATH, CANCEL_PATH)


@pytest.mark.parametrize("play", PLAYS, ids=[f"{row.name}-{personality}-{form}" for row, personality, form in PLAYS])
async def test_recovery(play: tuple[Row, Personality, str], tmp_path: Path, invariants: Invariants, page: Page) -> None:
    """The text is whole, and nothing of it comes twice; it costs two calls more."""
    row, personality, form = play
    async with staged(tmp_path, personality, recovery_calls=8, first_event_s=row.wait_s, idle_s=row.wait_s) as stage:
        async with invariants.around(stage) as played:
            asked = [stage.seen.count(path) for path in CALLS]
            said = f"{row.answer} [[fault {row.mark}]]"
            outcome = await stage.ask(said, form=form, conversation_id=played.conversation_id)
            played.outcomes.append(outcome)
            spent = [stage.seen.count(path) - before for path, before in zip(CALLS, asked, strict=True)]
            assert spent == [1, 1, 1, 0]
        assert outcome.text == row.answer
        page.observe(row, "test_recovery", form, outcome.how)
