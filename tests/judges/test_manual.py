"""The page at /docs in headless Chromium: what it shows, that a call can be tried, and that nobody else is asked."""

from pathlib import Path
from typing import Any

import pytest

from judged import Chromium
from native_server import saying, serving
from realcoze.app.description.document import CALLS

pytestmark = pytest.mark.anyio

KEY = "a-key-of-32-characters-and-more-"


def quiet(told: dict[str, Any]) -> dict[str, Any]:
    assert (told["dialogs"], told["foreign"], told["complaints"]) == ([], [], [])
    return told


async def test_it_is_read_in_the_language_of_the_browser(chromium: Chromium, tmp_path: Path) -> None:
    async with serving(saying("hello")) as served:
        told = quiet(await chromium.drive("read", f"{served.url}/", tmp_path, locale="zh-CN"))
    assert (told["language"], told["title"]) == ("zh", "realcoze：接口文档")
    assert "这个服务器的全部接口" in told["intro"]


async def test_it_shows_every_call_which_can_be_tried_with_the_key(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    async with serving(saying("hello there"), key=KEY) as served:
        told = quiet(await chromium.drive("tried", f"{served.url}/", tmp_path))
    assert (told["language"], told["title"]) == ("en", "realcoze: the API")
    assert {tuple(each) for each in told["calls"]} == set(CALLS)
    assert (told["badges"], told["errors"]) == (0, 0)
    refused, answered = told["refused"], told["answered"]
    assert (refused[0], "invalid_api_key" in refused[1]) == ("401", True)
    assert (answered[0], "hello there" in answered[1]) == ("200", True)
    assert told["kept"] == [0, 0, ""]
