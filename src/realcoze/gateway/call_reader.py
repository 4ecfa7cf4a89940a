"""An answer as it comes → what of it can be shown, and the calls that the bot has written in it.

A call is `<tool_call>` and a JSON object.  In code that holds something before it, it is a quotation and is
shown; where it is the first that the code holds, the code's own marks are no more shown than the call is.
Outside of code no notation is ever shown: what begins like it waits until it is clear.  After the first call
nothing is shown: a bot cannot know yet what came of it, and what it says all the same is made up.

Pure.  Above: `emulating.py`; `tools.py` describes the notation to the bot, and reads what stands in the calls.
"""

import re
from collections.abc import Iterator

OPEN, CLOSE = "<tool_call>", "</tool_call>"
RESULT, RESULT_CLOSE = "<tool_result", "</tool_result>"
_NOTATION = (OPEN, CLOSE, RESULT, RESULT_CLOSE)
_SURELY = len("<tool")
"""From this length on an answer that ends with the beginning of the notation has been cut off in it."""

_SPACE = re.compile(r"\s*")
_PLAIN = re.compile(r"[^\s`~<]+(?:\s+[^\s`~<]+)*")
_TICKS = re.compile(r"`+|~+")
_BEFORE_OBJECT = re.compile(r"\s*(?:\[\s*)?")
_AFTER_OBJECT = re.compile(r"[\s,\]]*")
_STRUCTURE = re.compile(r'[{}"\\]')

FENCE_MARKS = 3
"""So many at the start of a line begin a block of code (CommonMark 0.31, 4.5)."""


class _Wait(Exception):
    """More must come before it is clear what this is."""


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
        self._has_read = False
        self._code = ""
        """The mark that ends the code in which the text stands; empty outside."""
        self._is_block = False
        self._wrapping = ""
        """The mark that ends the code of which nothing is shown."""
        self._object: _Object | None = None
        """The one that is being written."""
        self._is_inside = False
        """Between the tags, after an object."""
        self._lost = ""
        """What ends the notation that is no call; empty outside."""

    @property
    def has_called(self) -> bool:
        """Nothing is shown from now on."""
        return bool(self.calls) or self.is_broken

    def feed(self, text: str) -> str:
        self._text = self._text[self._at :] + text
        self._at = 0
        return "".join(self._shown())

    def finish(self) -> str:
        self._is_last = True
        shown = "".join(self._shown())
        self.is_broken |= self._object is not None
        return shown

    def _shown(self) -> Iterator[str]:
        try:
            while self._at < len(self._text):
                if self._object is not None:
                    self._read_object(self._object)
                elif self._lost:
                    self._skip()
                elif self._is_inside:
                    self._read_between()
                else:
                    shown = self._read_text()
                    if not self.has_called:
                        yield shown
        except _Wait:
            return

    def _read_text(self) -> str:
        """One thing and the white space before it, which is not shown where that is notation."""
        start = self._at
        at = self._past(_SPACE, start)
        if self._needs_more(at):
            raise _Wait
        plain = _PLAIN.match(self._text, at)
        self._end_code_span(start, plain.end() if plain else at)
        if plain:
            return self._taken(plain.end())
        if at == len(self._text):
            return self._taken(at)
        if self._text[at] == "<":
            return self._read_tag(at)
        is_fresh = not self._has_read or "\n" in self._text[start:at]
        return self._read_ticks(at, is_fresh=is_fresh)

    def _read_tag(self, at: int) -> str:
        """What begins with `<`."""
        tag = next((each for each in _NOTATION if self._text.startswith(each, at)), "")
        if not tag:
            return self._read_other(at)
        if self._code:
            return self._taken(at + len(tag))
        self._at = at + len(tag)
        if tag == RESULT:
            self.is_broken |= not self.calls
            self._lost = RESULT_CLOSE
        elif tag == OPEN:
            body = self._past(_BEFORE_OBJECT, self._at)
            if self._needs_more(body):
                self._at = at
                raise _Wait
            if self._text.startswith("{", body):
                self._at, self._object = body, _Object()
            else:
                self.is_broken, self._lost = True, CLOSE
        return ""

    def _read_other(self, at: int) -> str:
        """A `<` that begins no notation, unless more of it is to come or would have come."""
        rest = self._text[at:]
        if any(tag.startswith(rest) for tag in _NOTATION):
            if not self._is_last:
                raise _Wait
            if len(rest) >= _SURELY and not self._code:
                self.is_broken |= OPEN.startswith(rest) or (RESULT.startswith(rest) and not self.calls)
                self._at = len(self._text)
                return ""
        return self._taken(at + 1)

    def _read_ticks(self, at: int, *, is_fresh: bool) -> str:
        """Marks of code: they begin it, end it, or are what it holds."""
        mark = self._text[at : self._past(_TICKS, at)]
        if self._needs_more(at + len(mark)):
            raise _Wait
        if self._wrapping:
            if mark.startswith(self._wrapping):
                self._wrapping = ""
            return self._taken(at + len(mark))
        if self._code:
            if is_fresh and mark.startswith(self._code) if self._is_block else mark == self._code:
                self._code = ""
            return self._taken(at + len(mark))
        is_block = is_fresh and len(mark) >= FENCE_MARKS
        if mark[0] == "~" and not is_block:
            return self._taken(at + len(mark))
        return self._read_code(at, mark, is_block=is_block)

    def _read_code(self, at: int, mark: str, *, is_block: bool) -> str:
        """Code begins; what it begins with says whether it is shown."""
        body = at + len(mark)
        if is_block:
            line = self._text.find("\n", body)
            if line < 0 and not self._is_last:
                raise _Wait
            body = line + 1 or len(self._text)
        content = self._past(_SPACE, body)
        if self._needs_more(content) or self._may_begin_call(content):
            raise _Wait
        if self._begins_call(content):
            self._wrapping, self._at = mark, content
            return ""
        self._code, self._is_block = mark, is_block
        return self._taken(body)

    def _begins_call(self, at: int) -> bool:
        after = at + len(OPEN)
        return self._text.startswith(OPEN, at) and self._text.startswith("{", self._past(_BEFORE_OBJECT, after))

    def _may_begin_call(self, at: int) -> bool:
        """More must come to know."""
        if self._is_last:
            return False
        if self._text.startswith(OPEN, at):
            return self._past(_BEFORE_OBJECT, at + len(OPEN)) == len(self._text)
        return OPEN.startswith(self._text[at:])

    def _read_object(self, written: "_Object") -> None:
        end = written.end(self._text, self._at)
        if end < 0:
            raise _Wait
        self.calls.append(self._text[self._at : end])
        self._at, self._object, self._is_inside = end, None, True

    def _read_between(self) -> None:
        """After an object: another, or the end of the call."""
        at = self._past(_AFTER_OBJECT, self._at)
        if self._needs_more(at):
            raise _Wait
        self._at = at
        if self._text.startswith("{", at):
            self._object = _Object()
        self._is_inside = False

    def _skip(self) -> None:
        """To the end of what is lost; the notation may be cut anywhere."""
        end = self._text.find(self._lost, self._at)
        if end < 0:
            self._at = max(self._at, len(self._text) - len(self._lost))
            raise _Wait
        self._at, self._lost = end + len(self._lost), ""

    def _taken(self, end: int) -> str:
        start, self._at, self._has_read = self._at, end, True
        return self._text[start:end]

    def _end_code_span(self, start: int, end: int) -> None:
        """Code within a line ends with it: a mark alone is no code."""
        if self._code and not self._is_block and "\n" in self._text[start:end]:
            self._code = ""

    def _past(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self._text, at)
        return found.end() if found else at

    def _needs_more(self, at: int) -> bool:
        return at == len(self._text) and not self._is_last


class _Object:
    """Looks for the end of a JSON object, going on where it stopped."""

    def __init__(self) -> None:
        self._read = 0
        self._depth = 0
        self._is_in_string = False

    def end(self, text: str, start: int) -> int:
        """Where the object that begins at `start` ends; -1 where that has not come yet."""
        while found := _STRUCTURE.search(text, start + self._read):
            mark = found.group()
            step = found.end() - start
            if mark == "\\":
                if self._is_in_string and found.end() == len(text):
                    return -1
                step += self._is_in_string
            elif mark == '"':
                self._is_in_string = not self._is_in_string
            elif not self._is_in_string:
                self._depth += 1 if mark == "{" else -1
                if self._depth == 0:
                    return found.end()
            self._read = step
        self._read = len(text) - start
        return -1
