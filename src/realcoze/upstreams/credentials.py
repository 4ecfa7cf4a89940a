"""Secrets that cannot be printed by accident, and what may stand in them."""

import re

_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
_TOKEN = re.compile(r"[!-~]+")


class Secret:
    """A text that shows itself only to `reveal`: never in a repr, a log line or a traceback."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; only the code that puts it on the wire calls this."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "***"


def can_be_cookie(text: str) -> bool:
    """No character of it ends a cookie's value, or is none of one (RFC 6265, 4.1.1)."""
    return _COOKIE_VALUE.fullmatch(text) is not None


def can_be_token(text: str) -> bool:
    """It is there, and can stand behind `Bearer` in a header."""
    return _TOKEN.fullmatch(text) is not None
