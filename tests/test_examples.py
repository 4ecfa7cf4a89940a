"""Every example does what its docstring says, on an embedded Coze."""

import ast
import sys
from pathlib import Path

import anyio
import pytest

import realcoze
from commands import PATIENT_S, environment
from pictures import png

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "ask.py": "picture.png",
    "picture.py": "I see `image/png`, 31 × 17 pixels",
    "stream.py": "[call] weather.lookup",
    "tools.py": "[add_reminder] at 5pm: ",
}


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("name", SAYS)
async def test_an_example_runs(name: str, tmp_path: Path) -> None:
    picture = anyio.Path(tmp_path / "picture.png")
    await picture.write_bytes(png(31, 17))
    code, out, err = await ended(name, "--demo", str(picture), cwd=tmp_path)
    assert (code, err) == (0, "")
    assert SAYS[name] in out


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_how_to_run_it(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
    assert docstring is not None
    assert f"`.venv/bin/python examples/{name} --demo" in docstring


async def ended(name: str, *arguments: str, cwd: Path) -> tuple[int, str, str]:
    """How an example ends, and what it says."""
    source = str(Path(realcoze.__file__).parents[1])
    with anyio.fail_after(PATIENT_S):
        done = await anyio.run_process(
            [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
            check=False,
            cwd=cwd,
            env=environment(cwd / "home", PYTHONPATH=source),
        )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("name", SAYS)
async def test_without_settings_an_example_says_what_is_missing(name: str, tmp_path: Path) -> None:
    code, out, err = await ended(name, "cat.png", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith("No bot is configured. Try it without an account: ")
    assert err.count("\n") == 1


async def test_without_a_picture_it_says_how_to_run_it(tmp_path: Path) -> None:
    code, _, err = await ended("picture.py", "--demo", cwd=tmp_path)
    assert (code, "picture.py --demo PICTURE" in err) == (1, True)
    code, _, err = await ended("picture.py", "--demo", "nowhere.png", cwd=tmp_path)
    assert (code, err) == (1, "nowhere.png cannot be read: No such file or directory.\n")
