"""The locked requirements hold names, versions and hashes, and nothing that names a place."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = sorted((ROOT / "requirements").glob("*.txt"))
JUDGES = sorted((ROOT / "tests" / "judges").glob("*/requirements.txt"))
LOCKS = OURS + JUDGES
THEIRS = ("anthropic", "cozepy", "langchain", "llm", "openai", "page", "schemathesis")
LINE = re.compile(
    r"""
      [a-z0-9][a-z0-9._-]*==[0-9][0-9a-z.!+]*(\ ;\ [a-z_]+\ [<>=!]+\ "[0-9a-z.]+")?\ \\   # a name and a version
    | \ {4}--hash=sha256:[0-9a-f]{64}(\ \\)?                                             # a hash
    | \ {4}\#\ via.* | \ {4}\#\ {3}[a-z0-9._()/ -]+                                     # who wants it
    | \#\ The\ following\ packages\ are\ considered\ to\ be\ unsafe.*
    |
    """,
    re.VERBOSE,
)


def named(lock: Path) -> str:
    return str(lock.relative_to(ROOT))


def test_there_are_these_locks() -> None:
    assert [named(lock) for lock in LOCKS] == [
        "requirements/dev.txt",
        "requirements/run.txt",
        *(f"tests/judges/{judge}/requirements.txt" for judge in THEIRS),
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=named)
def test_a_lock_holds_only_names_versions_and_hashes(lock: Path) -> None:
    strange = [line for line in lock.read_text().splitlines() if not LINE.fullmatch(line)]
    assert strange == []


@pytest.mark.parametrize("lock", LOCKS, ids=named)
def test_every_requirement_has_a_hash(lock: Path) -> None:
    entries = re.split(r"^(?=[a-z])", lock.read_text(), flags=re.MULTILINE)
    without = [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
    assert without == []


def test_what_runs_is_a_part_of_what_tests() -> None:
    dev, run = (set(re.findall(r"^[a-z0-9._-]+==\S+", lock.read_text(), re.MULTILINE)) for lock in OURS)
    assert run <= dev
