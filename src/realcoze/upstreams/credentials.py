"""Secrets that cannot be printed by accident."""


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
