"""Files that Coze does not take, or not in time: U30."""

from pathlib import Path

import pytest

from native_server import connected, parsed
from native_server import request as http_request
from realcoze.dialects.coze_open.files import UPLOAD_PATH
from reliability.conftest import Invariants
from reliability.page import Page
from reliability.rows import QUIET_S, Row
from reliability.rows_by_hand import UPLOAD_ROWS
from reliability.stage import KEY, House, Outcome, housed, read_outcome, staged
from servers import raw_server

TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def _row(what: str) -> Row:
    return next(row for row in UPLOAD_ROWS if row.what == what)


async def uploaded(house: House) -> Outcome:
    """How the upload of a small file ended."""
    async with connected(house.port) as connection:
        await connection.send(http_request(b"plain text", path="/upload", authorization=f"Bearer {KEY}"))
        return read_outcome(parsed(await connection.rest()), "whole")


async def test_u30_a_file_that_is_not_taken_in_time_is_given_up(page: Page) -> None:
    row = _row("Coze does not take the file in time")
    async with (
        raw_server(b"", stays=True) as server,
        housed(f"http://127.0.0.1:{server.port}", upload=QUIET_S) as house,
    ):
        outcome = await uploaded(house)
        assert len(server.received) == 1, "an upload is not sent twice"
    page.observe(row, "test_uploads", "whole", outcome.how)


async def test_u30_a_refusal_that_is_not_cozes_own_is_understood(page: Page) -> None:
    row = _row("413 without an envelope")
    async with raw_server(TOO_LARGE) as server, housed(f"http://127.0.0.1:{server.port}") as house:
        outcome = await uploaded(house)
    page.observe(row, "test_uploads", "whole", outcome.how)


@pytest.mark.parametrize("again", [1, 2])
async def test_u30_a_file_that_coze_finds_too_large_is_one(
    again: int, tmp_path: Path, invariants: Invariants, page: Page
) -> None:
    row = _row("code 4302")
    async with staged(tmp_path) as stage:
        async with invariants.around(stage):
            for _ in range(again):
                stage.coze.open_api.refuse_next(4302)
                outcome = await uploaded(stage)
                assert outcome.how == row.ends
        assert stage.seen.count(UPLOAD_PATH) == again
    page.observe(row, "test_uploads", "whole", row.ends)
