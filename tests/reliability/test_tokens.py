"""Tokens that are renewed: U24, U25, Z16."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from realcoze.dialects.coze_open.oauth import TOKEN_PATH
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import Row
from reliability.rows_by_hand import TOKEN_ROWS
from reliability.stage import Stage, spoken, staged
from servers import Coze


def _row(what: str) -> Row:
    return next(row for row in TOKEN_ROWS if row.what == what)


def _forms(what: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("form", _row(what).forms)


def of_app(coze: Coze) -> dict[str, Any]:
    """The settings of an account that signs for itself."""
    app = coze.open_api.oauth.app
    return {"token": "", "client_id": app.client_id, "key_id": app.key_id, "private_key": app.private_key}


def of_stranger(coze: Coze) -> dict[str, Any]:
    return {**of_app(coze), "key_id": "nobody's"}


def end_tokens(stage: Stage) -> None:
    stage.coze.open_api.state.issued.end_all()


ANOTHER, NO_OTHER = "the token dies in mid-flight; there is another", "the token dies, and there is no other"
SLOW, DEAD = "the token endpoint is slow", "it gives a token that is dead"
STRANGER = "Coze does not know the key"


@_forms(ANOTHER)
async def test_u24_a_token_that_died_is_renewed_once(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    async with staged(tmp_path, credentials=of_app) as stage:
        async with invariants.around(stage) as played:
            end_tokens(stage)
            played.outcomes.append(await stage.ask(spoken(), form=form))
            assert stage.seen.count(TOKEN_PATH) == 2
        page.observe(_row(ANOTHER), "test_tokens", form, played.outcomes[0].how)


@_forms(NO_OTHER)
async def test_u24_where_there_is_no_other_the_turn_says_why(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    row = _row(NO_OTHER)
    async with staged(tmp_path, credentials=of_app) as stage:
        async with invariants.around(stage, next_ends=row.ends) as played:
            end_tokens(stage)
            stage.coze.open_api.oauth.troubles.extend(["down"] * 9)
            played.outcomes.append(await stage.ask(spoken(), form=form))
        page.observe(row, "test_tokens", form, played.outcomes[0].how)


@_forms(SLOW)
async def test_u25_a_slow_endpoint_is_waited_for(form: str, tmp_path: Path, invariants: Invariants, page: Page) -> None:
    async with staged(tmp_path, credentials=of_app) as stage:
        async with invariants.around(stage) as played:
            end_tokens(stage)
            stage.coze.open_api.oauth.troubles.append("slow")

            async def one() -> None:
                played.outcomes.append(await stage.ask(spoken(), form=form))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(one)
                await stage.coze.wire.until(lambda: stage.seen.count(TOKEN_PATH) == 2)
                stage.coze.open_api.oauth.go_on()
        page.observe(_row(SLOW), "test_tokens", form, played.outcomes[0].how)


@_forms(DEAD)
async def test_u25_a_dead_token_is_none(form: str, tmp_path: Path, invariants: Invariants, page: Page) -> None:
    row = _row(DEAD)
    async with staged(tmp_path, credentials=of_app) as stage:
        async with invariants.around(stage, next_ends=row.ends) as played:
            end_tokens(stage)
            stage.coze.open_api.oauth.troubles.extend(["past"] * 9)
            played.outcomes.append(await stage.ask(spoken(), form=form))
        page.observe(row, "test_tokens", form, played.outcomes[0].how)


@_forms(STRANGER)
async def test_z16_a_key_that_coze_does_not_know_is_named(
    form: str, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    row = _row(STRANGER)
    async with staged(tmp_path, credentials=of_stranger) as stage:
        async with invariants.around(stage, next_ends=row.ends) as played:
            played.outcomes.append(await stage.ask(spoken(), form=form))
        assert "fingerprint" in str(played.outcomes[0].error)
        page.observe(row, "test_tokens", form, played.outcomes[0].how)
