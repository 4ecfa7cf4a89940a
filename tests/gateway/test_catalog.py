import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import pytest

from clocks import Clock
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Published
from realcoze.errors import NotFound, UpstreamFailed
from realcoze.gateway.catalog import KEPT_S, LOOKUP_S, PAUSE_S, Discovery, Shelf
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from realcoze.tasks import background_tasks
from servers import PATIENCE_S, Failing, soon

pytestmark = pytest.mark.anyio


class Account(Failing):
    """A fake at the port `Catalog`: each answer is a list of bots as `ID NAME`, or an error; the last one stays."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked = 0
        self.gate = anyio.Event()
        self.gate.set()

    async def published(self) -> list[Published]:
        self.asked += 1
        await self.gate.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return [Published(id=told.partition(" ")[0], name=told.partition(" ")[2]) for told in answer]


@asynccontextmanager
async def discovering(
    *accounts: Account,
    clock: Clock | None = None,
    names: Sequence[str] = (),
    ids: Sequence[str] = (),
    lookup_s: float = LOOKUP_S,
) -> AsyncIterator[Discovery]:
    async with background_tasks() as tasks:
        shelves = [
            Shelf(f"account {place}", each, tasks, lookup_s=lookup_s, now=clock or Clock())
            for place, each in enumerate(accounts)
        ]
        yield Discovery(shelves, names=names, ids=ids)


async def renewed(discovery: Discovery) -> tuple[BotName, ...]:
    """What is listed after a lookup that is due: who asks for a name that is not known waits for it."""
    assert await discovery.find(BotName("nobody")) is None
    return await discovery.names()


async def test_bots_are_listed_by_name_from_the_oldest_on_and_answer_to_their_ids_too() -> None:
    account = Account(["100 young", "20 old"])
    async with discovering(account) as discovery:
        assert await discovery.names() == ("old", "young")
        for name in ("young", "bot-100"):
            assert await discovery.find(BotName(name)) == ("bot-100", account)
        assert await discovery.find(BotName("nobody")) is None
        assert await discovery.find(BotName("")) == ("bot-20", account)
    assert account.asked == 1


@pytest.mark.parametrize("name", ["", "taken", "bot-7", "7379462189365198898", "a\nb"])
async def test_a_bot_whose_name_is_taken_or_none_is_listed_by_its_id(name: str) -> None:
    async with discovering(Account([f"12 {name}"]), names=["taken"]) as discovery:
        assert await discovery.names() == ("bot-12",)
        assert name == "" or await discovery.find(BotName(name)) is None


async def test_of_two_bots_of_one_name_the_older_has_it_whatever_the_order_of_the_list() -> None:
    for told in (["30 twin", "4 twin"], ["4 twin", "30 twin"]):
        account = Account(told)
        async with discovering(account) as discovery:
            assert await discovery.names() == ("twin", "bot-30")
            assert await discovery.find(BotName("twin")) == ("bot-4", account)


async def test_what_stands_in_the_settings_is_not_listed_again_but_answers_to_its_id() -> None:
    account = Account(["1 a", "2 b", "3 c", "x d"])
    async with discovering(account, names=["bot-3"], ids=["1"]) as discovery:
        assert await discovery.names() == ("b",)
        assert await discovery.find(BotName("bot-1")) == ("bot-1", account)
        for name in ("a", "bot-3", "c", "d"):
            assert await discovery.find(BotName(name)) is None


async def test_of_two_bots_of_one_name_that_of_the_first_account_has_it_though_it_tells_later() -> None:
    one, two = Account(["9 twin"]), Account(["1 twin"])
    one.gate = anyio.Event()
    found: list[object] = []
    async with discovering(one, two) as discovery:

        async def ask() -> None:
            found.append(await discovery.find(BotName("twin")))

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as callers:
                callers.start_soon(ask)
                await soon(lambda: one.asked and two.asked)
                one.gate.set()
        assert await discovery.names() == ("twin", "bot-1")
    assert found == [("bot-9", one)]


async def test_a_bot_of_two_accounts_is_the_first_ones() -> None:
    one, two = Account(["1 shared"]), Account(["1 shared", "2 own"])
    async with discovering(one, two) as discovery:
        assert await discovery.names() == ("shared", "own")
        assert await discovery.find(BotName("shared")) == ("bot-1", one)
        assert await discovery.find(BotName("own")) == ("bot-2", two)


async def test_a_list_is_kept_for_a_while_and_then_asked_for_anew() -> None:
    account, clock = Account(["1 a"], ["2 b"]), Clock()
    async with discovering(account, clock=clock) as discovery:
        assert account.asked == 0
        for _ in range(3):
            assert await discovery.names() == ("a",)
        clock.now += KEPT_S - 1
        assert await discovery.names() == ("a",)
        assert account.asked == 1
        clock.now += 1
        assert await renewed(discovery) == ("b",)
        assert await discovery.find(BotName("a")) is None


async def test_what_was_found_before_is_not_waited_for_while_a_newer_list_is_read() -> None:
    account, clock = Account(["1 a"], ["2 b"]), Clock()
    async with discovering(account, clock=clock) as discovery:
        await discovery.names()
        clock.now += KEPT_S
        account.gate = anyio.Event()
        with anyio.fail_after(PATIENCE_S):
            for name in ("a", "bot-1", ""):
                assert await discovery.find(BotName(name)) == ("bot-1", account)
            assert await discovery.names() == ("a",)
            await soon(lambda: account.asked == 2)
            account.gate.set()
            assert await discovery.find(BotName("b")) == ("bot-2", account)
    assert account.asked == 2


async def test_a_lookup_that_fails_leaves_what_was_known_and_is_not_repeated_for_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    account, clock = Account(["1 a"], UpstreamFailed("down"), UpstreamFailed("down"), ["2 b"], KeyError()), Clock()
    async with discovering(account, clock=clock) as discovery:
        await discovery.names()
        clock.now += KEPT_S
        for asked, pause_s in ((2, PAUSE_S), (3, 2 * PAUSE_S)):
            for _ in range(3):
                assert await renewed(discovery) == ("a",)
            clock.now += pause_s - 1
            assert await renewed(discovery) == ("a",)
            assert account.asked == asked
            clock.now += 1
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert "the bots of account 0 could not be looked up, 1 stay known: down" in caplog.text
        assert await renewed(discovery) == ("b",)
        caplog.clear()
        clock.now += KEPT_S
        assert await renewed(discovery) == ("b",)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_the_pause_after_failures_in_a_row_grows_up_to_a_limit_and_begins_anew_when_one_goes_well() -> None:
    account, clock = Account(*[UpstreamFailed("down")] * 6, ["1 a"], UpstreamFailed("down")), Clock()
    async with discovering(account, clock=clock) as discovery:
        for asked, pause_s in enumerate((60, 120, 240, 480, KEPT_S, KEPT_S, KEPT_S, PAUSE_S, 2 * PAUSE_S), start=1):
            await renewed(discovery)
            clock.now += pause_s - 1
            await renewed(discovery)
            assert account.asked == asked
            clock.now += 1


async def test_a_lookup_that_takes_too_long_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    account = Account(["1 a"])
    account.gate = anyio.Event()
    async with discovering(account, lookup_s=0) as discovery:
        with anyio.fail_after(PATIENCE_S):
            assert await discovery.names() == ()
    assert "was not there within" in caplog.text


async def test_a_hundred_who_ask_at_once_make_one_lookup_of_each_account() -> None:
    one, two = Account(["1 a"]), Account(["2 b"])
    one.gate = two.gate = anyio.Event()
    got: list[tuple[BotName, ...]] = []
    async with discovering(one, two) as discovery:

        async def ask() -> None:
            got.append(await discovery.names())

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as callers:
                for _ in range(100):
                    callers.start_soon(ask)
                await soon(lambda: one.asked and two.asked)
                one.gate.set()
    assert got == [("a", "b")] * 100
    assert (one.asked, two.asked) == (1, 1)


async def test_a_caller_that_leaves_takes_no_lookup_with_it() -> None:
    account = Account(["1 a"])
    account.gate = anyio.Event()
    async with discovering(account) as discovery:
        async with anyio.create_task_group() as callers:
            callers.start_soon(discovery.names)
            await soon(lambda: account.asked)
            callers.cancel_scope.cancel()
        account.gate.set()
        assert await discovery.names() == ("a",)
    assert account.asked == 1


async def test_nobody_hangs_when_the_tasks_are_over() -> None:
    account = Account(["1 a"])
    async with discovering(account) as discovery:
        pass
    with anyio.fail_after(PATIENCE_S):
        for _ in range(2):
            assert await renewed(discovery) == ()
    assert account.asked == 0


async def test_a_lookup_that_is_cancelled_before_its_first_step_leaves_nobody_waiting() -> None:
    account = Account(["1 a"])
    async with anyio.create_task_group() as tasks:
        shelf = Shelf("account", account, tasks)
        shelf.begin()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(PATIENCE_S):
        await shelf.wait()
    assert shelf.known == ()


async def test_tasks_that_take_no_more_are_a_defect_each_time_and_no_wait() -> None:
    async with anyio.create_task_group() as tasks:
        shelf = Shelf("account", Account(["1 a"]), tasks)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            shelf.begin()
    with anyio.fail_after(PATIENCE_S):
        await shelf.wait()


async def test_the_gateway_looks_up_what_stands_in_no_settings_and_nothing_else() -> None:
    ours, account = Failing(), Account(["1 guide"])
    routes = Routes({BotName("cat"): ours}, aliases={BotName("pet"): BotName("cat")})
    async with discovering(account, names=["cat", "pet"]) as discovery:
        gateway = Gateway(routes, discovery=discovery)
        for name in ("", "cat", "pet"):
            assert await gateway.find(BotName(name)) == "cat"
        assert account.asked == 0
        assert await gateway.find(BotName("guide")) == "bot-1"
        assert await gateway.discovered() == ("guide",)
        with pytest.raises(NotFound) as caught:
            await gateway.find(BotName("bird"))
    assert caught.value.hint == "The bots here are: cat, guide."
    assert await Gateway(routes).discovered() == ()


@pytest.mark.parametrize("any_bot", [None, Failing()])
async def test_what_no_lookup_can_find_makes_none_and_waits_for_none(any_bot: Failing | None) -> None:
    account = Account(["1 guide"])
    async with discovering(account) as discovery:
        gateway = Gateway(Routes({BotName("cat"): Failing()}, any_bot=any_bot), discovery=discovery)
        for name in ("workflow/x", "chatflow/", "7379462189365198898", "bot-", "bot-x", "bot-1x", " cat"):
            with pytest.raises(NotFound):
                await gateway.find(BotName(name))
        for name in ("workflow/12", "chatflow/12"):
            if any_bot:
                assert await gateway.find(BotName(name)) == name
        assert account.asked == 0


async def test_without_settings_of_bots_no_name_means_the_first_one_found() -> None:
    async with discovering(Account(["2 b", "1 a"])) as discovery:
        assert await Gateway(Routes({}), discovery=discovery).find(BotName("")) == "bot-1"
    async with discovering(Account([])) as discovery:
        with pytest.raises(NotFound, match="no bot ''"):
            await Gateway(Routes({}), discovery=discovery).find(BotName(""))
