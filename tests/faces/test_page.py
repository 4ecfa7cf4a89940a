"""The routes of the page: what is served, with which headers, and that nothing else is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from native_server import saying, serving
from realcoze.faces import manual
from realcoze.faces.asset import FOLDER
from realcoze.faces.page import FILES, page_routes

pytestmark = pytest.mark.anyio

TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
ERRORS = Path(__file__).parents[2] / "docs" / "errors.md"
NOT_SERVED = sorted(
    str(path.relative_to(FOLDER))
    for path in FOLDER.rglob("*")
    if path.is_file() and str(path.relative_to(FOLDER)) not in FILES + manual.FILES
)


@pytest.fixture(scope="module")
async def base() -> AsyncIterator[str]:
    async with serving(saying("hello")) as server:
        yield server.url


async def fetch(base: str, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, body; the path goes out as it is written."""
    address = URL(base + path, encoded=True)
    async with aiohttp.ClientSession() as session, session.request(method, address, headers=headers) as response:
        return response.status, {name.lower(): value for name, value in response.headers.items()}, await response.read()


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_served_as_it_is_with_its_type(base: str, name: str) -> None:
    status, headers, body = await fetch(base, f"/{name}")
    assert (status, body) == (200, (FOLDER / name).read_bytes())
    assert headers["content-type"] == TYPES[name.rpartition(".")[2]]


async def test_the_page_stands_at_the_root(base: str) -> None:
    assert (await fetch(base, "/"))[2] == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize("path", ["/", "/app.js", "/vendor/purify.min.js"])
async def test_the_policy_lets_in_nothing_but_our_own(base: str, path: str) -> None:
    _, headers, _ = await fetch(base, path)
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "media-src": "blob:",
        "img-src": "'self' data: blob: https: http:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "dompurify",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-dns-prefetch-control"] == "off"


@pytest.mark.parametrize("shape", ["{}", "W/{}", '"other", {}'])
async def test_what_a_browser_has_is_not_sent_again(base: str, shape: str) -> None:
    _, headers, _ = await fetch(base, "/app.js")
    status, again, body = await fetch(base, "/app.js", **{"If-None-Match": shape.format(headers["etag"])})
    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    assert again["cache-control"] == "no-cache"


async def test_what_a_browser_has_of_an_older_version_is_sent_again(base: str) -> None:
    assert (await fetch(base, "/app.js", **{"If-None-Match": '"older"'}))[0] == 200


async def test_head_tells_the_same_without_a_body(base: str) -> None:
    _, whole, content = await fetch(base, "/style.css")
    status, head, body = await fetch(base, "/style.css", "HEAD")
    assert (status, body) == (200, b"")
    assert int(head["content-length"]) == len(content)
    assert head["etag"] == whole["etag"]


async def test_other_methods_are_refused(base: str) -> None:
    assert (await fetch(base, "/app.js", "PUT"))[0] == 405
    assert (await fetch(base, "/app.js", "POST"))[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        *(f"/{name}" for name in NOT_SERVED),
        "/..%2fpage.py",
        "/%2e%2e/page.py",
        "/../page.py",
        "/vendor/..%2f..%2fpage.py",
        "/vendor/../../page.py",
        "/..%5cpage.py",
        "/vendor/",
        "/vendor",
        "//index.html",
        "/index.html%00",
        "/app.js.map",
        "/APP.JS",
        "/web/app.js",
        "/etc/passwd",
        "/.env",
        "/config.json",
    ],
)
async def test_nothing_outside_the_list_is_served(base: str, path: str) -> None:
    status, headers, body = await fetch(base, path)
    assert (status, headers["content-type"]) == (404, "application/json; charset=utf-8"), body


def test_the_list_has_every_file_but_licences_and_notes() -> None:
    assert NOT_SERVED == [
        "docs/manual.html",
        "vendor/README.md",
        "vendor/markdown-it.LICENSE",
        "vendor/purify.LICENSE",
        "vendor/swagger-ui-bundle.LICENSE",
        "vendor/swagger-ui.LICENSE",
    ]
    assert len(page_routes()) == len(FILES) + 1


def test_every_file_that_the_page_names_is_on_the_list() -> None:
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in FILES if not name.startswith("vendor/"))
    named = set(re.findall(r'(?:src|href)="([^"#]+)"', text)) | set(re.findall(r'from "\./([^"]+)"', text))
    assert named == set(FILES) - {"index.html"}


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_a_foreign_host(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    hosts = set(re.findall(r"(?:https?:|wss?:)?//([a-z0-9-]+(?:\.[a-z0-9-]+)+)", text, re.IGNORECASE))
    namespaces = {"www.w3.org"}
    licences = {"github.com"} if name.startswith("vendor/") else set()
    assert hosts <= namespaces | licences


def test_the_page_has_no_script_and_no_style_inside() -> None:
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", page) == []


def test_every_word_is_said_in_both_languages() -> None:
    words = (FOLDER / "words.js").read_text(encoding="utf-8")
    english, chinese = (part.partition("codes:")[0] for part in words.split("  zh: {"))
    names = [set(re.findall(r"(?:^|[,{\s])(\w+): \"", part)) for part in (english, chinese)]
    assert names[0] == names[1]
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-(?:text|label|placeholder)="(\w+)"', page)) <= names[0]


def test_every_code_of_an_error_is_said_in_chinese() -> None:
    words = (FOLDER / "words.js").read_text(encoding="utf-8")
    codes = set(re.findall(r"(\w+): \"", re.findall(r"codes: {(.*?)}", words, re.DOTALL)[1]))
    told = ERRORS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| .* \|$", told.partition("## The one table")[0], re.MULTILINE)
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert {"upload_failed", "bad_http", "wrong_host", "event_too_large"} <= listed
    assert listed - codes == {"misconfigured", "coze_4000"}, "one is for the command, one has Coze's own words"
    assert {code for code in codes if not re.search(rf"\b{code}\b", told)} == set()
