"""Exit codes: failures told apart, by the numbers of sysexits.h where it has one."""

from collections.abc import Sequence

from realcoze import errors
from realcoze.domain.event import ToolCall
from realcoze.errors import RealcozeError
from realcoze.faces.terminal.printable import printable

OK = 0
BROKE_OFF = 3
"""Text was printed, and it is not the whole answer."""
WAITING = 4
"""The bot waits for something that the terminal cannot give."""
STOPPED = 130
"""Ctrl-C."""
READER_LEFT = 141
"""Whoever read our output has gone, as `head` does."""
TERMINATED = 143
"""SIGTERM, or the terminal was closed."""

_CODES: dict[type[RealcozeError], int] = {
    errors.Unauthorized: 77,
    errors.UpstreamDenied: 77,
    errors.CallerFault: 65,
    errors.Overloaded: 75,
    errors.RateLimited: 75,
    errors.UpstreamTimeout: 75,
    errors.Misconfigured: 78,
    errors.OurFault: 70,
    errors.UpstreamFault: 69,
}


_HINTS = {"upstream_unreachable": "Look at the base address in the settings, at `proxy`, and at the network."}
"""For errors that come without one."""


def exit_code(error: RealcozeError, *, has_text: bool = False) -> int:
    """The code for a failure; `has_text` when part of the answer was printed before it."""
    if has_text:
        return BROKE_OFF
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 70)


def explain_waiting(calls: Sequence[ToolCall]) -> str:
    """What is said of a turn that ends with tools to run, or, without any, with a workflow's question."""
    if not calls:
        return "The bot's workflow asks for something, which the terminal cannot answer yet."
    names = ", ".join(call.name for call in calls)
    return printable(f"The bot waits for the result of a tool ({names}), which the terminal cannot run yet.")


def explain(error: RealcozeError) -> str:
    """What is said of a failure, in one line: what happened, and what to do where that is known."""
    message = error.message.rstrip()
    if not message.endswith((".", "!", "?", "。", "！", "？")):  # noqa: RUF001 - Coze's own sentences
        message += "."
    hint = error.hint or _HINTS.get(error.code)
    return printable(f"{message} {hint}" if hint else message)
