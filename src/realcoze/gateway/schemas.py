"""JSON schemas of callers: whether they are any, and whether JSON text fits one.

Some take longer to check than anybody lives, or all memory that there is, and nothing within this process could
stop it: so each check is a process of its own (`schema_worker.py`), which is gone when the check is over.
"""

import hashlib
import logging
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
import msgspec

from realcoze.domain.ids import CallerId
from realcoze.errors import BadRequest, Internal, RealcozeError
from realcoze.gateway.tools import Unfit, Wanted
from realcoze.shares import Shares

log = logging.getLogger(__name__)

CHARACTERS = 64 << 10
"""Of the longest schema."""

CHECK_S = 5.0
"""For one answer, or all schemas of a request."""

WAIT_S = 30.0
"""For a place to check in."""

AT_ONCE, AT_ONCE_OF_ONE = 4, 2
"""Processes, and those of one caller."""

KNOWN = 1000
"""Schemas that are known to be some, and not looked at again before they are used."""

WORKER = Path(__file__).with_name("schema_worker.py")

# With -P nothing is imported from the folder that the server was started in.
_COMMAND = (sys.executable, "-P", str(WORKER))

_HINT = "Ask for a plainer form, and check the answer yourself."
_PROBLEMS = msgspec.json.Decoder(list[str | None])


class Schemas:
    """They are read and held against values here."""

    def __init__(self, *, check_s: float = CHECK_S, wait_s: float = WAIT_S) -> None:
        self._check_s = check_s
        self._known: set[bytes] = set()
        self._places = Shares(
            AT_ONCE, share=AT_ONCE_OF_ONE, wait_s=wait_s, what="JSON schemas are being checked", hint=_HINT
        )

    async def check(self, schemas: Mapping[str, str], caller: CallerId) -> None:
        """Raises `BadRequest` for one that is none, or takes too long to read, and `Overloaded`; by whose it is."""
        for whose, schema in schemas.items():
            if len(schema) > CHARACTERS:
                raise BadRequest(f"The JSON schema of {whose} has more than {CHARACTERS} characters.")
        new = {whose: schema for whose, schema in schemas.items() if _digest(schema) not in self._known}
        problems = await self._ask([(schema, None) for schema in new.values()], caller)
        for whose, problem in zip(new, problems, strict=True):
            if problem is not None:
                raise BadRequest(f"The JSON schema of {whose} cannot be used: {problem}.")
        if len(self._known) > KNOWN:
            self._known.clear()
        self._known.update(map(_digest, new.values()))

    async def fitting(self, wanted: Sequence[Wanted], caller: CallerId) -> list[str]:
        """The first value of each that fits.

        Raises `Unfit` where none does, `BadRequest` where that cannot be told in time, and `Overloaded`.
        """
        pairs = [(each.schema, value) for each in wanted for value in each.values]
        problems = iter(await self._ask(pairs, caller))
        found = []
        for each in wanted:
            told = {value: next(problems) for value in each.values}
            fits = [value for value, problem in told.items() if problem is None]
            if not fits:
                raise Unfit(f"{each.said}: {told[each.values[0]]}.")
            found.append(fits[0])
        return found

    async def _ask(self, pairs: Sequence[tuple[str, str | None]], caller: CallerId) -> list[str | None]:
        """What is wrong with each value, or with a schema without one."""
        if not pairs:
            return []
        sent = msgspec.json.encode((self._check_s, pairs))
        async with self._places.place(caller):
            with anyio.move_on_after(self._check_s):
                code, written = await _run(sent)
                if code != 0:
                    raise self._failed(code)
                return _PROBLEMS.decode(written)
        raise self._failed(-signal.SIGALRM)

    def _failed(self, code: int) -> RealcozeError:
        if code == -signal.SIGALRM:
            return BadRequest(f"The JSON schema takes more than {self._check_s:g} s to check.", hint=_HINT)
        if code < 0:
            return BadRequest("The JSON schema takes more memory to check than there is for it.", hint=_HINT)
        log.error("%s ended with %d, and JSON schemas cannot be checked", WORKER, code)
        return Internal("JSON schemas cannot be checked here; the log has the details.")


async def _run(sent: bytes) -> tuple[int, bytes]:
    """The worker's exit code, negative for the signal that ended it, and what it has written.

    It is gone when this returns, and when this is cancelled.
    """
    with anyio.CancelScope(shield=True):  # whoever leaves while it starts would leave it behind
        process = await anyio.open_process(_COMMAND, stderr=DEVNULL, start_new_session=True)
    try:
        if process.stdin is None or process.stdout is None:
            raise TypeError("a process has pipes if none are named")
        with suppress(anyio.BrokenResourceError):  # its exit code says more
            await process.stdin.send(sent)
            await process.stdin.aclose()
        written = b"".join([piece async for piece in process.stdout])
        return await process.wait(), written
    finally:
        with anyio.CancelScope(shield=True):
            if process.returncode is None:
                process.kill()
            await process.aclose()


def _digest(schema: str) -> bytes:
    return hashlib.sha256(schema.encode(errors="surrogatepass")).digest()
