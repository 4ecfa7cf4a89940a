import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest

from clocks import Clock
from realcoze.errors import Internal, RealcozeError, UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.tasks import background_tasks
from realcoze.upstreams.coze_open.tokens import FRESH_S, LONGEST_PAUSE_S, Lease, RenewedToken, StaticToken
from realcoze.upstreams.credentials import Secret
from servers import PATIENCE_S, soon

pytestmark = pytest.mark.anyio


class Office:
    """A fake at the port `Renewal`: each answer is a life in seconds, or an error."""

    def __init__(self, *answers: float | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.gate = anyio.Event()
        self.gate.set()

    async def renew(self) -> Lease:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Lease(token=Secret(f"t{number}"), life_s=answer)


@asynccontextmanager
async def renewed(
    office: Office, clock: Clock, chance: Callable[[], float] = lambda: 0.5
) -> AsyncIterator[RenewedToken]:
    async with background_tasks() as tasks:
        yield RenewedToken(office, tasks, now=clock, chance=chance)


async def test_a_token_that_was_given_stays() -> None:
    secret = Secret("pat_1")
    tokens = StaticToken(secret)
    assert await tokens.current() is secret
    assert not tokens.refuse(secret)


async def test_a_token_is_asked_for_when_it_is_first_wanted_and_kept() -> None:
    office, clock = Office(100), Clock()
    async with renewed(office, clock) as tokens:
        assert office.asked == 0
        assert (await tokens.current()).reveal() == "t1"
        clock.now += 79
        assert (await tokens.current()).reveal() == "t1"
    assert office.asked == 1


@pytest.mark.parametrize(("chance", "at"), [(0.0, 72), (0.5, 80), (1.0, 88)])
async def test_at_eighty_per_cent_of_its_life_and_a_little_chance_it_is_renewed(chance: float, at: float) -> None:
    office, clock = Office(100, 100), Clock()
    async with renewed(office, clock, lambda: chance) as tokens:
        await tokens.current()
        clock.now += at - 0.5
        await tokens.current()
        assert office.asked == 1
        clock.now += 1
        assert (await tokens.current()).reveal() == "t1", "nobody waits while the old one lives"
        await soon(lambda: office.asked == 2 and not office.answers)
        assert (await tokens.current()).reveal() == "t2"


async def test_a_hundred_callers_of_a_dead_token_make_one_renewal() -> None:
    office, clock = Office(100, 100), Clock()
    got: list[str] = []
    async with renewed(office, clock) as tokens:
        await tokens.current()
        clock.now += 101
        office.gate = anyio.Event()

        async def call() -> None:
            got.append((await tokens.current()).reveal())

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as callers:
                for _ in range(100):
                    callers.start_soon(call)
                await soon(lambda: office.asked == 2)
                office.gate.set()
    assert got == ["t2"] * 100
    assert office.asked == 2


async def test_a_caller_that_leaves_takes_no_renewal_with_it() -> None:
    office, clock = Office(100), Clock()
    office.gate = anyio.Event()
    got: list[str] = []
    async with renewed(office, clock) as tokens:

        async def call() -> None:
            got.append((await tokens.current()).reveal())

        async with anyio.create_task_group() as stayers:
            async with anyio.create_task_group() as leavers:
                leavers.start_soon(call)
                await soon(lambda: office.asked == 1)
                stayers.start_soon(call)
                leavers.cancel_scope.cancel()
            office.gate.set()
    assert got == ["t1"]


async def test_while_a_renewal_fails_the_old_token_is_used_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    down = UpstreamFailed("the endpoint is down")
    office, clock = Office(100, down, down, down, 100), Clock()
    async with renewed(office, clock) as tokens:
        await tokens.current()
        clock.now += 90
        assert (await tokens.current()).reveal() == "t1"
        await soon(lambda: len(office.answers) == 3)
        clock.now += 0.5
        await tokens.current()
        assert office.asked == 2, "no second try before the pause is over"
        clock.now += 0.6
        await tokens.current()
        await soon(lambda: len(office.answers) == 2)
        clock.now += 1.5
        await tokens.current()
        assert office.asked == 3, "the pause doubles"
        clock.now += 10
        with pytest.raises(UpstreamFailed, match="down"):
            await tokens.current()
        clock.now += 60
        assert (await tokens.current()).reveal() == "t5"
    assert "could not be renewed" in caplog.text
    assert "t1" not in caplog.text


@pytest.mark.parametrize(
    "error", [UpstreamDenied("no"), UpstreamFailed("down"), UpstreamTimeout("slow")], ids=lambda e: type(e).__name__
)
async def test_without_a_living_token_a_caller_hears_why(error: RealcozeError) -> None:
    async with renewed(Office(error), Clock()) as tokens:
        for _ in range(3):
            with pytest.raises(type(error)) as caught:
                await tokens.current()
            assert (caught.value.message, caught.value.code) == (error.message, error.code)


async def test_a_token_that_is_dead_on_arrival_is_none() -> None:
    office, clock = Office(100, -5, 50), Clock()
    async with renewed(office, clock) as tokens:
        await tokens.current()
        clock.now += 90
        await tokens.current()
        await soon(lambda: len(office.answers) == 1)
        assert (await tokens.current()).reveal() == "t1"
        clock.now += 9
        await tokens.current()
        await soon(lambda: not office.answers)
        assert (await tokens.current()).reveal() == "t3"


async def test_the_pause_has_a_limit() -> None:
    down = UpstreamFailed("down")
    office, clock = Office(*[down] * 12), Clock()
    async with renewed(office, clock) as tokens:
        for number in range(12):
            with pytest.raises(UpstreamFailed):
                await tokens.current()
            assert office.asked == number + 1
            clock.now += LONGEST_PAUSE_S


async def test_a_refused_token_is_replaced_once_within_a_while() -> None:
    office, clock = Office(100, 100, 100), Clock()
    async with renewed(office, clock) as tokens:
        first = await tokens.current()
        assert tokens.refuse(first)
        assert tokens.refuse(first), "who comes later with the old one gets the new one"
        second = await tokens.current()
        assert second.reveal() == "t2"
        assert not tokens.refuse(second)
        assert await tokens.current() is second
        clock.now += FRESH_S + 1
        assert tokens.refuse(second)
        assert (await tokens.current()).reveal() == "t3"


async def test_a_defect_of_a_renewal_is_told_and_nobody_hangs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with renewed(Office(ZeroDivisionError("canary")), Clock()) as tokens:
        with anyio.fail_after(PATIENCE_S), pytest.raises(Internal):
            await tokens.current()
    assert "defect" in caplog.text
