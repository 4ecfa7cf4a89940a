"""What the Node program got wrong and this upstream must not (docs/protocol/playground-2024.md §10).

The numbers are those of the page's table.  What is pure stands with the dialect; 19, 20 and 26 belong to
the faces and the settings.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from realcoze.dialects.coze_playground.execute import config_from
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName
from realcoze.emulator.account import BOTS, bot_config
from realcoze.errors import Misconfigured, RealcozeError, UpstreamDenied, UpstreamFailed, UpstreamTimeout
from realcoze.upstreams.coze_playground.settings import Heart
from realcoze.upstreams.coze_playground.upstream import Playground, open_playground
from realcoze.upstreams.credentials import Secret
from servers import (
    QUICK,
    Coze,
    Gathered,
    ask,
    asking,
    emulated,
    files,
    outcome,
    outcomes,
    raw_server,
    reached,
    soon,
    to_reach,
)

SIX_WORDS = "one two three four five six"

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_weakness_01_a_launch_that_fails_is_an_error_and_not_a_wait_for_ever(tmp_path: Path) -> None:
    """connect(): a failed launch returned from inside a promise executor, and the promise never settled."""
    async with emulated(region_blocked=True) as coze, reached(coze, tmp_path) as playground:
        with pytest.raises(UpstreamDenied, match="regional restrictions"):
            await ask(playground, asking("hello"))


async def test_weakness_01_a_launch_that_is_never_answered_has_a_deadline(tmp_path: Path) -> None:
    async with raw_server(stays=True) as server:
        settings = to_reach(f"http://127.0.0.1:{server.port}", tmp_path, deadlines=replace(QUICK, reply=0.1))
        async with open_playground(settings) as playground:
            with pytest.raises(UpstreamTimeout):
                await ask(playground, asking("hello"))


async def test_weakness_03_a_setting_that_cannot_work_raises(tmp_path: Path) -> None:
    """The constructor "returned" an error object, and its caller got a plain object without methods."""
    settings = to_reach("http://127.0.0.1:1", tmp_path, proxy="nonsense")
    with pytest.raises(Misconfigured):
        async with open_playground(settings):
            pytest.fail("it opened")


@pytest.mark.parametrize("mark", ["stall", "silent", "unfinished"])
async def test_weakness_04_every_wait_has_a_deadline_and_leaves_no_listener(tmp_path: Path, mark: str) -> None:
    """No call and no answer had a time-out; a listener without a final push waited for ever."""
    deadlines = replace(QUICK, reply=0.1, first_event=0.1, idle=0.1)
    async with emulated() as coze, reached(coze, tmp_path, deadlines=deadlines) as playground:
        with pytest.raises(UpstreamTimeout):
            await ask(playground, asking(f"hello [[fault {mark}]]"))
        assert playground.socket.turns_in_flight == 0


async def test_weakness_04_a_connection_that_is_never_made_has_a_deadline(tmp_path: Path) -> None:
    async with raw_server(stays=True) as server:
        settings = to_reach(
            f"https://127.0.0.1:{server.port}", tmp_path, deadlines=replace(QUICK, connect=0.1, tls=0.1)
        )
        async with open_playground(settings) as playground:
            with pytest.raises(UpstreamTimeout):
                await ask(playground, asking("hello"))


async def test_weakness_05_an_error_of_the_socket_is_a_state_and_not_a_crash(tmp_path: Path) -> None:
    """The handler of `error` threw, and the process ended."""
    async with emulated(pace=15) as coze, reached(coze, tmp_path) as playground:
        for mark in ("garbage", "huge", "cut"):
            assert (await ask(playground, asking(f"{SIX_WORDS} [[fault {mark} after=1]]"))).text == SIX_WORDS
            assert (await ask(playground, asking("hello"))).text == "hello"
        assert coze.server.seen.sockets == 4


async def test_weakness_05_a_socket_that_cannot_be_opened_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        coze.server.socket_base = "ws://127.0.0.1:1"
        for _ in range(2):
            with pytest.raises(UpstreamFailed) as caught:
                await ask(playground, asking("hello"))
            assert caught.value.code == "upstream_unreachable"


async def test_weakness_06_a_socket_that_was_opened_again_is_as_good_as_the_first(tmp_path: Path) -> None:
    """It had a message handler only: never ready again, no error handler, and no second reconnect."""
    async with emulated(pace=15) as coze, reached(coze, tmp_path) as playground:
        for times in range(1, 4):
            assert (await ask(playground, asking(f"{SIX_WORDS} [[fault cut after=1]]"))).text == SIX_WORDS
            assert coze.server.seen.cuts == times
            assert coze.server.seen.sockets == times + 1
        assert coze.server.seen.launches == 1


async def test_weakness_06_attempts_come_to_an_end_until_somebody_asks_again(tmp_path: Path) -> None:
    heart = Heart(backoff=0.001, backoff_max=0.001, retries=3)
    async with emulated() as coze, reached(coze, tmp_path, heart=heart) as playground:
        address, coze.server.socket_base = coze.server.socket_base, "ws://127.0.0.1:1"
        assert isinstance(await outcome(playground, asking("hello")), UpstreamFailed)
        await soon(lambda: playground.socket.state == "idle")
        for file in files(tmp_path, "launch-*"):
            file.unlink()
        coze.server.socket_base = address
        assert (await ask(playground, asking("hello"))).text == "hello"


async def test_weakness_06_a_deliberate_close_is_final(tmp_path: Path) -> None:
    """close() later triggered a reconnect, too."""
    async with emulated() as coze:
        async with reached(coze, tmp_path) as playground:
            await ask(playground, asking("hello"))
        await coze.wire.until_count("closed", 1)
        await anyio.wait_all_tasks_blocked()
        assert playground.socket.state == "closed"
        assert coze.server.seen.sockets == 1
        assert coze.server.seen.launches == 1


async def test_weakness_07_waiting_for_the_socket_is_an_event(tmp_path: Path) -> None:
    """It looked every 300 ms, without a limit.  Here 100 turns wait for one opening, and then all go."""
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        gate = asyncio.Event()
        launch = playground._session.launch

        async def held_launch() -> object:
            await gate.wait()
            return await launch()

        playground._session.launch = held_launch  # type: ignore[method-assign, assignment]
        results: list[Reply | Exception] = []

        async def turn(number: int) -> None:
            results.append(await outcome(playground, asking(str(number))))

        async with anyio.create_task_group() as tasks:
            for number in range(100):
                tasks.start_soon(turn, number)
            await anyio.wait_all_tasks_blocked()  # nobody wakes up to look
            assert playground.socket.state == "opening"
            gate.set()
        assert len([result for result in results if isinstance(result, Reply)]) == 100


async def test_weakness_08_a_half_open_socket_is_noticed(tmp_path: Path) -> None:
    """There was no heartbeat, so a peer that vanished was never missed."""
    heart = Heart(beat=0.05, silence=0.2, backoff=0.01, backoff_max=0.02)
    async with emulated() as coze, reached(coze, tmp_path, heart=heart) as playground:
        await ask(playground, asking("warm"))
        assert coze.server.seen.heartbeats >= 1
        for socket in coze.server._sockets[playground._device_id]:
            socket.is_deaf = True
        await coze.wire.until_count("socket", 2)


async def test_weakness_12_the_turn_is_registered_first_and_always_removed(coze: Coze, playground: Playground) -> None:
    """In the worker the push could come first; in Node a network error left the listener behind."""
    assert (await ask(playground, asking("hello [[fault early]]"))).text == "hello"
    assert playground.socket.strays == 0
    for mark in ("broken", "quota", "signature"):
        assert isinstance(await outcome(playground, asking(f"hello [[fault {mark}]]")), RealcozeError)
        assert playground.socket.turns_in_flight == 0


@pytest.mark.parametrize("mark", ["broken", "quota", "region", "silent", "unfinished"])
async def test_weakness_13_a_failure_goes_one_way_only(tmp_path: Path, mark: str) -> None:
    """An execute failure called back and rejected, and network errors did neither."""
    deadlines = replace(QUICK, first_event=0.1, idle=0.1)
    async with emulated() as coze, reached(coze, tmp_path, deadlines=deadlines) as playground:
        sink = Gathered()
        raised = []
        try:
            await playground.converse(asking(f"hello [[fault {mark}]]"), sink)
        except RealcozeError as error:
            raised.append(error)
        assert len(raised) == 1
        assert sink.ends == []


async def test_weakness_13_a_network_error_is_raised(tmp_path: Path) -> None:
    async with emulated() as coze:
        base = coze.base
    async with open_playground(to_reach(base, tmp_path)) as playground:
        with pytest.raises(UpstreamFailed) as caught:
            await ask(playground, asking("hello"))
        assert caught.value.code == "upstream_unreachable"


@pytest.mark.parametrize(
    ("error", "is_raised"),
    [
        (UpstreamFailed("the call broke off"), False),
        (UpstreamTimeout("the call took too long"), False),
        (UpstreamFailed("code 5000", upstream_code=5000), True),
        (UpstreamDenied("no", code="upstream_blocked"), True),
    ],
)
async def test_weakness_13_a_call_that_fails_beside_the_pushes(
    tmp_path: Path, error: RealcozeError, *, is_raised: bool
) -> None:
    """An answer that has begun goes on, whatever became of the call; a refusal of Coze's own ends it."""
    async with emulated(pace=40) as coze, reached(coze, tmp_path) as playground:
        execute, sink = playground._session.execute, Gathered()

        async def execute_and_fail(body: bytes) -> None:
            await execute(body)
            await sink.until(lambda: bool(sink.text))
            raise error

        playground._session.execute = execute_and_fail  # type: ignore[method-assign]
        raised: RealcozeError | None = None
        try:
            await playground.converse(asking(SIX_WORDS), sink)
        except RealcozeError as caught:
            raised = caught
        assert (raised is error) is is_raised
        assert len(sink.ends) == (0 if is_raised else 1)
        assert is_raised or sink.text == SIX_WORDS


async def test_weakness_15_launch_data_is_kept_by_account_for_a_time_and_dropped_when_refused(tmp_path: Path) -> None:
    """It was never invalidated, and shared by the accounts of one folder."""
    async with emulated() as coze:
        async with reached(coze, tmp_path) as playground:
            await ask(playground, asking("hello"))
        async with reached(coze, tmp_path, session_id=Secret("other")) as playground:
            assert isinstance(await outcome(playground, asking("hello")), UpstreamDenied)
        assert coze.server.seen.launches == 2  # the other account did not use the first one's
        coze.server.settings = replace(coze.server.settings, key_accepted=False)
        async with reached(coze, tmp_path) as playground:
            assert isinstance(await outcome(playground, asking("hello")), UpstreamDenied)
        assert coze.server.seen.launches == 3
        assert not files(tmp_path, "launch-*")
        coze.server.settings = replace(coze.server.settings, key_accepted=True)
        async with reached(coze, tmp_path) as playground:
            assert (await ask(playground, asking("hello"))).text == "hello"


async def test_weakness_16_what_is_kept_is_for_its_owner_and_holds_no_session(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    async with emulated() as coze, reached(coze, folder) as playground:
        await ask(playground, asking("hello"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in files(folder)} == {0o600}
    assert not [file for file in files(folder) if "emulated-session" in file.read_text() + file.name]


async def test_weakness_16_launch_data_need_not_be_kept(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, cache_launch_s=0) as playground:
        await ask(playground, asking("hello"))
    assert [file.name for file in files(tmp_path)] == ["device-0"]


async def test_weakness_27_the_device_is_kept_by_installation_and_differs_among_those_who_run_at_once(
    tmp_path: Path,
) -> None:
    """It was rolled anew at each start."""
    devices: dict[tuple[str, str], set[str]] = {}
    async with emulated() as coze:
        for _ in range(2):
            for place in ("here", "there"):
                async with reached(coze, tmp_path / place) as first, reached(coze, tmp_path / place) as second:
                    for name, playground in (("first", first), ("second", second)):
                        await ask(playground, asking("hello"))
                        device = coze.server.seen.executions[-1].device_id
                        devices.setdefault((place, name), set()).add(device)
    assert [len(each) for each in devices.values()] == [1, 1, 1, 1]
    assert len(set.union(*devices.values())) == 4
    assert all(0 <= int(device) < 1 << 32 for device in set.union(*devices.values()))


async def test_weakness_27_the_device_outlives_the_launch_data_and_the_account(tmp_path: Path) -> None:
    async with emulated() as coze:
        for session_id in ("emulated-session-0123456789", "other"):
            async with reached(coze, tmp_path, session_id=Secret(session_id)) as playground:
                await outcome(playground, asking("hello"))
        for file in files(tmp_path, "launch-*"):
            file.unlink()
        async with reached(coze, tmp_path) as playground:
            await ask(playground, asking("hello"))
    assert len({each.device_id for each in coze.server.seen.executions}) == 1


async def test_weakness_28_many_bots_of_one_account_share_its_socket(coze: Coze, playground: Playground) -> None:
    """There was one bot for each process."""
    results = await outcomes(playground, [asking(f"hello {bot.name}", bot.name) for bot in BOTS for _ in range(5)])
    assert all(isinstance(result, Reply) for result in results)
    assert {each.bot_id for each in coze.server.seen.executions} == {bot.bot_id for bot in BOTS}
    assert coze.server.seen.sockets == 1


async def test_weakness_28_many_accounts_in_one_process_have_a_socket_each(tmp_path: Path) -> None:
    async with (
        emulated(session_id="one") as first_coze,
        emulated(session_id="two") as second_coze,
        reached(first_coze, tmp_path, session_id=Secret("one")) as first,
        reached(second_coze, tmp_path, session_id=Secret("two")) as second,
    ):
        results = await outcomes(first, [asking("first")] * 5) + await outcomes(second, [asking("second")] * 5)
        assert [result.text for result in results if isinstance(result, Reply)] == ["first"] * 5 + ["second"] * 5
        assert first_coze.server.seen.sockets == second_coze.server.seen.sockets == 1


async def test_weakness_28_one_account_that_is_refused_does_not_stop_another(tmp_path: Path) -> None:
    async with (
        emulated() as coze,
        reached(coze, tmp_path, session_id=Secret("wrong")) as refused,
        reached(coze, tmp_path) as good,
    ):
        assert isinstance(await outcome(refused, asking("hello")), UpstreamDenied)
        assert (await ask(good, asking("hello"))).text == "hello"


async def test_weaknesses_11_and_14_a_configuration_is_never_changed_by_its_turns(tmp_path: Path) -> None:
    """message_info was put into the object that all requests share, and deleted from the caller's."""
    document = bot_config(BOTS[4])
    document["work_info"]["message_info"] = '[{"role":2,"content":"saved","contentType":1}]'
    before = repr(document)
    config = config_from(document)
    config_before = repr(config)
    async with (
        emulated(pace=200) as coze,
        reached(coze, tmp_path, bots={BotName("one"): config, BotName("two"): config}) as playground,
    ):
        requests = [asking(f"turn {number}", ("one", "two")[number % 2]) for number in range(40)]
        results = await outcomes(playground, requests)
        assert [result.text for result in results if isinstance(result, Reply)] == [f"turn {n}" for n in range(40)]
        sent = {tuple(message.text for message in each.messages()) for each in coze.server.seen.executions}
        assert sent == {("saved", f"turn {number}") for number in range(40)}
    assert repr(document) == before
    assert repr(config) == config_before
