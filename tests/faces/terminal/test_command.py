import pytest

from realcoze.faces.terminal.command import HELP, Command, parse


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (":q", Command("quit")),
        (" :Q ", Command("quit")),
        ("/quit", Command("quit")),
        ("/exit", Command("quit")),
        ("/help", Command("help")),
        ("/?", Command("help")),
        ("/reset", Command("reset")),
        ("/steps", Command("steps")),
        ("/save", Command("save")),
        ("/save my notes.md", Command("save", "my notes.md")),
        ("/1", Command("suggestion", "1")),
        ("/12", Command("suggestion", "12")),
        ("/nonsense", Command("unknown", "/nonsense")),
    ],
)
def test_commands(line: str, command: Command) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    "line",
    [
        "Hello",
        "/etc/passwd",
        "/help me with this",
        ":q is how one leaves vi",
        "/1 of them",
        "/usr/bin/env python",
        "/ slash",
        "/",
        "/两个",
        "/²",
        "/20261122",
        "save it",
    ],
)
def test_questions(line: str) -> None:
    assert parse(line) is None


def test_the_help_has_every_command() -> None:
    told = " ".join(typed for typed, _ in HELP)
    assert all(word in told for word in (":q", "/help", "/reset", "/save", "/steps", "/1"))
