import anyio
import anyio.lowlevel
import pytest

from realcoze.gateway.continuity import Key
from realcoze.gateway.holds import Holds
from realcoze.leaving import Leaving, finishing
from servers import PATIENCE_S

THREAD, SAID = Key(digest="t", holds_one=True), Key(digest="s", holds_one=False)


class Held:
    """A turn with a key; when it was left it ends as soon as `may_end` is set."""

    def __init__(self, holds: Holds, key: Key | None = THREAD) -> None:
        self.has_begun, self.may_end = anyio.Event(), anyio.Event()
        self.leaving = Leaving()
        self._holds = holds
        self._key = key

    async def run(self) -> None:
        with self.leaving, self._holds.hold(self._key):
            self.has_begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                with finishing():
                    await self.may_end.wait()

    async def leave(self) -> None:
        self.leaving.leave()
        await anyio.lowlevel.checkpoint()


async def test_a_turn_that_was_left_is_waited_for() -> None:
    holds, freed = Holds(), list[int]()
    turn = Held(holds)

    async def ask() -> None:
        await holds.free(THREAD)
        freed.append(1)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run)
            await turn.has_begun.wait()
            await turn.leave()
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            assert freed == []
            turn.may_end.set()
    assert freed == [1]
    await holds.free(THREAD)


async def test_a_turn_that_ends_in_a_scope_is_waited_for_likewise() -> None:
    holds = Holds()
    turn = Held(holds)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run)
            await turn.has_begun.wait()
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                async with anyio.create_task_group() as askers:
                    askers.start_soon(holds.free, THREAD)
                    await anyio.wait_all_tasks_blocked()
                    turn.may_end.set()


async def test_no_other_turn_is_waited_for() -> None:
    """One that runs on; one whose key may hold many places; one without a key."""
    holds = Holds()
    running, many, none = Held(holds), Held(holds, SAID), Held(holds, None)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for turn in (running, many, none):
                tasks.start_soon(turn.run)
                await turn.has_begun.wait()
            for turn in (many, none):
                await turn.leave()
            await holds.free(THREAD)
            await holds.free(SAID)
            for turn in (running, many, none):
                turn.may_end.set()
            tasks.cancel_scope.cancel()


async def test_a_turn_that_does_not_end_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realcoze.gateway.holds.WAIT_S", 0.02)
    holds = Holds()
    turn = Held(holds)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn.run)
            await turn.has_begun.wait()
            await turn.leave()
            await holds.free(THREAD)
            turn.may_end.set()


async def test_of_two_turns_of_one_key_the_newer_is_known_until_it_ends() -> None:
    holds = Holds()
    old, new = Held(holds), Held(holds)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for turn in (old, new):
                tasks.start_soon(turn.run)
                await turn.has_begun.wait()
            old.may_end.set()
            await old.leave()
            await new.leave()
            tasks.start_soon(holds.free, THREAD)
            await anyio.wait_all_tasks_blocked()
            new.may_end.set()
