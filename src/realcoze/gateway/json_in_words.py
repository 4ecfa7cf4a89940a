"""The JSON of an answer that should be nothing else, and often is: what a bot thought, words, code around it.

What was cut off, or is broken, is none, and so is everything beside it: nobody knows what it was to be part of.
What has brackets in words (`[see]`, `{x}`, formulas) is passed over where it holds no `"`.  Pure.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

MOST_BRACKETS = 10_000
"""An answer with more is looked at no further."""

_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_MARK = re.compile(r"`{3,}|~{3,}")
_BEGINS = re.compile(r"[{\[]")
_MAY_BE_JSON = re.compile(r'[{\[]\s*["{\[\]}\d\-tfn]')
_SURELY_JSON = re.compile(r'[{\[]\s*"|\[\s*(?:\{|\[\s*["\d\-\[{\]])')

_CLOSED = re.compile(r"""[{\[](?!\s*')[^{}\[\]"]*[}\]]""")
"""Brackets around words; a dictionary of Python's is none of these."""

_NESTED = re.compile(r"""[{\[](?!\s*')[^{}\[\]":,]*(?=[{\[])""")
_OPEN = re.compile(r"""[{\[](?![\s\d.,eE+\-truefalsn]*$)[^{}\[\]"]*$""")
"""A bracket that nothing ends, and behind it words: not numbers, true, false or null, which might go on."""

_LENIENT = json.JSONDecoder()
"""Which tells where a value ends; it takes more for one than there is in JSON."""


class Found(NamedTuple):
    """How a value is written, and what it is."""

    text: str
    value: Any


class _Broken(Exception):
    """Something in the text was to be JSON, and is none."""


def json_of(text: str) -> list[Found]:
    """What may be meant: all of the text, or the values in blocks of code or among the words, the last first."""
    thought = _THOUGHT.match(text)
    whole = text[thought.end() if thought else 0 :].strip()
    if (value := read_value(whole)) is not NOTHING:
        return [Found(whole, value)]
    try:
        written = _fenced(whole) or [*_among(whole)]
    except _Broken:
        return []
    return [Found(each, value) for each in reversed(written) if (value := read_value(each)) is not NOTHING]


NOTHING = object()


def read_value(text: str) -> Any:
    """What JSON text holds; `NOTHING` where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return NOTHING


def _fenced(text: str) -> list[str]:
    """The JSON of blocks of code, and what stands behind the last; none where there is no such block.

    Raises `_Broken` for a block that does not end.
    """
    blocks: list[str] = []
    outside: list[str] = []
    inside: list[str] = []
    mark = ""
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        found = _MARK.match(bare)
        if mark and found and bare == found[0] and bare.startswith(mark):
            mark = ""
            blocks.append("".join(inside).strip())
        elif mark:
            inside.append(line)
        elif found and "`" not in bare[found.end() :]:
            if not blocks and _SURELY_JSON.search("".join(outside)):
                return []  # the block may stand within a text of JSON
            mark = found[0]
            outside.clear()
            inside.clear()
        else:
            outside.append(line)
    if mark:
        raise _Broken
    values = [block for block in blocks if read_value(block) is not NOTHING]
    return [*values, *_among("".join(outside))] if values else []


def _among(words: str) -> Iterator[str]:
    """The objects and arrays among words, which stand in no other.  Raises `_Broken`."""
    at = 0
    for _ in range(MOST_BRACKETS):
        begins = _BEGINS.search(words, at)
        if begins is None:
            return
        start = begins.start()
        end = _end_of_value(words, start)
        if end:
            yield words[start:end]
        at = end or _end_of_words(words, start)
    raise _Broken


def _end_of_value(words: str, start: int) -> int:
    """0 where there is no value."""
    if _MAY_BE_JSON.match(words, start):
        try:
            return _LENIENT.raw_decode(words, start)[1]
        except (ValueError, RecursionError) as error:
            if _SURELY_JSON.match(words, start):
                raise _Broken from error
    return 0


def _end_of_words(words: str, start: int) -> int:
    """Where what begins with a bracket and is no value ends, or from where its inside can be looked at."""
    if closed := _CLOSED.match(words, start):
        return closed.end()
    if _NESTED.match(words, start) or _OPEN.match(words, start):
        return start + 1
    raise _Broken
