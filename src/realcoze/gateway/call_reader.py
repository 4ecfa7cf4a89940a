"""An answer as it comes → what of it can be shown, and the calls that the bot has written in it.

A call is `<tool_call>` and a JSON object.  In code that holds something before it, it is a quotation and is
shown; where it is the first that the code holds, the code's own marks are no more shown than the call is.
Outside of code no notation is ever shown: what begins like it waits until it is clear.  After the first call
nothing is shown: a bot cannot know yet what came of it, and what it says all the same is made up.  After a
result that it has made up, nothing is read as a call either.

Code is what CommonMark 0.31 says (4.5, 6.1), with these liberties: within a line it ends with the line; a block
may be indented as far as it likes, and words may stand behind its end; marks in the strings of a call are none.

Pure.  Above: `emulating.py`; `tools.py` describes the notation to the bot, and reads what stands in the calls.
"""

import re
from collections.abc import Generator
from typing import TypeVar

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_RESULT, _RESULT_CLOSE = "<tool_result>", "</tool_result>"
_NOTATION = (OPEN, _RESULT, CLOSE, _RESULT_CLOSE)
_SURELY = len("<tool")
"""From this length on an answer that ends with the beginning of the notation has been cut off in it."""

LOOKAHEAD = 1000
"""Words wait for no more characters than these to become clear: code within a line is no longer."""

FENCE_MARKS = 3
"""So many at the start of a line begin a block of code."""

# Taken as far as they have come.
_SPACE = re.compile(r"\s+")
_WORDS = re.compile(r"[^\s`~<]+(?:\s+[^\s`~<]+)*")
_CODE = re.compile(r"[^`~<]+")
_MARKS = {"`": re.compile("`+"), "~": re.compile("~+")}
_IN_STRING = re.compile(r'(?:[^"\\]+|\\.)++', re.DOTALL)
_OUTSIDE_STRINGS = re.compile(r'[^{}"]+')

# Looked at before they are taken.  Whatever one of them matches, it matches the beginnings of it as well: where
# a match ends and the text does not, no more text can change it.
_TAG = re.compile(r"</?\w{0,12}\s*>?")
_BEFORE_OBJECT = re.compile(r"\s*(?:(?:`+|~+)[^\S\n]*\w*\s*)?(?:\[\s*)?\{?")
_AFTER_OBJECT = re.compile(r"[\s,\[\]]*\{?")
_AFTER_FENCED_OBJECT = re.compile(r"[\s,\]`~]*\w*[\s\[]*\{?")
_LINE = re.compile(r"[^\n]*\n?")
_LINE_AND_SPACE = re.compile(r"[^\n]*\n?\s*")
_WORD_AND_SPACE = re.compile(r"\w*\s*")
_IN_SPAN = re.compile(r"[^`<\n]+|`+|</?\w{0,12}")
_IN_CALL_IN_SPAN = re.compile(r'[^`<"\n]+|`+|</?\w{0,12}|"(?:[^"\\\n]+|\\.?)*+"?')

_Read = TypeVar("_Read")
_Reading = Generator[None, None, _Read]
"""Stops where more must come, and goes on when it has come, or when it is known that none will."""


class CallReader:
    """`feed` takes the text piece by piece and gives what can be shown of it, `finish` the rest.

    `calls` are the objects that were written, as text; `is_broken` says that there was notation of which
    nobody can make a call.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_broken = False
        self._text = ""
        """What is not read yet, from `_at` on."""
        self._at = 0
        self._is_last = False
        self._is_over = False
        """Nothing is read from now on."""
        self._is_fresh = True
        """The line holds nothing but white space so far."""
        self._wrapping = ""
        """The mark that ends the code of which nothing is shown."""
        self._space: list[str] = []
        """Is shown with what follows it, unless that is notation."""
        self._shown: list[str] = []
        self._reading = self._read()

    @property
    def has_called(self) -> bool:
        """Nothing is shown from now on."""
        return bool(self.calls) or self.is_broken

    def feed(self, text: str) -> str:
        if self._is_over:
            return ""
        self._text, self._at = self._text[self._at :] + text, 0
        return self._go_on()

    def finish(self) -> str:
        self._is_last = True
        return self._go_on()

    def _go_on(self) -> str:
        next(self._reading, None)
        shown = "".join(self._shown)
        self._shown.clear()
        return shown

    def _read(self) -> _Reading[None]:
        """All of the answer."""
        while not self._is_over and (yield from self._reach(1)):
            if words := self._taken(_WORDS):
                self._show(words)
            elif space := self._taken(_SPACE):
                self._space.append(space)
            elif self._text[self._at] == "<":
                yield from self._read_tag()
            else:
                yield from self._read_mark()
        self._show("")

    def _read_tag(self) -> _Reading[None]:
        """What begins with `<`."""
        written, tag = yield from self._tag()
        if not tag:
            self._show(self._take(1))
            return
        self._space.clear()
        if tag in (CLOSE, _RESULT_CLOSE):
            self._take(len(written))
        elif tag == OPEN and (before := (yield from self._before_object())):
            yield from self._read_call(before)
        else:
            self._is_over = True
            self.is_broken |= tag == OPEN or not self.calls

    def _tag(self, skip: int = 0) -> _Reading[tuple[str, str]]:
        """The tag that comes after so many characters, and what it is in the notation, if anything."""
        written = yield from self._ahead(_TAG, skip)
        name = written.removesuffix(">").rstrip().lower()
        is_cut = name == written.lower() and len(name) >= _SURELY and self._ends(skip + len(name))
        known = (each for each in _NOTATION if each == f"{name}>" or (is_cut and each.startswith(name)))
        return written, next(known, "")

    def _before_object(self, skip: int = 0) -> _Reading[str]:
        """What a call that comes after so many characters has before its object; empty where no call comes.

        An answer that ends too early to tell would have called.
        """
        written, tag = yield from self._tag(skip)
        if tag != OPEN:
            return ""
        before = written + (yield from self._ahead(_BEFORE_OBJECT, skip + len(written)))
        is_call = before.endswith("{") or self._ends(skip + len(before))
        marks = before.count("`") + before.count("~")
        return before.removesuffix("{") if is_call and (not marks or marks >= FENCE_MARKS) else ""

    def _read_call(self, before: str) -> _Reading[None]:
        """A call to the end of its last object; its closing tag is a tag like any other."""
        self._take(len(before))
        after = _AFTER_FENCED_OBJECT if "`" in before or "~" in before else _AFTER_OBJECT
        while True:
            written = yield from self._object()
            if not written:
                self.is_broken = True
                return
            self.calls.append(written)
            between = yield from self._ahead(after)
            self._take(len(between.removesuffix("{")))
            if not between.endswith("{"):
                return

    def _object(self) -> _Reading[str]:
        """The JSON object that begins here; empty where the answer ends in it."""
        pieces: list[str] = []
        depth, is_in_string = 0, False
        while (yield from self._reach(1)):
            pieces.append(self._taken(_IN_STRING if is_in_string else _OUTSIDE_STRINGS))
            mark = self._text[self._at : self._at + 1]
            if mark == "\\":
                if not (yield from self._reach(2)):
                    break
                continue
            pieces.append(self._take(len(mark)))
            is_in_string ^= mark == '"'
            depth += (mark == "{") - (mark == "}")
            if mark == "}" and depth == 0:
                return "".join(pieces)
        return ""

    def _read_mark(self) -> _Reading[None]:
        """A mark of code, and the code that it begins."""
        is_fresh = self._is_fresh
        mark = yield from self._mark()
        if self._wrapping:
            if mark.startswith(self._wrapping):
                self._wrapping = ""
            return
        line, pattern = "", _SPACE
        if is_fresh and len(mark) >= FENCE_MARKS:
            line = yield from self._line_of_fence(mark)
            pattern = _LINE_AND_SPACE if line else _WORD_AND_SPACE
        lead = yield from self._ahead(pattern)
        if (yield from self._before_object(len(lead))):
            self._space.clear()
            self._take(len(lead))
            self._wrapping = mark
        elif line:
            self._show(mark + self._take(len(line)))
            yield from self._read_block(mark)
        else:
            length = (yield from self._span(mark)) if "`" in mark else 0
            self._show(mark + self._take(length))

    def _mark(self) -> _Reading[str]:
        """The ticks or tildes that stand here, all of them."""
        pieces: list[str] = []
        same = _MARKS[self._text[self._at]]
        while (yield from self._reach(1)) and (piece := self._taken(same)):
            pieces.append(piece)
        return "".join(pieces)

    def _line_of_fence(self, mark: str) -> _Reading[str]:
        """What follows the mark on the line that begins a block; empty where it begins none."""
        line = yield from self._ahead(_LINE)
        is_endless = len(line) == LOOKAHEAD and not line.endswith("\n")
        has_marks = "`" in mark and "`" in line
        return "" if is_endless or has_marks or OPEN[:-1] in line.lower() else line

    def _span(self, mark: str) -> _Reading[int]:
        """How long code within a line is after the mark that begins it, to behind the mark that ends it.

        0 where none does: then it is no code.
        """
        length, part = 0, _IN_SPAN
        while read := (yield from self._ahead(part, length)):
            length += len(read)
            if read == mark:
                return length
            if read[0] == "<":
                part = _IN_CALL_IN_SPAN if read.lower() == OPEN[:-1] else _IN_SPAN
        return 0

    def _read_block(self, mark: str) -> _Reading[None]:
        """A block of code to its end, before which nobody can know that a call in it is a quotation."""
        held: list[str] = []
        has_call = False
        while (yield from self._reach(1)):
            is_fresh, code = self._is_fresh, self._taken(_CODE)
            is_end = False
            if not code and self._text[self._at] == "<":
                has_call = has_call or bool((yield from self._before_object()))
                code = self._take(1)
            elif not code:
                code = yield from self._mark()
                is_end = is_fresh and code.startswith(mark)
            held.append(code)
            if is_end or not has_call:
                self._show("".join(held))
                held.clear()
            if is_end:
                return
        self.is_broken |= has_call and not self.calls

    def _show(self, text: str) -> None:
        if not self.has_called:
            self._shown += (*self._space, text)
        self._space.clear()

    def _ahead(self, pattern: re.Pattern[str], skip: int = 0) -> _Reading[str]:
        """What matches after so many characters, as far as it will ever go within `LOOKAHEAD`."""
        while True:
            end = self._at + LOOKAHEAD
            found = pattern.match(self._text, self._at + skip, end)
            length = len(found[0]) if found else 0
            if self._is_last or self._at + skip + length < len(self._text) or end <= len(self._text):
                return found[0] if found else ""
            yield

    def _reach(self, count: int) -> _Reading[bool]:
        """So many characters are there; false where the answer ends before."""
        while len(self._text) - self._at < count:
            if self._is_last:
                return False
            yield
        return True

    def _ends(self, skip: int) -> bool:
        """The answer does, after so many characters."""
        return self._is_last and self._at + skip == len(self._text)

    def _taken(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        return self._take(len(found[0])) if found else ""

    def _take(self, count: int) -> str:
        text = self._text[self._at : self._at + count]
        self._at += count
        if "\n" in text:
            self._is_fresh = not text.rpartition("\n")[2].strip()
            if len(self._wrapping) < FENCE_MARKS:
                self._wrapping = ""
        elif self._is_fresh:
            self._is_fresh = not text.strip()
        return text
