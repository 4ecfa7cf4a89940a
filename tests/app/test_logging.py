import asyncio
import io
import logging
import sys
from collections.abc import Iterator

import pytest

from realcoze.app.logging import set_up_logging
from realcoze.upstreams.credentials import Secret

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, uvicorn, errors = (logging.getLogger(name) for name in (None, "uvicorn", "uvicorn.error"))
    handlers, level, filters = root.handlers[:], root.level, errors.filters[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    errors.filters[:] = filters
    uvicorn.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("verbose", "levels"),
    [(0, "WARNING ERROR"), (1, "INFO WARNING ERROR"), (2, "DEBUG INFO WARNING ERROR"), (9, "DEBUG INFO WARNING ERROR")],
)
def test_how_much_is_said(capsys: Capture, verbose: int, levels: str) -> None:
    set_up_logging(verbose=verbose)
    log = logging.getLogger("realcoze.test")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(level, "said")
    assert " ".join(line.split()[1] for line in capsys.readouterr().err.splitlines()) == levels


@pytest.mark.parametrize(("verbose", "levels"), [(0, "ERROR"), (1, "INFO WARNING ERROR")])
def test_what_is_shown_anyway_is_not_logged(capsys: Capture, verbose: int, levels: str) -> None:
    set_up_logging(verbose=verbose, quiet=["quiet"])
    for level in (logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger("quiet.one").log(level, "said")
    assert " ".join(line.split()[1] for line in capsys.readouterr().err.splitlines()) == levels
    set_up_logging(verbose=1, quiet=["quiet"])


def test_a_line_is_one_line_and_moves_no_cursor(capsys: Capture) -> None:
    set_up_logging()
    logging.getLogger("realcoze.test").warning("a\n%s", "b\x1b[2J\r\x9b")
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(r"WARNING realcoze.test: a\nb\x1b[2J\x0d\x9b")


def test_a_traceback_keeps_its_lines(capsys: Capture) -> None:
    set_up_logging()
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("realcoze.test").exception("broken")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("Traceback")
    assert lines[-1] == "ValueError: x"


def test_a_secret_shows_itself_to_nobody(capsys: Capture) -> None:
    set_up_logging()
    logging.getLogger("realcoze.test").warning("%s %r", Secret("canary"), {"key": Secret("canary")})
    assert capsys.readouterr().err.endswith("*** {'key': ***}\n")


def test_standard_error_is_looked_up_for_each_line(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_logging()
    borrowed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", borrowed)
    logging.getLogger("realcoze.test").warning("now")
    assert borrowed.getvalue().endswith("now\n")
    assert capsys.readouterr().err == ""


def test_a_line_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_logging()
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("realcoze.test").warning("lost")


def test_an_answer_that_was_cut_is_no_news_of_the_server(capsys: Capture) -> None:
    set_up_logging()
    log = logging.getLogger("uvicorn.error")
    log.error("ASGI callable returned without completing response.")
    log.error("Cancel %s running task(s), timeout graceful shutdown exceeded", 1)
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        log.exception("Exception in ASGI application")
    log.info("Started server process")
    log.warning("This is news")
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("This is news")
