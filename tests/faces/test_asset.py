"""Files that are served as they stand; the files of other people are those that were published."""

import re
from hashlib import sha256

import pytest
from starlette.requests import Request

from realcoze.faces.asset import FOLDER, asset

pytestmark = pytest.mark.anyio


def test_vendored_files_are_those_of_the_table() -> None:
    table = (FOLDER / "vendor" / "README.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| (\S+\.(?:js|css)) \|.*\| ([0-9a-f]{64}) \|$", table, re.MULTILINE))
    files = sorted(file for file in (FOLDER / "vendor").iterdir() if file.suffix in (".js", ".css"))
    assert told == {file.name: sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_vendored_file_has_its_licence() -> None:
    table = (FOLDER / "vendor" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w-]+\.LICENSE", table))
    assert named == {file.name for file in (FOLDER / "vendor").glob("*.LICENSE")}


async def test_a_file_says_its_policy_and_is_told_apart_by_its_bytes() -> None:
    serve = asset("icon.svg", policy="default-src 'none'")
    first = await serve(Request({"type": "http", "headers": []}))
    assert first.body == (FOLDER / "icon.svg").read_bytes()
    assert first.headers["content-type"] == "image/svg+xml"
    assert first.headers["content-security-policy"] == "default-src 'none'"
    known = [(b"if-none-match", first.headers["etag"].encode())]
    again = await serve(Request({"type": "http", "headers": known}))
    assert (again.status_code, again.body) == (304, b"")
    other = await asset("style.css", policy="")(Request({"type": "http", "headers": known}))
    assert (other.status_code, other.headers["etag"] != first.headers["etag"]) == (200, True)
