"""JSON schemas of callers: whether they are any, and whether JSON text fits one.

Some take longer to check than anybody lives, or all memory that there is, and nothing within this process could
stop it: so each check is a process of its own (`schema_worker.py`), which is gone when the check is over.
"""

import hashlib
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import msgspec

from realcoze.domain.ids import CallerId
from realcoze.errors import BadRequest, Internal, RealcozeError
from realcoze.gateway.tools import Unfit, Wanted
from realcoze.leaving import finishing
from realcoze.shares import Shares

log = logging.getLogger(__name__)

CHARACTERS = 64 << 10
"""Of the longest schema."""

CHECK_S = 5.0
"""For one answer, or all schemas of a request."""

GRACE_S = 1.0
"""For a worker to start, and to end."""

WAIT_S = 30.0
"""For a place to check in."""

AT_ONCE, AT_ONCE_OF_ONE = 4, 2
"""Processes, and those of one caller."""

KNOWN = 1000
"""Schemas that are known to be some, and not looked at again before they are used."""

WORKER = Path(__file__).with_name("schema_worker.py")

# With -P no module beside the worker is taken for one of the libraries'.
_COMMAND = (sys.executable, "-P", str(WORKER))

_HINT = "Ask for a plainer form, and check the answer yourself."
_VERDICTS = msgspec.json.Decoder(list[int | str | None])
_PROBLEMS = msgspec.json.Decoder(list[str])
_BY_MEMORY = frozenset({signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV})


class Schemas:
    """They are read and held against values here."""

    def __init__(self, *, check_s: float = CHECK_S, wait_s: float = WAIT_S) -> None:
        self._check_s = check_s
        self._known: set[bytes] = set()
        self._places = Shares(
            AT_ONCE,
            share=AT_ONCE_OF_ONE,
            wait_s=wait_s,
            what="JSON schemas are being checked",
            hint="Try again shortly.",
        )

    async def check(self, schemas: Sequence[tuple[str, str]], caller: CallerId) -> None:
        """Of each there is whose it is, and its text.

        Raises `BadRequest` for one that is none, or takes too long to read, and `Overloaded`.
        """
        for whose, schema in schemas:
            if len(schema) > CHARACTERS:
                raise BadRequest(f"The JSON schema of {whose} has more than {CHARACTERS} characters.")
        new = [(whose, schema) for whose, schema in schemas if _digest(schema) not in self._known]
        verdicts, _ = await self._ask([(schema, ()) for _, schema in new], caller)
        for (whose, _), verdict in zip(new, verdicts, strict=True):
            if isinstance(verdict, str):
                raise BadRequest(f"The JSON schema of {whose} cannot be used: {verdict}.")
        if len(self._known) + len(new) > KNOWN:
            self._known.clear()
        self._known.update(_digest(schema) for _, schema in new[:KNOWN])

    async def fitting(self, wanted: Sequence[Wanted], caller: CallerId) -> list[str]:
        """The first value of each that fits.

        Raises `Unfit` where none does, `BadRequest` where that cannot be told in time, and `Overloaded`.
        """
        verdicts, problems = await self._ask([(each.schema, each.values) for each in wanted], caller)
        found = []
        for each, verdict in zip(wanted, verdicts, strict=True):
            if not isinstance(verdict, int):
                raise Unfit(f"{each.said}: {verdict or next(iter(problems), 'nobody could say why')}.")
            found.append(each.values[verdict])
        return found

    async def _ask(
        self, pairs: Sequence[tuple[str, Sequence[str]]], caller: CallerId
    ) -> tuple[list[int | str | None], list[str]]:
        """The two lines of the worker; the second may be missing."""
        if not pairs:
            return [], []
        sent = msgspec.json.encode((self._check_s, pairs))
        async with self._places.place(caller):
            with anyio.move_on_after(self._check_s + GRACE_S):
                code, written = await _run(sent)
                verdicts, _, problems = written.partition(b"\n")
                if verdicts:
                    return _VERDICTS.decode(verdicts), _PROBLEMS.decode(problems or b"[]")
                raise self._failed(code)
        raise self._failed(-signal.SIGALRM)

    def _failed(self, code: int) -> RealcozeError:
        if code == -signal.SIGALRM:
            return BadRequest(f"The JSON schema takes more than {self._check_s:g} s to check.", hint=_HINT)
        if -code in _BY_MEMORY:
            return BadRequest("The JSON schema takes more memory to check than there is for it.", hint=_HINT)
        log.error("%s ended with %d, and JSON schemas cannot be checked", WORKER, code)
        return _cannot_be_checked()


async def _run(sent: bytes) -> tuple[int, bytes]:
    """The worker's exit code, negative for the signal that ended it, and what it has written.

    It is gone when this returns, and when this is cancelled.  Raises `Internal` where it cannot be started.
    """
    try:
        with finishing():  # whoever leaves while it starts would leave it behind
            process = await anyio.open_process(_COMMAND, stderr=None, start_new_session=True)
    except OSError as error:
        log.error("%s cannot be started, and JSON schemas cannot be checked: %s", WORKER, error)  # noqa: TRY400
        raise _cannot_be_checked() from error
    try:
        if process.stdin is None or process.stdout is None:
            raise TypeError("a process has pipes if none are named")
        with suppress(anyio.BrokenResourceError):  # its exit code says more
            await process.stdin.send(sent)
            await process.stdin.aclose()
        written = b"".join([piece async for piece in process.stdout])
        return await process.wait(), written
    finally:
        with finishing(GRACE_S):
            if process.returncode is None:
                process.kill()
            await process.aclose()


def _cannot_be_checked() -> Internal:
    return Internal("JSON schemas cannot be checked here; the log has the details.")


def _digest(schema: str) -> bytes:
    return hashlib.sha256(schema.encode(errors="surrogatepass")).digest()
