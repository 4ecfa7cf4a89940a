"""What may be typed beside questions; pure."""

import shlex
from dataclasses import dataclass
from typing import Literal

Name = Literal["quit", "help", "bot", "image", "file", "reset", "save", "steps", "suggestion", "unknown"]

HELP = (
    (":q", "leave; so do Ctrl-D, and Ctrl-C at an empty prompt"),
    ("/help", "this"),
    ("/bot NAME", "let another bot answer, from the next question on"),
    ("/image PATH", "show the bot a picture; it goes in front of the next question"),
    ("/file PATH", "the same for any file"),
    ("/reset", "begin a new conversation, without what was attached"),
    ("/save [FILE]", "write the conversation to FILE, as Markdown; as *.json the history that POST / takes"),
    ("/steps", "show, or hide, what the bot does on the way: plugins, workflows, knowledge"),
    ("/1 /2 /3", "ask the suggestion with this number"),
    ("Alt-Enter", "a new line within the question"),
    ("Tab", "complete the path of a file"),
    ("Up, Down", "what was typed before"),
    ("Ctrl-C", "stop the answer, or the upload"),
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
    "/bot": "bot",
    "/image": "image",
    "/file": "file",
    "/reset": "reset",
    "/save": "save",
    "/steps": "steps",
}
_WITH_ARGUMENT = ("bot", "image", "file", "save")


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
    if name and (not argument or name in _WITH_ARGUMENT):
        return Command(name, argument.strip())
    if argument or not word.startswith("/") or not word.isascii():
        return None
    if word[1:].isdigit() and len(word) <= MOST_DIGITS + 1:
        return Command("suggestion", word[1:])
    return Command("unknown", word) if word[1:].isalpha() else None


def spellings(argument: str) -> tuple[str, ...]:
    """The paths that may be meant, the likelier last: as it was typed, and as a shell would read it.

    A file dropped on the terminal comes in quotes or with backslashes; typed by hand a blank stands for itself.
    """
    try:
        words = shlex.split(argument)
    except ValueError:
        return (argument,)
    return (argument,) if len(words) != 1 or words == [argument] else (argument, words[0])
