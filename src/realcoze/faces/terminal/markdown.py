"""What a bot wrote → what a terminal shows; pure.

Nothing is lost on the way: HTML stands there as it was written (rich leaves it out), lines stay
lines, and links and pictures show their address, since not every terminal can be clicked at.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.markdown import Markdown

_PARSER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Answer(Markdown):
    """Markdown to be printed; `text` may be cut anywhere."""

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.parsed = list(_adapted(_PARSER.parse(text)))


def finished_blocks(text: str) -> Iterator[str]:
    """The blocks of a Markdown text that nothing more can be added to: all but the last one.

    Together with what is left they are the text again.
    """
    text = _settled(text)
    starts = [token.map[0] for token in _PARSER.parse(text) if token.level == 0 and token.map and token.nesting >= 0]
    lines = _LINE.findall(text)
    for start, end in pairwise(starts):
        yield "".join(lines[0 if start == starts[0] else start : end])


def _settled(text: str) -> str:
    """The text without a last line that may yet become another kind of line.

    `1` looks like a paragraph, which ends a list, until it is `1. one`, which goes on with it; `#` ends
    a paragraph until it is `#word`.  What begins with a letter stays what it is.
    """
    start = text.rfind("\n") + 1
    return text if text[start:].lstrip(" \t")[:1].isalpha() else text[:start]


def _adapted(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        if token.type == "softbreak":
            yield Token("hardbreak", "br", 0)
        elif token.info == "auto" and token.type in ("link_open", "link_close"):
            continue
        elif token.type == "image":
            yield Token("link_open", "a", 1, attrs={"href": token.attrGet("src") or ""})
            yield Token("text", "", 0, content=token.content or "image")
            yield Token("link_close", "a", -1)
        else:
            if token.children:
                token.children = list(_adapted(token.children))
            yield token
