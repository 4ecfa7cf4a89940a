"""What must hold after every row, in one fixture; and the page that the rows are held against."""

import json
import logging
import random
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from realcoze.emulator.open_api.settings import OpenSeen
from reliability.page import WRITES, Page
from reliability.stage import CANARIES, House, Outcome, Stage, spoken
from servers import Held, held, soon

CLOSE_WAIT = "08"


@dataclass
class Played:
    """What a test did on a house: how its requests ended, and whether their callers left."""

    conversation_id: str
    outcomes: list[Outcome] = field(default_factory=list)
    left: int = 0


class Invariants:
    """Asserts I1 to I6 (docs/reliability.md) around whatever a test does; I7 has no meter yet."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @asynccontextmanager
    async def around(
        self, house: House, *, next_ends: str = "success", says_hello: bool = True
    ) -> AsyncIterator[Played]:
        """The block plays one row; `says_hello` unless the other side has nothing to answer with."""
        hello = await house.ask(spoken()) if says_hello else None
        self._caplog.clear()
        if isinstance(house, Stage):
            house.witness.said.clear()
        before, played = held(), Played(hello.conversation_id if hello else "")
        yield played
        self.ended_once(played)
        if isinstance(house, Stage):
            self.succeeded_only_if_coze_did(house, played)
        await self.gives_all_back(house, before)
        await self.leaves_nothing_half_closed(house)
        self.tells_no_secrets(played)
        following = await house.ask("and the next one", conversation_id=played.conversation_id)
        assert following.how == next_ends, "I6"
        self.tells_no_secrets(played)

    def ended_once(self, played: Played) -> None:
        """I1: one end for the caller (`read_outcome` counts them), and one line in the log."""
        lines = [record for record in self._caplog.records if record.name == "realcoze.gateway.chat"]
        told = [line for line in lines if line.getMessage().startswith("request ")]
        assert len(told) == len(played.outcomes) + played.left, "I1"
        assert not [line for line in lines if line.exc_info], "no defect of ours"

    def succeeded_only_if_coze_did(self, stage: Stage, played: Played) -> None:
        """I2: what Coze said, by the witness between, holds a success."""
        if any(outcome.is_success for outcome in played.outcomes):
            assert stage.witness.saw_success, "I2"

    async def gives_all_back(self, house: House, before: Held) -> None:
        """I3: no more tasks, sockets and files than before, no stream and no turn."""
        seen = house.seen if isinstance(house, Stage) else OpenSeen()
        try:
            await soon(lambda: not seen.open_streams and _is_within(held(), before))
        except TimeoutError:
            pytest.fail(f"I3: before {before}, now {held()}, {seen.open_streams} streams")
        assert await house.turns() == 0, "I3"
        assert held().files == before.files, "I3"

    async def leaves_nothing_half_closed(self, house: House) -> None:
        """I4: no connection that the other side has closed and we have not."""
        ports = house.ports if isinstance(house, Stage) else frozenset({house.port})
        try:
            await soon(lambda: not _half_closed(ports))
        except TimeoutError:
            pytest.fail(f"I4: {_half_closed(ports)}")

    def tells_no_secrets(self, played: Played) -> None:
        """I5: no canary in any log line, of whatever level, nor in an error."""
        for record in self._caplog.records:
            trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            assert not [canary for canary in CANARIES if canary in record.getMessage() + trace], "I5"
        errors = json.dumps([outcome.error for outcome in played.outcomes])
        assert not [canary for canary in CANARIES if canary in errors], "I5"


@pytest.fixture
def invariants(caplog: pytest.LogCaptureFixture) -> Invariants:
    """Every line is logged here, and nothing waits by chance."""
    caplog.set_level(logging.DEBUG)
    return Invariants(caplog)


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry waits as short as it may."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    """Written in the end when that is wanted (in one process: without xdist)."""
    page = Page()
    yield page
    if WRITES:
        page.write()


def _is_within(now: Held, before: Held) -> bool:
    return now.tasks <= before.tasks and now.sockets <= before.sockets and now.listeners == before.listeners


def _half_closed(ports: frozenset[int]) -> list[str]:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return [
        f"{local} {remote}"
        for _, local, remote, state, *_ in lines
        if state == CLOSE_WAIT and ports & {int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16)}
    ]
