"""Exit codes: failures told apart, by the numbers of sysexits.h where it has one."""

from collections.abc import Sequence

from realcoze import errors
from realcoze.domain.event import Interrupt
from realcoze.domain.tool import ToolCall
from realcoze.errors import RealcozeError
from realcoze.faces.terminal.printable import printable

OK = 0
BROKE_OFF = 3
"""Text was printed, and it is not the whole answer."""
WAITING = 4
"""The bot waits for something that was not given."""
UNWRITABLE = 74
"""The output cannot be written: the disk is full."""
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


def explain_calls(calls: Sequence[ToolCall]) -> str:
    """What is said by a pipe of a turn that ends with tools to run."""
    names = ", ".join(call.name for call in calls)
    return printable(
        f"The bot waits for the result of a tool ({names}). `realcoze chat` on a terminal asks you for it; "
        "from Python a function of yours is called."
    )


def explain_question(interrupt: Interrupt) -> str:
    """What is said by a pipe of a turn that ends with a question."""
    asked = " ".join(interrupt.question.split())
    question = f" asks: {asked}" if asked else " asks for something."
    return printable(f"The bot's workflow{question} `realcoze chat` on a terminal takes your answer.")


def explain(error: RealcozeError) -> str:
    """What is said of a failure, in one line: what happened, and what to do where that is known."""
    message = error.message.rstrip()
    if not message.endswith((".", "!", "?", "。", "！", "？")):  # noqa: RUF001 - Coze's own sentences
        message += "."
    hint = error.hint or _HINTS.get(error.code)
    return printable(f"{message} {hint}" if hint else message)
