"""What may be typed beside questions; pure."""

from dataclasses import dataclass
from typing import Literal

Name = Literal["quit", "help", "reset", "save", "steps", "suggestion", "unknown"]

HELP = (
    (":q", "leave; so do Ctrl-D, and Ctrl-C at an empty prompt"),
    ("/help", "this"),
    ("/reset", "begin a new conversation"),
    ("/save [FILE]", "write the conversation to FILE, as Markdown; as *.json the history that POST / takes"),
    ("/steps", "show, or hide, what the bot does on the way: plugins, workflows, knowledge"),
    ("/1 /2 /3", "ask the suggestion with this number"),
    ("Alt-Enter", "a new line within the question"),
    ("Up, Down", "what was typed before"),
    ("Ctrl-C", "stop the answer"),
)
"""What may be typed, and what it does."""

MOST_DIGITS = 2
"""Of a suggestion's number."""

_NAMES: dict[str, Name] = {
    ":q": "quit",
    "/quit": "quit",
    "/exit": "quit",
    "/help": "help",
    "/?": "help",
    "/reset": "reset",
    "/save": "save",
    "/steps": "steps",
}


@dataclass(frozen=True, slots=True)
class Command:
    name: Name
    argument: str = ""


def parse(line: str) -> Command | None:
    """The command in a line, or None when it is a question.

    Only a known word, or one that begins with `/` and is a single word, is a command: a question
    may well begin with a slash.
    """
    word, _, argument = line.strip().partition(" ")
    name = _NAMES.get(word.lower())
    if name == "save" or (name and not argument):
        return Command(name, argument.strip())
    if argument or not word.startswith("/") or not word.isascii():
        return None
    if word[1:].isdigit() and len(word) <= MOST_DIGITS + 1:
        return Command("suggestion", word[1:])
    return Command("unknown", word) if word[1:].isalpha() else None
