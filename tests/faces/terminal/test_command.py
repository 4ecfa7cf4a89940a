import pytest

from realcoze.faces.terminal.command import HELP, Command, parse, spellings


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
        ("/bot", Command("bot")),
        ("/bot tools", Command("bot", "tools")),
        ("/image", Command("image")),
        ("/image cat.png", Command("image", "cat.png")),
        (" /IMAGE  ~/my cat.png ", Command("image", "~/my cat.png")),
        ("/file 'my notes.pdf'", Command("file", "'my notes.pdf'")),
        (r"/file my\ notes.pdf", Command("file", r"my\ notes.pdf")),
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
        "/images of cats",
        "/image/cat.png",
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
    assert all(word in told for word in (":q", "/help", "/reset", "/save", "/steps", "/bot", "/image", "/file", "/1"))


@pytest.mark.parametrize(
    ("argument", "paths"),
    [
        ("cat.png", ("cat.png",)),
        ("my cat.png", ("my cat.png",)),
        ("'my cat.png'", ("'my cat.png'", "my cat.png")),
        ('"my cat.png"', ('"my cat.png"', "my cat.png")),
        (r"~/my\ cat.png", (r"~/my\ cat.png", "~/my cat.png")),
        ("it's.png", ("it's.png",)),
        ("cat #1.png", ("cat #1.png",)),
        ("", ("",)),
        ("''", ("''", "")),
    ],
)
def test_a_path_as_typed_and_as_a_shell_reads_it(argument: str, paths: tuple[str, ...]) -> None:
    assert spellings(argument) == paths
