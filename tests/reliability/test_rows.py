"""Each fault that the emulator makes by a mark, through a whole realcoze: whole and streamed."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from realcoze.dialects.coze_open.chat import CHAT_PATH, RETRIEVE_PATH
from realcoze.emulator.open_api.settings import Personality
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import ALL, MARKED_ROWS, PART, Row
from reliability.stage import Outcome, Stage, giving_all_back, set_up, staged

PATIENT_S = 5.0
PLAYS = [(row, personality) for row in MARKED_ROWS for personality in row.on]


@pytest.fixture(scope="module")
async def shared(
    anyio_backend: object, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mapping[Personality, Stage]]:
    """A house before each Coze; to end one takes uvicorn a fifth of a second."""
    folder = tmp_path_factory.mktemp("shared")
    async with giving_all_back(), set_up(folder, "coze") as coze, set_up(folder, "studio") as studio:
        yield {"coze": coze, "studio": studio}


Opened = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def opened(shared: Mapping[Personality, Stage], personality: Personality, tmp_path: Path) -> Opened:
    """The shared house, or one of its own."""

    @asynccontextmanager
    async def opened(*, is_shared: bool = False, **settings: float) -> AsyncIterator[Stage]:
        if is_shared:
            yield shared[personality]
        else:
            async with staged(tmp_path, personality, **settings) as stage:
                yield stage

    return opened


@pytest.mark.parametrize(("row", "personality"), PLAYS, ids=[f"{row.name}-{personality}" for row, personality in PLAYS])
async def test_rows(row: Row, opened: Opened, invariants: Invariants, page: Page) -> None:
    """A house of its own where a refused account stays refused, where retries are paid for, or deadlines are short."""
    if row.next_ends != "success":
        for form in row.forms:
            async with opened() as stage:
                await play(row, form, stage, invariants, page)
                assert stage.seen.count(CHAT_PATH) == 1 + row.attempts, "a refused account is left in peace"
        return
    is_shared = row.attempts == 1 and row.wait_s == PATIENT_S
    async with opened(is_shared=is_shared, first_event_s=row.wait_s, idle_s=row.wait_s) as stage:
        for form in row.forms:
            await play(row, form, stage, invariants, page)


async def play(row: Row, form: str, stage: Stage, invariants: Invariants, page: Page) -> None:
    """One question with the row's mark, and all that must hold of its answer."""
    async with invariants.around(stage, next_ends=row.next_ends) as played:
        asked = stage.seen.count(CHAT_PATH)
        said = f"{row.answer.replace(row.inserted, '')} [[fault {row.mark}]]"
        outcome = await stage.ask(said, form=form, conversation_id=played.conversation_id)
        played.outcomes.append(outcome)
        assert stage.seen.count(CHAT_PATH) - asked == row.attempts
        assert stage.seen.count(RETRIEVE_PATH) == 0, "what may have been executed is not asked for twice"
    assert outcome.error.get("retry_after") == row.retry_after
    assert has_its_text(outcome, row, form)
    page.observe(row, "test_rows", form, outcome.how)


def has_its_text(outcome: Outcome, row: Row, form: str) -> bool:
    """A caller who gets a whole answer or nothing gets nothing of one that failed."""
    if form == "whole" and not outcome.is_success:
        return outcome.text == ""
    if row.text == PART:
        return outcome.text not in ("", row.answer) and row.answer.startswith(outcome.text)
    return outcome.text == (row.answer if row.text == ALL else "")
