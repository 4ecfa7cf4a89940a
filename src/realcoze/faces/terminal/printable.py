"""Text from elsewhere, made safe for a terminal: a bot must not move the cursor or rename the window."""

_CONTROL = dict.fromkeys(code for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t")


def printable(text: str) -> str:
    """The text without control characters other than line feed and tab."""
    return text.translate(_CONTROL)


def one_line(text: str) -> str:
    """The same for what is to stay within a line, such as a name."""
    return printable(text).replace("\n", " ")
