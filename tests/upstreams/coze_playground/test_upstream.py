import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from realcoze.dialects.coze_playground import launch
from realcoze.dialects.coze_playground.execute import config_from
from realcoze.domain.content import File, Image, Text
from realcoze.domain.event import Event, TextDelta
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, ConversationId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Wants
from realcoze.domain.tool import ToolResult
from realcoze.emulator.account import BOTS, bot_config
from realcoze.errors import (
    BadRequest,
    Misconfigured,
    NotFound,
    Overloaded,
    QuotaExhausted,
    RealcozeError,
    UpstreamDenied,
    UpstreamFailed,
    UpstreamTimeout,
)
from realcoze.upstreams.coze_playground.settings import Deadlines, Heart
from realcoze.upstreams.coze_playground.upstream import Playground, open_playground
from realcoze.upstreams.credentials import Secret
from servers import (
    PATIENCE_S,
    QUICK,
    Coze,
    Gathered,
    ask,
    asking,
    emulated,
    files,
    folders_of_one_device,
    outcome,
    outcomes,
    raw_server,
    reached,
    soon,
    to_reach,
    web_server,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


async def _until_executed(coze: Coze, number: int) -> None:
    await coze.wire.until_count("execute", number)


async def test_a_turn_gives_answer_steps_suggestions_and_usage(coze: Coze, playground: Playground) -> None:
    wants = Wants(steps=True, suggestions=True, usage=True)
    reply = await ask(playground, asking("What is the weather in Berlin?", "tools", wants=wants))
    assert "Berlin" in reply.text
    assert [step.kind for step in reply.steps] == ["call", "result", "call", "result", "recall"]
    assert reply.suggestions == ("And tomorrow?", "What about Paris?")
    assert reply.usage is not None
    assert reply.usage.total == reply.usage.input + reply.usage.output
    assert reply.chat_id == coze.server.seen.executions[0].push_uuid
    assert reply.conversation_id


async def test_suggestions_that_nobody_wants_are_not_waited_for(playground: Playground) -> None:
    reply = await ask(playground, asking("hello", "memory"))
    assert reply.suggestions == ()


async def test_the_whole_history_goes_along(coze: Coze, playground: Playground) -> None:
    messages = (
        say("user", "My name is Bob."),
        say("assistant", "Hello Bob."),
        Message(role="user", parts=(Text(text="Look"), Image(key="pic"), File(key="file"))),
    )
    await ask(playground, Request(messages=messages, bot=BotName("memory")))
    sent = json.loads(coze.server.seen.executions[0].work_info.message_info)
    assert [(entry["role"], entry["contentType"]) for entry in sent] == [(2, 1), (1, 1), (2, 1), (2, 6), (2, 9)]


async def test_many_turns_share_one_launch_and_one_socket(coze: Coze, playground: Playground) -> None:
    results = await outcomes(playground, [asking(f"turn {number}") for number in range(100)])
    assert [result.text for result in results if isinstance(result, Reply)] == [f"turn {n}" for n in range(100)]
    assert coze.server.seen.launches == coze.server.seen.sockets == 1
    assert {each.device_id for each in coze.server.seen.executions} == {playground._device_id}
    assert len({each.push_uuid for each in coze.server.seen.executions}) == 100


async def test_launch_data_is_kept_in_a_file_and_serves_the_next_program(tmp_path: Path) -> None:
    async with emulated() as coze:
        for _ in range(3):
            async with reached(coze, tmp_path / "state") as playground:
                await ask(playground, asking("hello"))
        assert coze.server.seen.launches == 1
        assert coze.server.seen.sockets == 3
    folder = tmp_path / "state"
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {file.name.partition("-")[0]: file.stat().st_mode & 0o777 for file in files(folder)}
    assert modes == {"device": 0o600, "launch": 0o600}
    assert not any("emulated-session" in file.read_text() for file in files(folder))


async def test_launch_data_is_kept_by_account(tmp_path: Path) -> None:
    async with emulated() as coze, emulated(session_id="other") as another:
        async with reached(coze, tmp_path) as playground:
            await ask(playground, asking("hello"))
        async with reached(another, tmp_path, session_id=Secret("other")) as playground:
            await ask(playground, asking("hello"))
        assert coze.server.seen.launches == another.server.seen.launches == 1
    assert len(files(tmp_path, "launch-*")) == 2


async def test_launch_data_has_a_lifetime(tmp_path: Path) -> None:
    async with emulated() as coze:
        for lifetime_s, launches in ((1000, 1), (1000, 1), (1e-9, 2), (0, 3)):
            async with reached(coze, tmp_path, cache_launch_s=lifetime_s) as playground:
                await ask(playground, asking("hello"))
            assert coze.server.seen.launches == launches


async def test_launch_data_whose_key_is_refused_is_asked_for_anew(tmp_path: Path) -> None:
    async with emulated() as coze:
        async with reached(coze, tmp_path) as playground:
            await ask(playground, asking("hello"))
        file = files(tmp_path, "launch-*")[0]
        file.write_text(file.read_text().replace("0123456789abcdef", "fedcba9876543210"))
        async with reached(coze, tmp_path) as playground:
            assert (await ask(playground, asking("hello"))).text == "hello"
        assert coze.server.seen.launches == 2


async def test_a_key_that_is_refused_even_when_fresh_is_not_kept_and_not_tried_again(tmp_path: Path) -> None:
    async with emulated(key_accepted=False) as coze, reached(coze, tmp_path) as playground:
        for _ in range(3):
            with pytest.raises(UpstreamDenied) as caught:
                await ask(playground, asking("hello"))
            assert caught.value.code == "upstream_forbidden"
        assert coze.server.seen.launches == 1
        assert not files(tmp_path, "launch-*")
        assert "403" in str(playground.health()["refused"])


async def test_too_many_sockets_of_the_device_is_said_so(tmp_path: Path) -> None:
    folders = folders_of_one_device(tmp_path)
    async with emulated(most_sockets=1) as coze, reached(coze, folders[0]) as first:
        await ask(first, asking("hello"))
        async with reached(coze, folders[1]) as second:
            error = await outcome(second, asking("hello"))
            assert isinstance(error, RealcozeError)
            assert error.code == "too_many_connections"
            assert "refused" not in second.health()


async def test_a_second_upstream_to_the_same_coze(tmp_path: Path) -> None:
    async with (
        emulated() as coze,
        reached(coze, tmp_path) as first,
        reached(coze, tmp_path) as second,
    ):
        results = await outcomes(first, [asking("first")] * 5) + await outcomes(second, [asking("second")] * 5)
        assert [result.text for result in results if isinstance(result, Reply)] == ["first"] * 5 + ["second"] * 5
        assert len({each.device_id for each in coze.server.seen.executions}) == 2
        assert first.socket.strays == second.socket.strays == 0


async def test_the_turn_is_known_to_the_reader_before_the_call_is_made(
    coze: Coze, playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[bool] = []
    execute = playground._session.execute

    async def look(body: bytes) -> None:
        known.append(json.loads(body)["push_uuid"] in playground.socket._turns)
        await execute(body)

    monkeypatch.setattr(playground._session, "execute", look)
    await ask(playground, asking("hello"))
    assert known == [True]


async def test_whatever_happens_the_turn_is_given_back(tmp_path: Path) -> None:
    deadlines = replace(QUICK, first_event=0.5, idle=0.5, reply=0.5)
    async with emulated() as coze, reached(coze, tmp_path, deadlines=deadlines, max_turns=1, max_queue=0) as playground:
        for mark in ("stall", "silent", "quota", "broken", "unfinished", "cut after=99"):
            assert isinstance(await outcome(playground, asking(f"hello [[fault {mark}]]")), RealcozeError)
            assert playground.socket.turns_in_flight == 0
            assert playground._slots.taken == 0

        def break_down(_event: Event) -> None:
            raise ZeroDivisionError

        with pytest.raises(RealcozeError, match="could not be delivered"):
            await playground.converse(asking("hello"), Gathered(break_down))
        assert playground.socket.turns_in_flight == playground._slots.taken == 0
        assert (await ask(playground, asking("hello"))).text == "hello"


async def test_a_caller_who_leaves_frees_the_place_and_the_rest_is_dropped(tmp_path: Path) -> None:
    async with emulated(pace=10) as coze, reached(coze, tmp_path, max_turns=1, max_queue=0) as playground:
        sink = Gathered()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(playground.converse, asking("one two three four five six"), sink)
            await sink.until(lambda: sink.text.startswith("one two"))
            tasks.cancel_scope.cancel()
        assert playground.socket.turns_in_flight == playground._slots.taken == 0
        fed = len(sink.events)
        await soon(lambda: playground.socket.strays >= 3)
        assert (await ask(playground, asking("a"))).text == "a"
        assert len(sink.events) == fed


@pytest.mark.parametrize("mark", ["stall", "silent", "early"])
async def test_a_caller_may_leave_at_any_time(tmp_path: Path, mark: str) -> None:
    async with emulated(pace=20) as coze, reached(coze, tmp_path) as playground:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(playground.converse, asking(f"one two three [[fault {mark}]]"), Gathered())
            await _until_executed(coze, 1)
            tasks.cancel_scope.cancel()
        assert playground.socket.turns_in_flight == playground._slots.taken == 0


async def test_a_caller_may_leave_while_the_socket_is_being_opened(tmp_path: Path) -> None:
    async with raw_server(stays=True) as server:
        settings = to_reach(f"http://127.0.0.1:{server.port}", tmp_path)
        async with open_playground(settings) as playground:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(playground.converse, asking("hello"), Gathered())
                await server.until(lambda: bool(server.received))
                tasks.cancel_scope.cancel()
            assert playground.socket.turns_in_flight == playground._slots.taken == 0


async def test_more_turns_than_places_wait_and_more_than_that_are_refused(tmp_path: Path) -> None:
    async with emulated(pace=100) as coze, reached(coze, tmp_path, max_turns=2, max_queue=3) as playground:
        results = await outcomes(playground, [asking(f"a b c {number}") for number in range(9)])
        whole = [result for result in results if isinstance(result, Reply)]
        shed = [result for result in results if isinstance(result, Overloaded)]
        assert (len(whole), len(shed)) == (5, 4)
        assert {error.code for error in shed} == {"overloaded"}
        assert len(coze.server.seen.executions) == 5


async def test_waiting_for_a_place_has_an_end(tmp_path: Path) -> None:
    deadlines = replace(QUICK, queue=0.02)
    async with (
        emulated() as coze,
        reached(coze, tmp_path, max_turns=1, deadlines=deadlines) as playground,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(playground.converse, asking("hello [[fault silent]]"), Gathered())
        await _until_executed(coze, 1)
        with pytest.raises(Overloaded, match="none became free"):
            await ask(playground, asking("hello"))
        tasks.cancel_scope.cancel()


async def test_a_coze_that_stops_in_the_middle_is_noticed(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path, deadlines=Deadlines(idle=0.1)) as playground:
        with pytest.raises(UpstreamTimeout, match=r"nothing more for 0\.1 s"):
            await ask(playground, asking("one two [[fault unfinished]]"))


async def test_a_refused_region_at_launch_has_a_hint_that_names_the_proxy(tmp_path: Path) -> None:
    async with emulated(region_blocked=True) as coze, reached(coze, tmp_path) as playground:
        with pytest.raises(UpstreamDenied, match="regional restrictions") as caught:
            await ask(playground, asking("hello"))
        assert caught.value.code == "upstream_blocked"
        assert "proxy" in (caught.value.hint or "")
        assert coze.server.seen.sockets == 0


async def test_a_demand_for_signatures_has_a_hint(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        with pytest.raises(UpstreamDenied) as caught:
            await ask(playground, asking("hello [[fault signature]]"))
        assert caught.value.code == "upstream_blocked"
        assert "signatures" in (caught.value.hint or "")
        assert playground.health()["refused"]


async def test_a_page_of_html_is_an_answer_that_nobody_can_read(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        with pytest.raises(UpstreamFailed, match="HTTP 502") as caught:
            await ask(playground, asking("hello [[fault broken]]"))
        assert caught.value.code == "upstream_protocol"
        assert (await ask(playground, asking("hello"))).text == "hello"


async def test_a_used_up_account_is_said_so_and_is_asked_again(tmp_path: Path) -> None:
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        with pytest.raises(QuotaExhausted, match="daily limit"):
            await ask(playground, asking("hello [[fault quota]]"))
        assert (await ask(playground, asking("hello"))).text == "hello"


async def test_a_bot_that_is_not_ours_is_not_found(coze: Coze, playground: Playground) -> None:
    with pytest.raises(NotFound, match="'nobody'") as caught:
        await ask(playground, asking("hello", "nobody"))
    assert caught.value.code == "model_not_found"
    assert coze.server.seen.launches == 0


async def test_a_bot_that_coze_does_not_have_is_not_found(tmp_path: Path) -> None:
    config = config_from({**bot_config(BOTS[0]), "bot_id": "1"})
    async with emulated() as coze, reached(coze, tmp_path, bots={BotName("gone"): config}) as playground:
        with pytest.raises(NotFound, match="does not exist"):
            await ask(playground, asking("hello", "gone"))


@pytest.mark.parametrize(
    "fields",
    [
        {"conversation_id": ConversationId("1")},
        {"custom_variables": {"a": "b"}},
        {"parameters": {"a": 1}},
        {"meta_data": {"a": "b"}},
        {"extra_params": {"a": "b"}},
        {"shortcut_command": {"command_id": "1"}},
        {"tool_results": (ToolResult(call_id="1", output="x"),)},
    ],
)
async def test_what_the_protocol_cannot_carry_is_refused_by_name(
    coze: Coze, playground: Playground, fields: dict[str, Any]
) -> None:
    with pytest.raises(BadRequest, match=next(iter(fields))) as caught:
        await ask(playground, asking("hello", **fields))
    assert caught.value.code == "not_supported_by_upstream"
    assert coze.server.seen.launches == 0


async def test_no_call_is_spent_on_an_empty_question(coze: Coze, playground: Playground) -> None:
    with pytest.raises(BadRequest, match="The question is empty"):
        await ask(playground, asking(" "))
    assert coze.server.seen.launches == 0


async def test_all_that_cannot_be_carried_is_named_at_once(playground: Playground) -> None:
    request = asking("hello", parameters={"a": 1}, meta_data={"a": "b"})
    with pytest.raises(BadRequest, match="parameters, meta_data"):
        await ask(playground, request)


async def test_a_slow_reader_gets_the_newest_snapshot_and_the_whole_text(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(200)]
    async with emulated() as coze, reached(coze, tmp_path) as playground:
        sink = Gathered(lambda event: sink.flow.pause() if isinstance(event, TextDelta) else None)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(playground.converse, asking(" ".join(words)), sink)
            await sink.until(lambda: bool(sink.text))
            await coze.wire.until_count("frame", len(words) + 1)
            # All of them are here once another turn on the same socket, asked later, is over.
            await ask(playground, asking("later"))
            assert sink.ends == []
            assert len([event for event in sink.events if isinstance(event, TextDelta)]) == 1
            sink.flow.resume()
        assert sink.reply().text == " ".join(words)
        assert len([event for event in sink.events if isinstance(event, TextDelta)]) == 2


async def test_a_caller_who_leaves_while_paused_takes_what_was_held_along(tmp_path: Path) -> None:
    async with emulated(pace=100) as coze, reached(coze, tmp_path) as playground:
        sink = Gathered(lambda _: sink.flow.pause())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(playground.converse, asking("one two three four"), sink)
            await sink.until(lambda: bool(sink.events))
            tasks.cancel_scope.cancel()
        fed = len(sink.events)
        sink.flow.resume()
        assert len(sink.events) == fed


async def test_the_socket_lives_longer_than_the_time_to_open_it(tmp_path: Path) -> None:
    deadlines = replace(QUICK, connect=0.4, tls=0.4)
    letters = " ".join("abcdefghijkl")
    async with emulated(pace=10) as coze, reached(coze, tmp_path, deadlines=deadlines) as playground:
        assert (await ask(playground, asking(letters))).text == letters
        assert coze.server.seen.sockets == 1


async def test_closing_while_idle_is_final() -> None:
    settings = to_reach("http://127.0.0.1:1", Path("/nonexistent"))
    async with open_playground(settings) as playground:
        assert playground.health() == {"socket": "idle", "turns": 0}
    assert playground.health()["socket"] == "closed"


async def test_closing_while_open_says_goodbye_and_stays_closed(tmp_path: Path) -> None:
    async with emulated() as coze:
        async with reached(coze, tmp_path) as playground:
            await ask(playground, asking("hello"))
        assert playground.socket.state == "closed"
        await coze.wire.until_count("closed", 1)
        assert list(coze.server.seen.closes) == [1000]
        assert coze.server.seen.sockets == 1
        with pytest.raises(Overloaded, match="being closed"):
            await ask(playground, asking("hello"))


async def test_closing_while_connecting_is_quick(tmp_path: Path) -> None:
    async with raw_server(stays=True) as server:
        settings = to_reach(f"http://127.0.0.1:{server.port}", tmp_path, deadlines=Deadlines())
        results: list[Reply | Exception] = []

        async def turn(playground: Playground) -> None:
            results.append(await outcome(playground, asking("hello")))

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks, open_playground(settings) as playground:
                tasks.start_soon(turn, playground)
                await server.until(lambda: bool(server.received))
        assert isinstance(results[0], Overloaded)
        assert len(server.received) == 1


async def test_closing_while_waiting_for_the_next_attempt_is_quick(tmp_path: Path) -> None:
    heart = Heart(backoff=1e6, backoff_max=1e6)
    async with emulated() as coze:
        with anyio.fail_after(PATIENCE_S):
            async with reached(coze, tmp_path, heart=heart, deadlines=Deadlines(idle=0.1)) as playground:
                await outcome(playground, asking("hello [[fault cut after=99]]"))
                assert playground.socket.state == "waiting"
        assert playground.socket.state == "closed"


async def test_closing_ends_the_turns_in_flight(tmp_path: Path) -> None:
    """Without it they would wait for pushes that cannot come, until their deadlines."""
    results: list[Reply | Exception] = []

    async def turn(playground: Playground, text: str) -> None:
        results.append(await outcome(playground, asking(text)))

    async with (
        emulated(pace=10) as coze,
        anyio.create_task_group() as tasks,
        reached(coze, tmp_path, deadlines=Deadlines()) as playground,
    ):
        tasks.start_soon(turn, playground, "one two three four")
        tasks.start_soon(turn, playground, "hello [[fault silent]]")
        tasks.start_soon(turn, playground, "hello [[fault stall]]")
        await _until_executed(coze, 3)
        await soon(lambda: playground.socket.turns_in_flight == 3)
    assert [getattr(result, "code", "") for result in results] == ["overloaded"] * 3


async def test_what_is_raised_in_the_block_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_playground(to_reach("http://127.0.0.1:1", tmp_path)):
            raise ZeroDivisionError


@pytest.mark.parametrize("field", ["proxy", "ws_proxy"])
async def test_an_impossible_proxy_is_refused_before_anything_is_sent(tmp_path: Path, field: str) -> None:
    with pytest.raises(Misconfigured, match="proxy setting"):
        async with open_playground(to_reach("http://127.0.0.1:1", tmp_path, **{field: "ftp://u:s3cret@host:1"})):
            pytest.fail("it opened")


@pytest.mark.parametrize("session_id", ["a b", "sessionid=a; b=c", 'quo"ted', "line\n", "ünï", "a,b", "back\\slash"])
async def test_a_session_that_no_cookie_can_carry_is_refused(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(Misconfigured, match="session_id") as caught:
        async with open_playground(to_reach("http://127.0.0.1:1", tmp_path, session_id=Secret(session_id))):
            pytest.fail("it opened")
    assert session_id not in str(caught.value)


async def test_no_secret_and_no_question_is_ever_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deadlines = replace(QUICK, first_event=0.1, idle=0.1)
    marks = ("cut after=1", "deaf", "silent", "huge", "session", "risk", "unfinished")
    with caplog.at_level(logging.DEBUG):
        async with emulated() as coze:
            for mark in marks:
                async with reached(coze, tmp_path, deadlines=deadlines) as playground:
                    error = await outcome(playground, asking(f"my-question [[fault {mark}]]"))
                    assert "emulated-session" not in str(error)
                    assert "my-question" not in str(error)
    assert "emulated-session" not in caplog.text
    assert "my-question" not in caplog.text
    assert caplog.records


async def test_a_state_folder_that_cannot_be_used_is_no_obstacle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    async with emulated() as coze, reached(coze, tmp_path / "file" / "state") as playground:
        assert (await ask(playground, asking("hello"))).text == "hello"
    assert "cannot be written" in caplog.text


async def test_a_launch_that_answers_something_else_is_an_error(tmp_path: Path) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=b'{"code":0,"data":{"config":{"frontier_app_key":1}}}')

    async with (
        web_server(web.post(launch.PATH, answer)) as address,
        open_playground(to_reach(f"http://{address}", tmp_path)) as playground,
    ):
        assert isinstance(await outcome(playground, asking("hello")), RealcozeError)
