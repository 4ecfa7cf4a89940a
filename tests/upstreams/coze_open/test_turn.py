import anyio
import pytest

from realcoze.dialects.coze_open.objects import Chat, Message
from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.domain.event import Event, Piece, ReasoningDelta, TextDelta, TurnDone, TurnStarted
from realcoze.domain.ids import MessageId
from realcoze.domain.shortcut import HasShortcut, Shortcut
from realcoze.errors import Busy, NotFound, Truncated, UpstreamDenied, UpstreamFailed
from realcoze.transports.pushed import Valve
from realcoze.upstreams.coze_open.asking import Asking
from realcoze.upstreams.coze_open.settings import Deadlines
from realcoze.upstreams.coze_open.turn import REFUSAL_BYTES, Turn
from servers import PATIENCE_S, Gathered

SSE = {"content-type": "text/event-stream; charset=utf-8", "x-tt-logid": "log-1"}
JSON = {"content-type": "application/json", "x-tt-logid": "log-1"}
CREATED = b'event:conversation.chat.created\ndata:{"id":"1","conversation_id":"2"}\n\n'
DELTA = b'event:conversation.message.delta\ndata:{"id":"3","type":"answer","content":"Hi"}\n\n'
COMPLETED = b'event:conversation.chat.completed\ndata:{"id":"1","conversation_id":"2"}\n\n'
DONE = b'event:done\ndata:"[DONE]"\n\n'
ASKED = Asking(target="/v3/chat", body=b"", new_decoder=ChatStreamDecoder)
ERROR = b'event:error\ndata:{"code":4016,"msg":"busy"}\n\n'


def turn(sink: Gathered, **waits: float) -> Turn:
    valve = Valve()
    sink.open(valve)
    return Turn(ASKED, sink, valve, Deadlines(**waits), lambda _: None)


async def given_up(one: Turn) -> None:
    late = anyio.Event()
    one.watch(late.set)
    try:
        await late.wait()
    finally:
        one.unwatch()


async def test_a_stream_becomes_events_as_it_comes() -> None:
    sink = Gathered()
    one = turn(sink)
    one.head(200, SSE)
    assert not one.has_chat
    one.bytes(CREATED)
    assert (one.chat_id, one.conversation_id, one.has_chat) == ("1", "2", True)
    one.bytes(DELTA)
    assert [event.text for event in sink.events if isinstance(event, TextDelta)] == ["Hi"]
    one.bytes(COMPLETED)
    assert sink.ends == []
    one.bytes(DONE)
    assert one.is_over
    one.finish()
    assert sink.reply().text == "Hi"


class Shortened(HasShortcut, Gathered):
    """A sink that takes more of a text the short way."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str | Event] = []

    def feed(self, event: Event) -> None:
        super().feed(event)
        self.said.append(event)

    def shortcut(self, like: Piece) -> Shortcut | None:
        assert like == hi("Hi")
        return Shortcut(self.said.append, (self.said.append,))


def begun(sink: Gathered) -> Turn:
    """A turn that has said "Hi"."""
    one = turn(sink)
    one.head(200, SSE)
    one.bytes(CREATED + DELTA)
    return one


def more(text: str) -> bytes:
    return DELTA.replace(b"Hi", text.encode())


def hi(text: str) -> TextDelta:
    return TextDelta(message_id=MessageId("3"), text=text)


async def test_text_that_comes_alone_goes_the_short_way_until_something_else_comes() -> None:
    sink = Shortened()
    one = begun(sink)
    for text in (" you", "!"):
        one.bytes(more(text))
    assert sink.said[1:] == [hi("Hi"), " you", "!"]
    one.bytes(more(" And") + more(" you"))
    assert sink.said[4:] == [hi(" you!"), hi(" And you")]
    one.bytes(more("?"))
    one.bytes(COMPLETED)
    one.bytes(DONE)
    one.finish()
    assert sink.said[6:8] == ["?", hi("?")]
    assert (sink.said[-1], one.is_over) == (TurnDone(), True)


@pytest.mark.parametrize("end", ["finish", "complete", "recover"])
async def test_what_went_the_short_way_is_noted_however_the_turn_ends(end: str) -> None:
    sink = Shortened()
    one = begun(sink)
    one.bytes(more(" you"))
    match end:
        case "finish":
            with pytest.raises(Truncated):
                one.finish()
        case "complete":
            assert not one.complete()
        case _:
            said = Message(id="3", type="answer", content="Hi you!")
            one.recover(Chat(id="1", conversation_id="2", status="completed"), [said])
    assert sink.said[1:4] == [hi("Hi"), " you", hi(" you")]


async def test_a_sink_without_a_short_way_is_fed_each_piece() -> None:
    sink = Gathered()
    one = begun(sink)
    for text in (" you", "!"):
        one.bytes(more(text))
    assert sink.events[1:] == [hi("Hi"), hi(" you"), hi("!")]


async def test_after_the_first_event_the_next_ones_deadline_counts() -> None:
    sink = Gathered()
    one, late = turn(sink, first_event=600, idle=0.02), anyio.Event()
    one.head(200, SSE)
    one.watch(late.set)
    one.bytes(CREATED)
    with anyio.fail_after(PATIENCE_S):
        await late.wait()
    one.unwatch()
    assert "nothing more for 0.02 s" in str(one.too_late())


async def test_the_first_event_may_take_longer_than_the_ones_after_it() -> None:
    one, late = turn(Gathered(), first_event=600, idle=0.001), anyio.Event()
    one.head(200, SSE)
    one.watch(late.set)
    with anyio.move_on_after(0.05):
        await late.wait()
    one.unwatch()
    assert not late.is_set()


async def test_a_refusal_is_raised_with_the_name_of_the_call() -> None:
    one = turn(Gathered())
    one.head(200, JSON)
    one.bytes(b'{"code":4015,"msg":"not ')
    one.bytes(b'published"}')
    with pytest.raises(NotFound) as caught:
        one.finish()
    assert caught.value.logid == "log-1"


async def test_only_so_much_of_a_refusal_is_kept() -> None:
    one = turn(Gathered())
    one.head(502, {})
    for _ in range(4):
        one.bytes(b"x" * REFUSAL_BYTES)
    assert one._refusal is not None
    assert len(one._refusal[2]) == REFUSAL_BYTES
    with pytest.raises(UpstreamFailed):
        one.finish()


async def test_an_answer_without_refusal_that_is_no_stream_is_none() -> None:
    one = turn(Gathered())
    one.head(200, JSON)
    one.bytes(b'{"code":0,"data":{}}')
    with pytest.raises(UpstreamFailed, match="no stream"):
        one.finish()


async def test_a_compressed_stream_is_refused() -> None:
    with pytest.raises(UpstreamFailed, match="compressed"):
        turn(Gathered()).head(200, {**SSE, "content-encoding": "gzip"})


async def test_a_failure_is_raised_and_not_fed() -> None:
    sink = Gathered()
    one = turn(sink)
    one.head(200, SSE)
    with pytest.raises(Busy) as caught:
        one.bytes(ERROR + DELTA + COMPLETED + DONE)
    assert (sink.events, one.is_over, one.strays) == ([], True, 3)
    assert caught.value.logid == "log-1"


async def test_an_end_without_the_turns_end_is_none() -> None:
    one = turn(Gathered())
    one.head(200, SSE)
    one.bytes(CREATED + DELTA)
    assert not one.complete()
    with pytest.raises(Truncated):
        one.finish()


async def test_a_turn_that_is_complete_is_not_lost_when_its_stream_goes_on() -> None:
    sink = Gathered()
    one = turn(sink, tail=0.01)
    one.head(200, SSE)
    one.bytes(CREATED + DELTA + COMPLETED)
    with anyio.fail_after(PATIENCE_S):
        await given_up(one)
    assert one.complete()
    assert sink.reply().text == "Hi"


async def test_after_the_last_event_an_answer_that_does_not_end_is_not_waited_for() -> None:
    sink = Gathered()
    one = turn(sink, tail=600)
    one.head(200, SSE)
    one.bytes(CREATED + DELTA)
    late = anyio.Event()
    one.watch(late.set)
    one.bytes(COMPLETED)
    one.bytes(DONE)
    with anyio.fail_after(PATIENCE_S):
        await late.wait()
    one.unwatch()
    assert one.is_over
    assert sink.reply().text == "Hi"


async def test_the_end_is_near_also_where_it_came_with_a_delta() -> None:
    sink = Gathered()
    one = turn(sink, tail=0.01)
    one.head(200, SSE)
    one.bytes(CREATED + DELTA)
    one.bytes(DELTA + COMPLETED)
    with anyio.fail_after(PATIENCE_S):
        await given_up(one)
    assert one.complete()
    assert sink.reply().text == "HiHi"


async def test_a_chat_that_failed_at_once_was_begun_all_the_same() -> None:
    one = turn(Gathered())
    one.head(200, SSE)
    with pytest.raises(UpstreamFailed):
        one.bytes(b'event:conversation.chat.failed\ndata:{"id":"1","last_error":{"code":4013,"msg":"model"}}\n\n')
    assert one.has_chat


async def test_comments_after_the_end_do_not_hold_a_turn() -> None:
    one = turn(Gathered(), tail=0.05)
    one.head(200, SSE)
    one.bytes(CREATED + DELTA + COMPLETED)

    async def comment() -> None:
        while True:
            one.bytes(b": still here\n\n")
            await anyio.sleep(0.01)  # the trickle is what is tested

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(comment)
            await given_up(one)
            tasks.cancel_scope.cancel()


async def test_a_deadline_that_comes_sooner_is_kept() -> None:
    sink = Gathered()
    one = turn(sink, first_event=60, idle=60, tail=0.01)
    one.head(200, SSE)
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(given_up, one)
            await anyio.lowlevel.checkpoint()
            one.bytes(CREATED + DELTA + COMPLETED)
    assert one.complete()


async def test_bytes_that_make_no_event_do_not_count() -> None:
    one = turn(Gathered(), first_event=0.05, idle=0.05)
    one.head(200, SSE)
    one.bytes(CREATED)

    async def trickle() -> None:
        while True:
            one.bytes(b":")
            await anyio.sleep(0.01)  # the trickle is what is tested

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(trickle)
            await given_up(one)
            tasks.cancel_scope.cancel()
    assert "nothing more" in one.too_late().message
    assert one.too_late().logid == "log-1"


async def test_a_reader_that_is_slow_is_waited_for() -> None:
    sink = Gathered()
    one = turn(sink, first_event=0.01, idle=0.01)
    one.head(200, SSE)
    sink.flow.pause()
    one.bytes(CREATED)
    with anyio.move_on_after(0.1) as waited:
        await given_up(one)
    assert waited.cancelled_caught


async def test_a_denial_within_the_stream_is_one() -> None:
    one = turn(Gathered())
    one.head(200, SSE)
    with pytest.raises(UpstreamDenied):
        one.bytes(b'event:error\ndata:{"code":4100,"msg":"no"}\n\n')
    with pytest.raises(UpstreamDenied):
        one.raise_failure()


async def test_text_that_arrives_together_goes_on_together() -> None:
    sink = Gathered()
    one = turn(sink)
    one.head(200, SSE)
    other = DELTA.replace(b'"3"', b'"4"').replace(b"Hi", b"!")
    one.bytes(CREATED + DELTA + DELTA + other)
    one.bytes(other + other.replace(b'"content"', b'"reasoning_content"') + DELTA)
    told = [(type(event), getattr(event, "text", "")) for event in sink.events]
    assert told == [
        (TurnStarted, ""),
        (TextDelta, "HiHi"),
        (TextDelta, "!"),
        (TextDelta, "!"),
        (ReasoningDelta, "!"),
        (TextDelta, "Hi"),
    ]
