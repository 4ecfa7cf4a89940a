"""The tests mirror the source, and no file outgrows what can be read at one sitting without saying why."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "realcoze"
LONG = 400

COVERED_ELSEWHERE = {
    "__main__.py": "tests/app/test_cli.py runs it as a command",
}


def test_every_module_has_a_test_of_its_own_name() -> None:
    missing = []
    for module in sorted(SOURCE.rglob("*.py")):
        relative = module.relative_to(SOURCE)
        if relative.name == "__init__.py" or str(relative) in COVERED_ELSEWHERE:
            continue
        if not (ROOT / "tests" / relative.parent / f"test_{relative.name}").is_file():
            missing.append(str(relative))
    assert missing == []


def test_every_test_has_a_module_of_its_own_name() -> None:
    folders = [path for path in SOURCE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    extra = [
        str(test.relative_to(ROOT))
        for folder in folders
        for test in (ROOT / "tests" / folder.relative_to(SOURCE)).glob("test_*.py")
        if not (folder / test.name.removeprefix("test_")).is_file()
    ]
    assert extra == []


def test_a_file_above_400_lines_says_why() -> None:
    long = [path for path in SOURCE.rglob("*.py") if len(path.read_text(encoding="utf-8").splitlines()) > LONG]
    assert [path for path in long if "lines" not in path.read_text(encoding="utf-8").split('"""')[1]] == []


def test_what_has_to_be_finished_is_said_in_one_way() -> None:
    """A shield alone does not hold where a caller leaves (leaving.py)."""
    texts = {str(path.relative_to(SOURCE)): path.read_text() for path in SOURCE.rglob("*.py")}
    assert [name for name, text in texts.items() if re.search(r"shield\s*=\s*True", text)] == ["leaving.py"]
    threads = {name for name, text in texts.items() if "to_thread.run_sync(" in text}
    assert threads == {"leaving.py", "toolbox.py", "faces/terminal/chat.py"}, "the latter serve nobody who leaves"


def test_the_types_of_the_python_api_are_there_for_its_callers() -> None:
    """PEP 561: the mark is in the package, and in what is built of it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["realcoze"]
    assert (files("realcoze") / "py.typed").is_file()
