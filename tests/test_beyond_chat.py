"""The READMEs' second page prints what it says, in both languages."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pty_terminal import ENTER, Terminal, in_terminal

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("beyond-chat.md", "beyond-chat.zh-CN.md")
PRINTED = re.compile(r"<!-- run, and it prints -->\n```(python|sh)\n(.*?)```\n\n```\n(.*?)```", re.DOTALL)
TYPED = re.compile(r"```\n\$ \.venv/bin/realcoze (run .*?)\n(.*?)```", re.DOTALL)
WITHIN_S = 60


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_both_pages_show_the_same() -> None:
    english, chinese = map(page, PAGES)
    assert PRINTED.findall(english) == PRINTED.findall(chinese)
    assert TYPED.findall(english) == TYPED.findall(chinese)
    assert english.count("\n## ") == chinese.count("\n## ")


@pytest.mark.parametrize(("language", "block", "printed"), PRINTED.findall(page(PAGES[0])))
def test_a_block_prints_what_stands_below_it(language: str, block: str, printed: str, tmp_path: Path) -> None:
    shown = block.replace(".venv/bin/realcoze", f"{sys.executable} -m realcoze")
    command = [sys.executable, "-c", block] if language == "python" else ["bash", "-c", shown]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", printed)


async def test_a_workflow_asks_on_the_terminal_as_it_stands_there(tmp_path: Path) -> None:
    [(typed, shown)] = TYPED.findall(page(PAGES[0]))
    answers = re.findall(r"^Answer> (.*)$", shown, re.MULTILINE)
    async with in_terminal(*typed.split(), cwd=tmp_path) as session:
        terminal = session.terminal
        for number, answer in enumerate(answers, start=1):
            await terminal.until_true(partial(_is_prompted, terminal, number), f"prompt {number}")
            terminal.type(answer + ENTER)
        assert await session.ended() == 0
        assert terminal.text == shown.rstrip()
    assert answers == ["Jupiter", "8"]


def _is_prompted(terminal: Terminal, times: int) -> bool:
    return terminal.text.count("Answer>") == times
