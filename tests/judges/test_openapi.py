"""Schemathesis over what /openapi.json says, an emulated Coze behind: whatever it sends, the answer is as described.

A few examples of each call here; `make fuzz` sends many, and what the edges of the schemas allow.
"""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from houses import served_openly
from judged import driven, python_of
from realcoze.app.description.document import CALLS
from realcoze.app.description.route import PATH
from realcoze.emulator.open_api.audio import VOICES
from realcoze.emulator.open_api.settings import OpenSettings
from servers import emulated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

KEY = "a-key-of-32-characters-and-more-"
VOICE = next(iter(VOICES))
FUZZ = os.environ.get("REALCOZE_FUZZ", "")
"""How many examples of each call `make fuzz` wants."""

MANY = (FUZZ, "examples,coverage,fuzzing")
ASKED = {f"{method} {path}": call for (method, path), call in CALLS.items() if path != PATH}
"""Schemathesis asks for the document once, and does not take it for one of the calls."""

TALKING = {
    "POST /",
    "POST /speech",
    "POST /v1/audio/speech",
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/images/generations",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST /v1/responses",
    "GET /health",
    "GET /v1/models",
}
"""Calls that succeed: their bodies have examples, which a bot answers, or they have none."""


async def judged(folder: Path, *few: str, key: str = "", presented: str = "") -> dict[str, Any]:
    """The report on a server with that key, called with another or the same.

    `few` says how many examples, of which phases, by which seed, unless many are wanted.
    """
    python_of("schemathesis")
    how = MANY if FUZZ else few
    async with (
        emulated(OpenSettings(pace=0.0)) as coze,
        served_openly(coze, folder, key=key, voice_id=VOICE, recovery_calls=0) as url,
    ):
        report = await driven("schemathesis", url, presented, *how, home=folder, patience_s=800)
    if FUZZ:
        each = "".join(f"{label:34} {statuses}\n" for label, statuses in sorted(report["statuses"].items()))
        sys.stdout.write(f"\n{report['said']}\n{each}")
    return report


def assert_as_described(report: dict[str, Any]) -> None:
    assert (report["failures"], report["errors"], report["exit_code"]) == ([], [], 0), report["said"]


@pytest.mark.skipif(not FUZZ, reason="make fuzz")
async def test_a_server_without_a_key_answers_as_described(tmp_path: Path) -> None:
    report = await judged(tmp_path)
    assert_as_described(report)
    assert set(report["statuses"]) == set(ASKED)


async def test_a_server_with_a_key_answers_those_who_have_it_as_described(tmp_path: Path) -> None:
    report = await judged(tmp_path, "2", "examples,fuzzing", "1", key=KEY, presented=KEY)
    assert_as_described(report)
    assert set(report["statuses"]) == set(ASKED)
    assert {label for label, statuses in report["statuses"].items() if "200" in statuses} >= TALKING


async def test_a_server_with_a_key_refuses_all_others_as_described(tmp_path: Path) -> None:
    report = await judged(tmp_path, "1", "examples", "1", key=KEY, presented="another-key-of-many-characters")
    assert_as_described(report)
    closed = {label: set(each) for label, each in report["statuses"].items() if not ASKED[label].is_open}
    assert len(closed) >= 8
    # A path with a line break in it is none to Starlette's router (1.10), whose patterns stop there.
    assert [label for label, each in closed.items() if each - {"404"} != {"401"}] == []
