"""Answers that can be asked for again: in the store, and on their way there.

Unlike a place (`places.py`) an answer is not taken: it can be found any number of times, until it is forgotten
or its time is over.  What it holds is a dialect's, and bytes here.
"""

import hashlib
import logging

from realcoze.domain.ids import CallerId
from realcoze.domain.ports import Store
from realcoze.errors import RealcozeError
from realcoze.leaving import finishing

log = logging.getLogger(__name__)

KEEP_S = 24 * 3600.0

RECORD_BYTES = 1 << 20
"""The longest answer that is kept, with all that was said before it."""

PUT_S = 10.0
"""How long an answer waits to be stored."""

SHELF = "answers"


class Kept:
    """`keep_s` is how long an answer can be found."""

    def __init__(self, store: Store, *, keep_s: float = KEEP_S) -> None:
        self._store = store
        self._keep_s = keep_s
        self._arriving: dict[str, bytes] = {}
        self._is_failing = False

    def announce(self, key: str, record: bytes) -> None:
        """From now on it can be found, in the stead of what was there; `keep`, `withdraw` or `forget` is to follow.

        Its caller may go on with an answer as soon as the last of it is out, before anything can be stored.
        """
        self._arriving[key] = record

    def withdraw(self, key: str) -> None:
        """What was announced is not to be found any more."""
        self._arriving.pop(key, None)

    async def keep(self, key: str) -> None:
        """Store what was announced, if anything was.  Finishes though its caller is cancelled.

        A store that fails costs the answer and never its turn.
        """
        record = self._arriving.get(key)
        if record is None:
            return
        with finishing(PUT_S) as waiting:
            try:
                await self._store.replace(SHELF, key, record, keep_s=self._keep_s)
                if key not in self._arriving:  # it was forgotten meanwhile
                    await self._store.take(SHELF, key)
                self._is_failing = False
            except RealcozeError as error:
                self._note(error)
        if waiting.cancelled_caught:
            log.warning("an answer could not be stored in %g s, and is forgotten", PUT_S)
        if self._arriving.get(key) is record:
            del self._arriving[key]

    async def find(self, key: str) -> bytes | None:
        """The newest record under a key; None where there is none.  Raises a `RealcozeError` where nobody can say."""
        arriving = self._arriving.get(key)
        return await self._store.get(SHELF, key) if arriving is None else arriving

    async def forget(self, key: str) -> bool:
        """Nobody finds it any more; False where there was nothing.  Raises a `RealcozeError`, and is to be repeated."""
        was_arriving = self._arriving.pop(key, None) is not None
        was_stored = await self._store.take(SHELF, key) is not None
        return was_arriving or was_stored

    def _note(self, error: RealcozeError) -> None:
        """A store that has failed fails for every answer; one line says so."""
        if not self._is_failing:
            log.warning("answers are not kept: %s", error)
        self._is_failing = True


def key_of(caller: CallerId, answer_id: str) -> str:
    """Where an answer lies: no other caller's request leads there."""
    said = (field.encode(errors="surrogatepass") for field in (caller, answer_id))
    return hashlib.sha256(b"".join(b"%d:%b" % (len(field), field) for field in said)).hexdigest()
