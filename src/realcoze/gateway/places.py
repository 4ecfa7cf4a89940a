"""Where places lie between two turns: in the store, and on their way there.

A store that fails costs continuity and never a turn: what cannot be looked up is not there.
"""

import logging
from collections import defaultdict

import anyio
import msgspec

from realcoze.domain.ports import Store
from realcoze.errors import RealcozeError
from realcoze.gateway.continuity import Key, Place
from realcoze.leaving import finishing

log = logging.getLogger(__name__)

KEEP_S = 30 * 24 * 3600.0
"""Coze keeps what is said for 180 days (openapi-v3 §5)."""

PUT_S = 10.0
"""How long a turn that has ended waits for its place to be kept."""

TAKE_S = 3.0
"""How long a turn waits to be told where its conversation stands."""

SHELF = "places"

_PLACE = msgspec.json.Decoder(Place)


class Places:
    """`keep_s` is how long a place is of use."""

    def __init__(self, store: Store, *, keep_s: float = KEEP_S) -> None:
        self._store = store
        self._keep_s = keep_s
        self._arriving: defaultdict[Key, list[Place]] = defaultdict(list)
        self._one = anyio.Lock()
        """A place is announced, or in the store, or in the hands of who holds this."""
        self._is_failing = False

    def announce(self, key: Key, place: Place) -> None:
        """From now on it can be taken; `keep` is to follow.

        Its caller may ask for the next turn as soon as the last event is out, before anything can be stored.
        """
        self._arriving[key].append(place)

    async def keep(self, key: Key, place: Place) -> None:
        """Store what was announced, unless it was taken.  Finishes though its caller is cancelled."""
        with finishing(PUT_S) as waiting:
            async with self._one:
                if self._withdraw(key, place):
                    await self._put(key, place)
        if waiting.cancelled_caught:
            self._withdraw(key, place)
            log.warning("where a conversation stands could not be stored in %g s, and is forgotten", PUT_S)

    async def take(self, key: Key) -> Place | None:
        """The newest place under a key, which nobody else gets from now on.

        Finishes though its caller is cancelled, who then knows what to put back; None where it takes too long.
        """
        if key in self._arriving:
            place = self._arriving[key][-1]
            self._withdraw(key, place)
            return place
        data = None
        try:
            with finishing(TAKE_S) as waiting:
                async with self._one:
                    data = await self._store.take(SHELF, key.digest)
        except RealcozeError as error:
            self._note(str(error))
            return None
        if waiting.cancelled_caught:
            self._note(f"the store has not answered in {TAKE_S:g} s")
            return None
        self._is_failing = False
        return _decode(data) if data is not None else None

    async def _put(self, key: Key, place: Place) -> None:
        write = self._store.replace if key.holds_one else self._store.put
        try:
            await write(SHELF, key.digest, msgspec.json.encode(place), keep_s=self._keep_s)
            self._is_failing = False
        except RealcozeError as error:
            self._note(str(error))

    def _withdraw(self, key: Key, place: Place) -> bool:
        here = self._arriving.get(key, [])
        if place not in here:
            return False
        here.remove(place)
        if not here:
            del self._arriving[key]
        return True

    def _note(self, why: str) -> None:
        """A store that has failed fails for every turn; one line says so."""
        if not self._is_failing:
            log.warning("conversations are not gone on with, and everything is sent each time: %s", why)
        self._is_failing = True


def _decode(data: bytes) -> Place | None:
    """None for what another version may have written."""
    try:
        return _PLACE.decode(data)
    except msgspec.MsgspecError:
        return None
