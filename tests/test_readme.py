"""What both READMEs and the pages of the APIs tell to type is run as it stands there, from the folder of the clone."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
PAGES = (*READMES, "docs/native-api.md", "docs/openai-api.md", "docs/anthropic-api.md", "docs/python.md")
WITHIN_S = 60
WHOLE = (
    '"continue":false',
    '"type":"done"',
    '"contentType":6',
    '"finish_reason":"stop"',
    '"stop_reason":"end_turn"',
    '"status":"completed"',
    '/drawn/a%20cat.png"}]',
)
"""What a call prints that went well."""

KNOWN = {
    "make demo",
    "make test",
    ".venv/bin/realcoze chat --demo",
    ".venv/bin/realcoze chat\n.venv/bin/realcoze serve",
}
"""Blocks that are tried elsewhere: by CI from a clean checkout, and in a terminal by tests/faces/terminal."""


def blocks(mark: str, language: str = "sh") -> list[tuple[str, str]]:
    """The blocks below a comment, each with the page it stands on."""
    found = []
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, block) for block in re.findall(rf"<!-- {mark} -->\n```{language}\n(.*?)```", text, re.DOTALL)]
    return found


def shell(block: str) -> list[str]:
    return ["bash", "-c", block.replace(".venv/bin/realcoze", f"{sys.executable} -m realcoze")]


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """The address of what `make demo` leaves running."""
    command = [sys.executable, "-m", "realcoze", "demo", "--port", "0"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        address = next(found[1] for line in running.stdout if (found := re.search(r"--url http://(\S+)", line)))
        yield address
        running.terminate()
        running.stdout.close()


@pytest.fixture(scope="module", params=["open", "studio"])
def account(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """An environment with an account on an emulated coze.com, or Coze Studio."""
    folder = tmp_path_factory.mktemp("emulated")
    command = [sys.executable, "-m", "realcoze", "emulate", "--port", "0", "--pace", "0", "--api", request.param]
    with subprocess.Popen([*command, "--write", str(folder)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        next(line for line in running.stdout if line.startswith("Wrote settings"))
        lines = (folder / ".env").read_text(encoding="utf-8").splitlines()
        names = dict(line.split("=", 1) for line in lines if line.startswith("COZE_"))
        yield {**os.environ, **names, "XDG_STATE_HOME": str(folder)}
        running.terminate()
        running.stdout.close()


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose bots are on an emulated coze.com."""
    folder = tmp_path_factory.mktemp("spoken")
    ours = [sys.executable, "-m", "realcoze"]
    coze = [*ours, "emulate", "--port", "0", "--pace", "0", "--api", "open", "--write", str(folder)]
    with subprocess.Popen(coze, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout is not None
        next(line for line in emulator.stdout if line.startswith("Wrote settings"))
        with subprocess.Popen([*ours, "serve", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            yield next(found[1] for line in server.stdout if (found := re.search(r"at http://([^,]+),", line)))
            server.terminate()
            server.stdout.close()
        emulator.terminate()
        emulator.stdout.close()


def python(program: str) -> list[str]:
    return [sys.executable, "-W", "error", "-c", program]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_run_or_tried_elsewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    unmarked = re.findall(r"(?<!-->)\n *```(?:sh|python)\n(.*?)```", text, re.DOTALL)
    known = KNOWN if page in READMES else set()
    assert {re.sub(r"^ +", "", block, flags=re.MULTILINE).strip() for block in unmarked} == known


@pytest.mark.parametrize(("page", "block"), blocks("run"))
def test_a_command_works_as_printed(page: str, block: str) -> None:
    done = subprocess.run(shell(block), cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page
    assert done.stdout.strip()


@pytest.mark.parametrize(("page", "block"), blocks("run", "python"))
def test_a_program_works_as_printed(page: str, block: str) -> None:
    done = subprocess.run(python(block), cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page
    assert done.stdout.strip()


@pytest.mark.parametrize(("page", "block"), blocks("run with a server", "python"))
def test_a_client_works_as_printed(page: str, block: str, demo: str) -> None:
    program = python(block.replace("127.0.0.1:8080", demo))
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page
    assert "Ada" in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.parametrize(("page", "block"), blocks("run with a server"))
def test_a_call_works_as_printed(page: str, block: str, demo: str) -> None:
    block = block.replace("127.0.0.1:8080", demo).replace("curl ", "curl --silent --show-error --fail ")
    done = subprocess.run(shell(block), cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page
    assert any(told in done.stdout for told in WHOLE), page


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, shell(block)) for page, block in blocks("run with a voice")]
    + [(page, [sys.executable, "-W", "error", "-c", block]) for page, block in blocks("run with a voice", "python")],
)
def test_what_is_spoken_is_heard(page: str, command: list[str], voice: str, tmp_path: Path) -> None:
    command = [part.replace("127.0.0.1:8080", voice).replace("curl ", "curl -sSf ") for part in command]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr) == (0, ""), page
    assert "A recording of 0.12 seconds" in done.stdout


@pytest.mark.parametrize(("page", "block"), blocks("run in the background"))
def test_a_server_says_what_to_type_next(page: str, block: str, tmp_path: Path) -> None:
    command = shell(block.replace("\n", " --port 0\n"))
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        said = next(line for line in running.stdout if line.startswith("  cd emulated && "))
        asked = subprocess.run(
            shell(f"cd emulated && echo Hello | .venv/bin/realcoze {said.split()[-1]}"),
            cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False,
        )  # fmt: skip
        running.terminate()
        running.stdout.close()
    assert (asked.returncode, asked.stderr) == (0, ""), page
    assert "Hello" in asked.stdout


@pytest.mark.parametrize(("page", "block"), blocks("run with an account"))
def test_an_account_works_as_printed(page: str, block: str, account: Mapping[str, str], tmp_path: Path) -> None:
    """With the values of an emulated account in the places of the printed ones."""
    block = re.sub(
        r"^export (\w+)=.*$", lambda found: f"export {found[1]}={account[found[1]]}", block, flags=re.MULTILINE
    )
    done = subprocess.run(
        shell(block), cwd=tmp_path, env={**os.environ, "XDG_STATE_HOME": str(tmp_path)}, input="Hello",
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), page
    assert "Hello" in done.stdout


@pytest.mark.parametrize(
    ("question", "bot_id"),
    [
        *((f"Hello [[fault code value={code}]]", "") for code in (4100, 4015, 4101, 4028, 4008)),
        ("Hello [[fault region]]", ""),
        ("Hello", "999"),
    ],
)
def test_a_beginners_error_is_printed_as_both_readmes_say(
    question: str, bot_id: str, account: Mapping[str, str], tmp_path: Path
) -> None:
    """They leave out what Coze says itself, and name the codes of coze.com."""
    done = subprocess.run(
        [sys.executable, "-m", "realcoze", "chat"], cwd=tmp_path, input=question,
        env={**account, "COZE_BOT_ID": bot_id or account["COZE_BOT_ID"]},
        capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    found = re.fullmatch(r"realcoze: Coze answered code (\d+): [^.]+(?:\. Please [^.]+)?\. (.*)\n", done.stderr)
    assert found is not None, done.stderr
    code = {"103100002": "4200"}.get(found[1], found[1])
    for page in READMES:
        assert f"`Coze answered code {code}: …. {found[2]}`" in (ROOT / page).read_text(encoding="utf-8")
