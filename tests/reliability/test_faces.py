"""What fails, through the faces of OpenAI's and Anthropic's APIs: refused with a status, or seen to break off."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from realcoze.dialects.coze_open.chat import CHAT_PATH
from realcoze.emulator.open_api.settings import Personality
from reliability.conftest import Invariants
from reliability.faces import FACES, FORMS, Face
from reliability.faces_page import FACED_RECOVERED_ROWS, FACED_ROWS, FacesPage, all_rows, read
from reliability.page import WRITES
from reliability.rows import QUIET_S, Row
from reliability.stage import Stage, giving_all_back, set_up
from reliability.test_rows import has_its_text


def named(rows: list[Row]) -> list[tuple[Face, Row]]:
    return [(face, row) for row in rows for face in FACES]


def ids(plays: list[tuple[Face, Row]]) -> list[str]:
    return [f"{row.name}-{face.name}".replace(" ", "-") for face, row in plays]


PATIENT_S = 5.0
PERSONALITIES: tuple[Personality, ...] = ("coze", "studio")
Shared = Mapping[tuple[Personality, float], Stage]
PLAYS, RECOVERED = named(FACED_ROWS), named(FACED_RECOVERED_ROWS)


@pytest.fixture(scope="session")
def faces_page() -> Iterator[FacesPage]:
    """Written in the end when that is wanted."""
    page = FacesPage()
    yield page
    if WRITES:
        page.write()


@pytest.fixture(scope="module")
async def shared(anyio_backend: object, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """Houses before either Coze, patient and not; to end one takes uvicorn a fifth of a second."""
    folder = tmp_path_factory.mktemp("shared")
    async with giving_all_back(), AsyncExitStack() as stack:
        yield {
            (personality, wait_s): await stack.enter_async_context(
                set_up(folder, personality, first_event_s=wait_s, idle_s=wait_s)
            )
            for personality in PERSONALITIES
            for wait_s in (PATIENT_S, QUIET_S)
        }


@pytest.mark.parametrize("what", PLAYS, ids=ids(PLAYS))
async def test_what_fails_is_seen_to_fail(
    what: tuple[Face, Row], shared: Shared, tmp_path: Path, invariants: Invariants, faces_page: FacesPage
) -> None:
    """A house of its own where a refused account stays refused, or where retries are paid for.

    CLIENTS §4.2 rule 5.  CLIENTS §4.2 rule 10.  CLIENTS §4.2 rule 11.  CLIENTS §4.3.  CLIENTS §5 item 5.
    CLIENTS §5 item 8.
    """
    _, row = what
    for form in FORMS:
        if row.next_ends == "success" and row.attempts == 1:
            await play(what, form, shared[row.on[0], row.wait_s], invariants, faces_page)
        else:
            async with set_up(tmp_path, row.on[0]) as stage:
                await play(what, form, stage, invariants, faces_page)


@pytest.mark.parametrize("what", RECOVERED, ids=ids(RECOVERED))
async def test_what_coze_still_knows_is_told_whole(
    what: tuple[Face, Row], tmp_path: Path, invariants: Invariants, faces_page: FacesPage
) -> None:
    _, row = what
    for form in FORMS:
        async with set_up(tmp_path, row.on[0], recovery_calls=8) as stage:
            await play(what, form, stage, invariants, faces_page)


async def play(what: tuple[Face, Row], form: str, stage: Stage, invariants: Invariants, page: FacesPage) -> None:
    """One question with the row's mark, and all that must hold of its answer."""
    face, row = what
    async with invariants.around(stage, next_ends=row.next_ends) as played:
        asked = stage.seen.count(CHAT_PATH)
        outcome = await face.ask(stage, f"{row.answer} [[fault {row.mark}]]", form)
        played.outcomes.append(outcome)
        assert stage.seen.count(CHAT_PATH) - asked == row.attempts
    assert has_its_text(outcome, row, form)
    if not outcome.is_success:
        assert outcome.error["type"] == face.type_of(row)
        assert outcome.error.get("retry_after") == row.retry_after
    page.observe(row, face, form, outcome.how)


def test_every_row_has_its_line() -> None:
    if not WRITES:
        assert set(read()) == {f"{row.id} {row.mark}" for row in all_rows()}
