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
}


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("name", SAYS)
async def test_an_example_runs(name: str, tmp_path: Path) -> None:
    picture = anyio.Path(tmp_path / "picture.png")
    await picture.write_bytes(png(31, 17))
    source = str(Path(realcoze.__file__).parents[1])
    with anyio.fail_after(PATIENT_S):
        done = await anyio.run_process(
            [sys.executable, "-W", "error", str(EXAMPLES / name), "--demo", str(picture)],
            check=False,
            cwd=tmp_path,
            env=environment(tmp_path / "home", PYTHONPATH=source),
        )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    assert SAYS[name] in done.stdout.decode()


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_how_to_run_it(name: str) -> None:
    docstring = ast.get_docstring(ast.parse((EXAMPLES / name).read_text(encoding="utf-8")))
    assert docstring is not None
