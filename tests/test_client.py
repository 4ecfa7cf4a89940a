"""The Python API on an emulator, through a running server, and in a process of its own (docs/python.md)."""

import builtins
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import pytest

import realcoze
from commands import PATIENT_S, environment, settle
from houses import served, served_openly
from native_server import Bot, Turn, saying, serving
from pictures import PDF, png
from realcoze.domain.content import File, Image, Text
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    Step,
    Suggestion,
    TextDelta,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
)
from realcoze.domain.ids import BotName
from realcoze.domain.message import say
from realcoze.domain.request import Wants
from realcoze.domain.tool import ToolCall
from realcoze.emulator.account import API_TOKEN
from realcoze.emulator.account import BOTS as EMULATED_BOTS
from realcoze.emulator.open_api.audio import VOICES
from realcoze.errors import BadRequest, Misconfigured, NotFound, QuotaExhausted, TooLarge, Unauthorized, UpstreamFailed
from servers import PATIENCE_S, Coze, emulated, files, soon

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "a-key-of-32-characters-and-more-"
BOTS = ("echo", "memory", "tools", "pictures", "markdown")
TOML = "".join(f'[bots.{name}]\nconfig = "{name}.json"\n' for name in BOTS)
PNG = png(31, 17)

T = TypeVar("T")


@pytest.fixture
def folder(coze: Coze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with settings that reach the emulator."""
    monkeypatch.chdir(settle(tmp_path / "here", coze.base, toml=TOML))
    return tmp_path


async def in_thread(work: Callable[[], T]) -> T:
    """What a script does, beside the emulator."""
    with anyio.fail_after(3 * PATIENCE_S):
        return await anyio.to_thread.run_sync(work)


async def talking_on(turn: Turn) -> None:
    """Begin, and never end."""
    turn.start()
    turn.say("one ", "two ")
    await turn.go.wait()


# Asynchronous


async def test_the_three_names_of_the_official_examples_are_enough(
    coze: Coze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (
        ("COZE_API_TOKEN", API_TOKEN),
        ("COZE_API_BASE", coze.base),
        ("COZE_BOT_ID", EMULATED_BOTS[0].bot_id),
    ):
        monkeypatch.setenv(name, value)
    async with realcoze.open() as talking:
        first = await talking.ask("My name is Ada.")
        again = await talking.ask("What is my name?", conversation_id=first.conversation_id)
        assert "Ada" in again.text
        part = await talking.upload(PNG, name="cat.png")
        pictures = next(bot for bot in EMULATED_BOTS if bot.name == "pictures")
        assert "31 × 17" in (await talking.ask([part, "What is it?"], bot=f"bot-{pictures.bot_id}")).text


async def test_a_question_gets_its_whole_reply(folder: Path) -> None:
    async with realcoze.open() as coze:
        assert coze.bots == BOTS
        reply = await coze.ask("Hello world")
        assert (reply.text, reply.steps, reply.suggestions) == ("Hello world", (), ())
        reply = await coze.ask("What is the weather?", bot="tools")
        assert "Berlin" in reply.text
        assert [step.kind for step in reply.steps] == ["call", "result", "call", "result", "recall"]
        assert len(reply.suggestions) == 2
        assert reply.usage is not None
        assert reply.chat_id


async def test_one_after_the_other_is_one_device_and_two_at_once_are_two(folder: Path, coze: Coze) -> None:
    for _ in range(3):
        async with realcoze.open() as one:
            await one.ask("Hello")
    async with realcoze.open() as one, realcoze.open() as two:
        await one.ask("Hello")
        await two.ask("Hello")
    devices = [execution.device_id for execution in coze.server.seen.executions]
    assert len(set(devices[:4])) == 1
    assert devices[4] != devices[3]
    assert [file.name for file in files(folder / "here" / "temp", "device-*")] == ["device-0", "device-1"]


async def test_an_answer_can_be_followed_event_by_event(folder: Path) -> None:
    events: list[Event] = []
    async with realcoze.open() as coze, coze.say("What is the weather?", bot="tools") as turn:
        async for event in turn:
            events.append(event)  # noqa: PERF401 - as a person writes it
    kinds = [type(event) for event in events]
    assert (kinds[0], kinds[-1]) == (TurnStarted, TurnDone)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert [event.text for event in events if isinstance(event, AnswerDone)] == [text]
    assert kinds.count(Step) == 5
    assert kinds.count(Suggestion) == 2


async def test_only_what_is_wanted_is_waited_for(folder: Path) -> None:
    async with realcoze.open() as coze:
        reply = await coze.ask("What is the weather?", bot="tools", wants=Wants())
        assert reply.suggestions == ()


async def test_the_history_goes_along(folder: Path) -> None:
    async with realcoze.open() as coze:
        history = [say("user", "My name is Ada."), say("assistant", "Hello Ada.")]
        reply = await coze.ask("What is my name?", bot="memory", history=history)
        assert reply.text == "You are Ada."


async def test_a_picture_is_shown_by_its_path_or_its_bytes(folder: Path) -> None:
    path = anyio.Path(folder / "photo.pdf")
    await path.write_bytes(PNG)
    async with realcoze.open() as coze:
        for picture in (
            await coze.upload(str(path), bot="pictures"),
            await coze.upload(Path(path)),
            await coze.upload(PNG),
            await coze.upload(PNG, name="photo.pdf"),
        ):
            assert isinstance(picture, Image)
            reply = await coze.ask([picture, "What is this?"], bot="pictures")
            assert "31 × 17 pixels" in reply.text
        file = await coze.upload(PDF)
        assert isinstance(file, File)
        for question in (file, [file], (Text(text="And this?"), file)):
            assert "application/pdf" in (await coze.ask(question, bot="pictures")).text


async def test_the_name_of_a_file_is_that_of_its_path_unless_another_is_given(folder: Path) -> None:
    path = anyio.Path(folder / "notes.txt")
    await path.write_bytes(b"hello")
    async with realcoze.open() as coze:
        assert (await coze.upload(path)).key.endswith(".txt")
        assert (await coze.upload(path, name="notes.md")).key.endswith(".md")


async def test_errors_are_raised(folder: Path) -> None:
    async with realcoze.open() as coze:
        with pytest.raises(NotFound, match="no bot 'nobody'"):
            await coze.ask("Hello", bot="nobody")
        with pytest.raises(QuotaExhausted, match="daily limit"):
            await coze.ask("Hello [[fault quota]]")
        with pytest.raises(BadRequest, match="empty"):
            await coze.ask([])
        with pytest.raises(BadRequest, match="empty"):
            coze.say(())
        with pytest.raises(BadRequest, match="empty"):
            await coze.upload(b"")
        with pytest.raises(TooLarge):
            await coze.upload(b"x" * ((20 << 20) + 1))
        with pytest.raises(NotFound):
            await coze.upload(PNG, bot="nobody")
        with pytest.raises(FileNotFoundError):
            await coze.upload(folder / "nothing.png")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"custom_variables": {"city": 42}}, "custom_variables['city'] is int; it must be text."),
        ({"meta_data": {1: "x"}}, "meta_data has a key that is int; it must be text."),
        ({"extra_params": ["x"]}, "extra_params is list; it must be a dict."),
        ({"parameters": {"when": [{"x": object()}]}}, "parameters['when'] is not what JSON can say."),
        ({"user_id": 42}, "user_id is int; it must be text."),
    ],
)
async def test_options_that_nobody_could_send_are_refused_here(
    options: Any, said: str, coze: Coze, folder: Path
) -> None:
    async with realcoze.open() as client:
        with pytest.raises(BadRequest) as caught:
            await client.ask("hi", **options)
    assert caught.value.message == said
    assert coze.server.seen.launches == 0


async def test_an_unknown_option_is_a_defect_of_the_program(folder: Path) -> None:
    async with realcoze.open() as client:
        for name in ("temperature", "thread", "messages"):
            with pytest.raises(TypeError, match=f"'{name}' is no option; there are bot, history, wants"):
                client.say("hi", **{name: 1})  # type: ignore[arg-type]


async def wanting(turn: Turn) -> None:
    """Want a tool, then ask back, then answer."""
    turn.start()
    if turn.request.tool_results:
        turn.say(f"It is {turn.request.tool_results[0].output}. ")
        question = Interrupt(event_id="5", kind="question", data={"question": "Where are you?"})
        turn.feed(InputRequested(interrupt=question))
    elif turn.request.resume is not None:
        turn.say(f"{turn.request.resume.event_id}: noon in {turn.request.messages[-1].text}")
        turn.done()
    else:
        turn.feed(ToolCallsRequested(calls=(ToolCall(call_id="c1", name="clock", arguments='{"zone": "CET"}'),)))


@realcoze.tool
async def clock(zone: str) -> str:
    return f"noon {zone}"


async def test_a_function_is_called_and_a_question_is_answered() -> None:
    async with serving(Bot(wanting)) as server, realcoze.open(url=server.url) as coze:
        reply = await coze.ask("What time is it?", tools=[clock])
        assert (reply.text, reply.tool_calls) == ("It is noon CET. ", ())
        assert reply.interrupt is not None
        assert reply.interrupt.question == "Where are you?"
        assert (await coze.ask("Rome", resume=reply)).text == "5: noon in Rome"
        async with coze.say("What time is it?", tools=[clock]) as turn:
            kinds = [type(event) for event in [event async for event in turn]]
        assert kinds == [TurnStarted, ToolCallsRequested, TextDelta, InputRequested]


async def test_without_functions_the_reply_says_what_is_wanted_and_takes_the_results() -> None:
    async with serving(Bot(wanting)) as server, realcoze.open(url=server.url) as coze:
        waiting = await coze.ask("What time is it?")
        results = {call.call_id: "late" for call in waiting.tool_calls}
        assert (await coze.ask(tool_results=results, resume=waiting)).text == "It is late. "


async def test_a_script_has_functions_called_as_well() -> None:
    def now(zone: str) -> str:
        return f"midnight {zone}"

    def script(url: str) -> tuple[str, int]:
        with realcoze.open_sync(url=url) as coze:
            reply = coze.ask("What time is it?", tools=[realcoze.tool("clock")(now)])
            with coze.say("What time is it?", tools=[clock]) as turn:
                return reply.text, len(list(turn))

    async with serving(Bot(wanting)) as server:
        assert await in_thread(lambda: script(server.url)) == ("It is midnight CET. ", 4)


async def test_a_turn_that_fails_says_so_with_its_last_event(folder: Path) -> None:
    async with realcoze.open() as coze, coze.say("Hello [[fault quota]]") as turn:
        events = [event async for event in turn]
    assert isinstance(events[-1], TurnFailed)
    assert events[-1].error.code == "insufficient_quota"


async def test_what_is_raised_in_a_block_comes_out_as_it_is(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with realcoze.open():
            raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        async with realcoze.open() as coze, coze.say("Hello"):
            raise ZeroDivisionError


async def test_leaving_early_stops_the_turn() -> None:
    bot = Bot(talking_on)
    async with serving(bot) as server, realcoze.open(url=server.url) as coze:
        async with coze.say("Hello") as turn:
            async for event in turn:
                if isinstance(event, TextDelta):
                    break
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)
        with anyio.fail_after(PATIENCE_S):
            assert [event async for event in turn] == [], "nothing comes after it was left"


async def test_cancelling_a_question_stops_the_turn() -> None:
    bot = Bot(talking_on)
    async with serving(bot) as server, realcoze.open(url=server.url) as coze:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(coze.ask, "Hello")
            await bot.turn()
            tasks.cancel_scope.cancel()
        await bot.turns[0].until(lambda: bot.turns[0].is_cancelled)


async def test_leaving_early_frees_the_place_of_the_turn_at_coze(folder: Path) -> None:
    async with emulated(pace=20.0) as slow:
        settle(folder / "here", slow.base, toml=TOML)
        async with realcoze.open() as coze:
            async with coze.say("Hello", bot="markdown") as turn:
                assert isinstance(await anext(turn), TurnStarted)
            playground = coze._gateway._routes.route(BotName("markdown"))[1]
            assert playground.health()["turns"] == 0  # type: ignore[attr-defined]


async def test_a_follower_who_stops_after_the_end_of_a_block_is_released() -> None:
    bot = Bot(talking_on)
    ended = anyio.Event()

    async def follow(turn: object) -> None:
        async for _ in turn:  # type: ignore[attr-defined]
            pass
        ended.set()

    async with (
        serving(bot) as server,
        realcoze.open(url=server.url) as coze,
        anyio.create_task_group() as tasks,
    ):
        async with coze.say("Hello") as turn:
            tasks.start_soon(follow, turn)
            await bot.turn()
        with anyio.fail_after(PATIENCE_S):
            await ended.wait()


async def test_many_turns_and_two_clients_at_once(folder: Path) -> None:
    replies: dict[str, str] = {}

    async def one(coze: realcoze.Coze, text: str) -> None:
        replies[text] = (await coze.ask(text)).text

    async with realcoze.open() as first, realcoze.open() as second, anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(one, first, f"first {number}")
            tasks.start_soon(one, second, f"second {number}")
    assert all(text == reply for text, reply in replies.items())
    assert len(replies) == 40


# What is reached


async def test_a_running_server_is_reached_by_its_address(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path, key=KEY) as url:
        async with realcoze.open(url=url, key=KEY) as client:
            assert client.bots == (), "only the server knows them"
            assert "I see" not in (await client.ask("Hello")).text
            assert (await client.ask("Hello", bot="echo")).text == "Hello"
            picture = await client.upload(PNG, name="a.png", bot="pictures")
            assert "31 × 17" in (await client.ask([picture], bot="pictures")).text
            with pytest.raises(NotFound) as missing:
                await client.ask("Hello", bot="nobody")
            assert "echo" in str(missing.value.hint)
            with pytest.raises(NotFound):
                await client.upload(PNG, bot="nobody")
            async with client.say("one two three", bot="echo") as turn:
                assert [type(event) async for event in turn][-1] is TurnDone
        for key in ("", "another-key-of-32-characters-----"):
            async with realcoze.open(url=url, key=key) as client:
                with pytest.raises(Unauthorized):
                    await client.ask("Hello")
                with pytest.raises(Unauthorized):
                    await client.upload(PNG)


async def test_sound_goes_to_coze_and_comes_back_through_a_server_and_without(
    coze: Coze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = next(iter(VOICES))
    (tmp_path / "realcoze.toml").write_text(
        f'[upstreams.coze]\nkind = "coze_open"\ntoken = "{API_TOKEN}"\nbase = "{coze.base}"\nvoice_id = "{voice}"\n'
        '[bots.echo]\nbot_id = "7300000000000000005"\n'
    )
    (tmp_path / "realcoze.toml").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    recording = tmp_path / "recording.wav"
    async with served_openly(coze, tmp_path, voice_id=voice) as url:
        for where in ("", url):
            async with realcoze.open(url=where) as client:
                sound = await client.speak("one two three", bot="echo", format="wav", speed=2)
                assert sound.content_type == "audio/wav"
                recording.write_bytes(sound.data)
                assert await client.transcribe(recording) == "A recording of 0.18 seconds at 24000 Hz."
                assert await client.transcribe(sound.data, name="a.wav", bot="echo")
                with pytest.raises(NotFound):
                    await client.speak("hello", bot="nobody")
                with pytest.raises(BadRequest):
                    await client.transcribe(b"%PDF")

        def speak() -> str:
            with realcoze.open_sync(url=url) as client:
                return client.transcribe(client.speak("one", format="wav", voice=voice).data)

        assert "0.12 seconds" in await in_thread(speak)


async def test_a_server_that_is_not_there_is_said_so() -> None:
    async with realcoze.open(url="http://127.0.0.1:1") as coze:
        with pytest.raises(UpstreamFailed) as failed:
            await coze.ask("Hello")
    assert "realcoze serve" in str(failed.value.hint)
    with pytest.raises(Misconfigured):
        async with realcoze.open(url="localhost:8080"):
            pytest.fail("it opened")


async def test_an_embedded_coze_needs_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with realcoze.open(demo=True) as coze:
        assert "pictures" in coze.bots
        assert (await coze.ask("Hi", bot="echo")).text == "Hi"


async def test_without_settings_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Misconfigured) as missing:
        async with realcoze.open():
            pytest.fail("it opened")
    assert "realcoze demo" in str(missing.value.hint)


async def test_settings_may_lie_elsewhere(coze: Coze, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = settle(tmp_path / "there", coze.base)
    table = f'[upstreams.playground]\nsession_id = "emulated-session-0123456789"\nbase = "{coze.base}"\n'
    (there / "mine.toml").write_text(f'temp_path = "state"\n{table}{TOML}')
    (there / "mine.toml").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    for config in (there / "mine.toml", str(there / "mine.toml")):
        async with realcoze.open(config=config) as client:
            assert (await client.ask("Hello", bot="echo")).text == "Hello"
    assert (there / "state").is_dir()


# For scripts


async def test_a_script_has_the_same_names(folder: Path) -> None:
    picture = folder / "a.png"
    picture.write_bytes(PNG)

    def script() -> None:
        with realcoze.open_sync() as coze:
            assert coze.bots == BOTS
            assert coze.ask("Hello").text == "Hello"
            history = [say("user", "My name is Ada."), say("assistant", "Hello Ada.")]
            assert coze.ask("What is my name?", bot="memory", history=history).text == "You are Ada."
            with coze.say("one two three") as events:
                kinds = [type(event) for event in events]
            assert kinds[-1] is TurnDone
            assert kinds.count(TextDelta) == 3
            for file in (picture, str(picture), PNG):
                shown = coze.upload(file, bot="pictures")
                assert "31 × 17" in coze.ask([shown, "?"], bot="pictures").text
            with pytest.raises(NotFound):
                coze.ask("Hello", bot="nobody")
            with coze.say("Hello", bot="nobody") as events:
                assert [type(event) for event in events] == [TurnFailed]
            with pytest.raises(ZeroDivisionError), coze.say("Hello"):
                raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError), realcoze.open_sync():
            raise ZeroDivisionError

    await in_thread(script)


async def test_a_script_that_leaves_early_stops_the_turn() -> None:
    bot = Bot(talking_on)

    def script(url: str) -> None:
        with realcoze.open_sync(url=url) as coze:
            with coze.say("Hello") as events:
                for event in events:
                    if isinstance(event, TextDelta):
                        break
            assert list(events) == [], "nothing comes after it was left"
            with coze.say("Hello") as events:
                next(events)
                events.close()  # type: ignore[attr-defined]
            with coze.say("Hello"):
                pass

    async with serving(bot) as server:
        await in_thread(lambda: script(server.url))
        await soon(lambda: all(turn.is_cancelled for turn in bot.turns))
    assert len(bot.turns) >= 2


async def test_scripts_may_talk_at_once(folder: Path) -> None:
    def script(number: int) -> str:
        with realcoze.open_sync() as first, realcoze.open_sync() as second:
            return first.ask(f"one {number}").text + second.ask(f" two {number}").text

    def scripts() -> list[str]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(script, range(4)))

    assert await in_thread(scripts) == [f"one {number}two {number}" for number in range(4)]


async def test_one_client_of_a_script_may_be_shared_by_threads() -> None:
    def scripts(url: str) -> list[str]:
        with realcoze.open_sync(url=url) as coze, ThreadPoolExecutor(8) as pool:
            return [reply.text for reply in pool.map(coze.ask, ["Hello"] * 20)]

    async with serving(saying("Hel", "lo")) as server:
        assert await in_thread(lambda: scripts(server.url)) == ["Hello"] * 20


async def test_a_script_is_told_of_wrong_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def script() -> None:
        with realcoze.open_sync():
            pytest.fail("it opened")

    with pytest.raises(Misconfigured):
        await in_thread(script)


async def test_without_a_block_it_is_told_how_to_open_it() -> None:
    for opened, block in (
        (realcoze.open_sync(demo=True), "with realcoze.open_sync(…) as coze:"),
        (realcoze.open(demo=True), "async with realcoze.open(…) as coze:"),
    ):
        with pytest.raises(AttributeError, match=re.escape(f"'ask' is there within a block: `{block}`")):
            opened.ask("Hello")  # type: ignore[union-attr]


# The package


async def test_importing_it_imports_nothing_of_weight(tmp_path: Path) -> None:
    heavy = "{'aiohttp', 'anyio', 'msgspec', 'starlette', 'uvicorn', 'realcoze.client'}"
    code = f"""\
import sys
import realcoze
assert realcoze.__version__
assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)
from realcoze import Coze, SyncCoze, open, open_sync
assert open is realcoze.open is sys.modules['realcoze.client'].open
"""
    variables = environment(tmp_path, PYTHONPATH=str(Path(realcoze.__file__).parents[1]))
    with anyio.fail_after(PATIENT_S):
        done = await anyio.run_process([sys.executable, "-c", code], check=False, env=variables, cwd=tmp_path)
    assert (done.returncode, done.stderr.decode()) == (0, "")


async def test_the_package_has_the_names_it_says() -> None:
    for name in (*realcoze.__all__, "open", "open_sync"):
        assert getattr(realcoze, name)
    assert set(realcoze.__all__).isdisjoint(vars(builtins)), "`import *` hides nothing"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        realcoze.nothing  # noqa: B018
