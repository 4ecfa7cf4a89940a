"""Where log lines go: standard error, one line each, control characters escaped.

Nothing secret is ever handed to a logger; `Secret` objects show as `***` should one get there.
"""

import asyncio
import logging
import sys
from collections.abc import Iterable

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).translate(_CONTROL)
        if record.exc_info:
            return text
        return text.replace("\n", "\\n")


class _Stderr(logging.Handler):
    """Looks standard error up for each line: the terminal borrows it while it draws an answer."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - a line that cannot be written must not end what is being done
            self.handleError(record)


def _is_news(record: logging.LogRecord) -> bool:
    """Uvicorn calls it an error when an answer is left incomplete or cut, which is how ours break off."""
    if any(said in record.getMessage() for said in ("without completing response", "timeout graceful shutdown")):
        return False
    cause = record.exc_info[1] if record.exc_info else None
    return not isinstance(cause, asyncio.CancelledError)


def set_up_logging(*, verbose: int = 0, quiet: Iterable[str] = ()) -> None:
    """0: warnings, 1: a line for each turn, 2: everything.

    With 0, loggers named in `quiet` tell of defects only: what they warn of is shown to the user anyway.
    """
    handler = _Stderr()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])
    for name in quiet:
        logging.getLogger(name).setLevel(logging.NOTSET if verbose else logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of forms, which their senders are told
    logging.getLogger("uvicorn.error").addFilter(_is_news)
