"""What every implementation of the port `Chats` must do; one suite, run on each (domain/ports.py)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette

from realcoze.app.server import listening
from realcoze.domain.event import ENDS, AnswerDone, Event, TextDelta, TurnFailed, TurnStarted
from realcoze.domain.fold import Fold
from realcoze.domain.ids import BotName
from realcoze.domain.message import say
from realcoze.domain.ports import Chats
from realcoze.domain.request import Request, Wants
from realcoze.domain.turn import TurnLife
from realcoze.emulator.account import BOTS
from realcoze.errors import RealcozeError
from realcoze.faces.native import NativeFace
from realcoze.faces.room import Room
from realcoze.faces.streamed import StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import open_native
from servers import PATIENCE_S, Coze, Gathered, ask, asking, emulated, outcomes, reached, reached_openly

pytestmark = pytest.mark.usefixtures("nothing_left")

KEY = "a-key-of-this-test"

Opened = Callable[..., AbstractAsyncContextManager[tuple[Chats, Coze]]]
Open = Callable[[Coze, Path], AbstractAsyncContextManager[Chats]]
"""Opens an upstream that ends at this emulator, whatever lies in between."""


@asynccontextmanager
async def _playground(coze: Coze, folder: Path) -> AsyncIterator[Chats]:
    async with reached(coze, folder) as playground:
        yield playground


@asynccontextmanager
async def _open(coze: Coze, _folder: Path) -> AsyncIterator[Chats]:
    async with reached_openly(coze.base) as upstream:
        yield upstream


@asynccontextmanager
async def _native(coze: Coze, folder: Path) -> AsyncIterator[Chats]:
    """Through a server of ours, whose upstream is the playground."""
    async with reached(coze, folder) as playground:
        gateway = Gateway(Routes({BotName(bot.name): playground for bot in BOTS}))
        face = NativeFace(
            gateway, Access([KEY]), health=dict, times=StreamTimes(), room=Room(1 << 20), upload_bytes=1 << 20
        )
        async with (
            listening(Starlette(routes=face.routes()), host="127.0.0.1", port=0, grace_s=1) as port,
            open_native(f"http://127.0.0.1:{port}", key=Secret(KEY)) as native,
        ):
            yield native


UPSTREAMS: dict[str, Open] = {"coze_open": _open, "coze_playground": _playground, "native": _native}
"""Every implementation there is; a new one needs a line here."""


@pytest.fixture(params=UPSTREAMS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """An upstream and the emulator behind it, for as long as a block lasts."""

    @asynccontextmanager
    async def both(**settings: Any) -> AsyncIterator[tuple[Chats, Coze]]:
        async with emulated(**settings) as coze, UPSTREAMS[request.param](coze, tmp_path) as chats:
            yield chats, coze

    return both


async def _events(chats: Chats, request: Request) -> list[Event]:
    sink = Gathered()
    with anyio.fail_after(PATIENCE_S):
        await chats.converse(request, sink)
    assert len(sink.flows) == 1
    return sink.events


async def test_a_turn_is_whole_in_order_and_ends_once(opened: Opened) -> None:
    async with opened() as (chats, _):
        for bot in ("memory", "markdown", "tools", "echo"):
            events = await _events(chats, asking("hello", bot, wants=Wants(steps=True, suggestions=True, usage=True)))
            life = TurnLife()
            assert all(life.accepts(event) for event in events), bot
            assert isinstance(events[-1], ENDS)
            assert len([event for event in events if isinstance(event, ENDS)]) == 1
            assert not isinstance(events[-1], TurnFailed)
            assert len([event for event in events if isinstance(event, TurnStarted)]) <= 1


async def test_the_deltas_are_the_answer(opened: Opened) -> None:
    async with opened() as (chats, _):
        events = await _events(chats, asking("one two {three} 四 😀"))
        said = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert said == "one two {three} 四 😀"
        assert [event.text for event in events if isinstance(event, AnswerDone)] == [said]


async def test_the_whole_history_reaches_the_bot(opened: Opened) -> None:
    async with opened() as (chats, _):
        history = (say("user", "My name is Bob."), say("assistant", "Hello."), say("user", "What is my name?"))
        reply = await ask(chats, Request(messages=history, bot=asking("", "memory").bot))
        assert reply.text == "You are Bob."


async def test_what_is_wanted_comes(opened: Opened) -> None:
    async with opened() as (chats, _):
        reply = await ask(chats, asking("Berlin?", "tools", wants=Wants(steps=True, suggestions=True, usage=True)))
        assert len(reply.steps) == 5
        assert len(reply.suggestions) == 2
        assert reply.usage is not None


async def test_a_rewritten_answer_ends_as_the_last_version(opened: Opened) -> None:
    async with opened() as (chats, _):
        assert (await ask(chats, asking("one two three four [[fault rewrite after=2]]"))).text == "one two three four"


@pytest.mark.parametrize("mark", ["quota", "broken", "risk", "session", "region"])
async def test_a_refused_turn_raises_and_feeds_no_end(opened: Opened, mark: str) -> None:
    async with opened() as (chats, _):
        sink = Gathered()
        with pytest.raises(RealcozeError) as caught, anyio.fail_after(PATIENCE_S):
            await chats.converse(asking(f"hello [[fault {mark}]]"), sink)
        assert caught.value.message
        assert caught.value.code
        assert sink.ends == []


async def test_an_unknown_bot_raises(opened: Opened) -> None:
    async with opened() as (chats, _):
        with pytest.raises(RealcozeError):
            await chats.converse(asking("hello", "nobody"), Gathered())


async def test_turns_beside_each_other_get_each_their_own(opened: Opened) -> None:
    async with opened(pace=200) as (chats, _):
        results = await outcomes(chats, [asking(f"{number} one two {number}") for number in range(50)])
        assert [getattr(result, "text", result) for result in results] == [f"{n} one two {n}" for n in range(50)]


async def test_events_are_pushed_as_they_come(opened: Opened) -> None:
    async with opened(pace=5) as (chats, coze):
        sink = Gathered()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chats.converse, asking("one two three"), sink)
            await sink.until(lambda: bool(sink.text))
            assert coze.server.seen.frames < 4
            tasks.cancel_scope.cancel()


async def test_cancelling_gives_everything_back(opened: Opened) -> None:
    async with opened(pace=20) as (chats, coze):
        for number, mark in enumerate(("", "[[fault silent]]", "[[fault stall]]"), start=1):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(chats.converse, asking(f"one two three {mark}"), Gathered())
                await coze.wire.until(lambda: coze.wire.count("execute") + coze.wire.count("call") >= number)  # noqa: B023
                tasks.cancel_scope.cancel()
        assert (await ask(chats, asking("hello"))).text == "hello"


async def test_a_paused_sink_gets_nothing_and_afterwards_all(opened: Opened) -> None:
    async with opened() as (chats, _):
        words = " ".join(f"word{number}" for number in range(100))
        sink = Gathered(lambda event: sink.flow.pause() if isinstance(event, TextDelta) else None)
        fed = Fold()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chats.converse, asking(words), sink)
            await sink.until(lambda: bool(sink.text))
            while not sink.ends:
                await ask(chats, asking("time passes"))
                sink.flow.resume()
        for event in sink.events:
            fed.feed(event)
        assert fed.finish().text == words


async def test_pause_and_resume_may_come_at_any_time(opened: Opened) -> None:
    async with opened() as (chats, _):

        def fidget(_event: Event) -> None:
            for move in (sink.flow.resume, sink.flow.pause, sink.flow.pause, sink.flow.resume):
                move()

        sink = Gathered(fidget)
        await chats.converse(asking("one two three"), sink)
        assert sink.reply().text == "one two three"
        sink.flow.pause()
        sink.flow.resume()
