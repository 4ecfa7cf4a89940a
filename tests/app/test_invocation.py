import sys
from pathlib import Path

import pytest

from realcoze.app.invocation import our_command


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the `bin` of a virtual environment."""
    folder = tmp_path / "my env" / "bin"
    folder.mkdir(parents=True)
    script = folder / "realcoze"
    script.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/usr/bin")
    return folder


def test_by_its_name_where_the_shell_finds_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{installed}:/usr/bin")
    assert our_command() == "realcoze"


def test_by_its_path_where_it_does_not(installed: Path) -> None:
    assert our_command() == f"'{installed}/realcoze'"


def test_by_its_path_where_the_name_is_another_ones(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = installed.parent / "other"
    other.mkdir()
    (other / "realcoze").touch(0o755)
    monkeypatch.setenv("PATH", str(other))
    assert our_command() == f"'{installed}/realcoze'"


def test_by_python_where_there_is_no_script(installed: Path) -> None:
    (installed / "realcoze").unlink()
    assert our_command() == f"'{installed}/python' -m realcoze"
