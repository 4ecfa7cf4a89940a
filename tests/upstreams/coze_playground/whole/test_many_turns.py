"""Many turns over one websocket that is cut again and again (issue, item 4; docs/faults.md W1, W3).

Four rounds of a hundred turns at once; `make endurance` has ten, a thousand turns.
"""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from realcoze.domain.event import Event, TextDelta, TextReplaced
from realcoze.domain.fold import Fold
from realcoze.errors import RealcozeError
from realcoze.upstreams.coze_playground.settings import Deadlines, Heart
from realcoze.upstreams.coze_playground.upstream import Playground
from servers import asking, emulated, held, reached, until_held

log = logging.getLogger(__name__)

TURNS = int(os.environ.get("REALCOZE_TURNS", "400"))
AT_ONCE = 100
CUT_EVERY = 300
"""Pushes: a turn is seven."""
TOKENS_PER_S = 3
"""Six words are seven pushes, so a turn takes more than two seconds: long against the gap that a cut leaves
while nothing else runs (beside five other processes of tests, ten of 400 turns once ended in one)."""
APART_S = 0.03
"""Between the first turns of two callers, so that the pushes of all of them are spread evenly."""


@dataclass
class Tally:
    """How the turns ended, each by its nonce; `wrong` is what must stay empty."""

    whole: list[str] = field(default_factory=list)
    push_lost: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


class Caller:
    """The sink of one turn: everything that it ever shows must be the beginning of its own answer."""

    def __init__(self, nonce: str, tally: Tally) -> None:
        self.text = f"{nonce} one two three four {nonce}"
        self._nonce = nonce
        self._tally = tally
        self._fold = Fold()

    def open(self, flow: object) -> None: ...

    def feed(self, event: Event) -> None:
        self._fold.feed(event)
        if isinstance(event, TextDelta | TextReplaced) and not self.text.startswith(self._fold.text):
            self._tally.wrong.append(self._nonce)

    async def ask(self, playground: Playground) -> None:
        try:
            await playground.converse(asking(self.text), self)
        except RealcozeError as error:
            if error.code == "push_lost":
                self._tally.push_lost.append(self._nonce)
            else:
                self._tally.failed[self._nonce] = f"{error.code}: {error}"
            return
        whole = self._fold.finish().text == self.text
        (self._tally.whole if whole else self._tally.wrong).append(self._nonce)


async def _turns(playground: Playground, tally: Tally, caller: int) -> None:
    await anyio.sleep(caller * APART_S)  # paces the load; nothing waits for it
    for turn in range(TURNS // AT_ONCE):
        await Caller(f"n-{caller}-{turn}", tally).ask(playground)


@pytest.mark.alone
@pytest.mark.timeout(180)
async def test_no_answer_reaches_the_wrong_caller_however_often_the_socket_is_cut(tmp_path: Path) -> None:
    before = held()
    tally = Tally()
    async with emulated(pace=TOKENS_PER_S, cut_every=CUT_EVERY) as coze:
        deadlines = Deadlines(connect=5, tls=5, reply=20, first_event=6, idle=4, queue=10, socket=5)
        heart = Heart(backoff=0.001, backoff_max=0.005)
        async with reached(coze, tmp_path, deadlines=deadlines, heart=heart, max_turns=AT_ONCE) as playground:
            async with anyio.create_task_group() as tasks:
                for caller in range(AT_ONCE):
                    tasks.start_soon(_turns, playground, tally, caller)
            assert playground.socket.turns_in_flight == 0
        seen = coze.server.seen
    log.info(
        "cuts %d, whole %d, push_lost %d, failed %d, wrong %d, pushes into a gap %d",
        seen.cuts,
        len(tally.whole),
        len(tally.push_lost),
        len(tally.failed),
        len(tally.wrong),
        len(seen.lost),
    )
    assert not tally.wrong
    assert not tally.failed
    assert seen.cuts >= 6 * TURNS // CUT_EVERY
    assert len(tally.whole) >= 0.98 * TURNS
    assert Counter(tally.whole + tally.push_lost) == Counter(
        f"n-{caller}-{turn}" for caller in range(AT_ONCE) for turn in range(TURNS // AT_ONCE)
    )
    uuid_of = {each.messages()[-1].text.split()[0]: each.push_uuid for each in seen.executions}
    last = {note.push_uuid: note.kind for note in coze.wire.notes if note.kind in ("frame", "lost")}
    assert {uuid_of[nonce] for nonce in tally.push_lost} == {turn for turn, kind in last.items() if kind == "lost"}
    await until_held(before)
