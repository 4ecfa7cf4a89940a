"""The routes of the page at /docs; tests/judges/test_manual.py looks at it in a browser."""

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from native_server import saying, serving
from realcoze.faces import page
from realcoze.faces.asset import FOLDER
from realcoze.faces.manual import FILES, manual_routes

pytestmark = pytest.mark.anyio

OURS = [name for name in FILES if not name.startswith("vendor/")]
PAGE = (FOLDER / "docs" / "manual.html").read_text(encoding="utf-8")


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serving(saying("hello"), key="a-key-of-32-characters-and-more-") as server,
        aiohttp.ClientSession(server.url) as session,
    ):
        yield session


async def test_it_is_served_without_a_key_with_its_files(session: aiohttp.ClientSession) -> None:
    for path, name in (("/docs", "docs/manual.html"), *((f"/{name}", name) for name in FILES)):
        async with session.get(path) as response:
            assert (response.status, await response.read()) == (200, (FOLDER / name).read_bytes())
    assert len(manual_routes()) == len(FILES) + 1


async def test_its_policy_lets_in_nothing_but_our_own(session: aiohttp.ClientSession) -> None:
    async with session.get("/docs") as response:
        policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_the_other_page_keeps_its_policy(session: aiohttp.ClientSession) -> None:
    async with session.get("/") as response:
        assert response.headers["content-security-policy"] == page.POLICY


def test_every_file_that_the_page_names_is_served() -> None:
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', PAGE))
    assert named == {*FILES, "icon.svg", "./", "openapi.json"}


def test_it_has_no_script_and_no_style_inside() -> None:
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", PAGE) == []


@pytest.mark.parametrize("name", OURS)
def test_no_file_of_ours_names_a_host(name: str) -> None:
    """What Swagger UI names is links and comments; the policy, and the test in a browser, see that none is fetched."""
    assert re.findall(r"(?:https?:|wss?:)//", (FOLDER / name).read_text(encoding="utf-8")) == []


def test_every_word_is_said_in_both_languages() -> None:
    words = (FOLDER / "docs" / "manual.js").read_text(encoding="utf-8")
    english, chinese = words.partition("const language")[0].split("  zh: {")
    names = [set(re.findall(r"(?:^|[,{\s])(\w+): \"", part)) for part in (english, chinese)]
    assert names[0] == names[1] == {"title", "intro"}
