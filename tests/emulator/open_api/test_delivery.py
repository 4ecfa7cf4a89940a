import pytest

from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import Block
from realcoze.emulator.open_api.delivery import Cut, End, Garble, Reset, Rest, Step, Trickle, Write, deliver, place_of

DELTA = "conversation.message.delta"
BLOCKS = tuple(
    Block(name, f"event:{name}\n\n".encode(), 0)
    for name in ("conversation.chat.created", DELTA, DELTA, DELTA, "conversation.chat.completed", "done")
)
WHOLE = [Write(block.data, place) for place, block in enumerate(BLOCKS, start=1)]


def steps(name: str, after: int = 0, value: str = "") -> list[Step]:
    return list(deliver(BLOCKS, Fault(name, after, value)))


def test_without_a_fault_each_block_is_a_chunk_when_it_is_due() -> None:
    assert list(deliver(BLOCKS, None)) == WHOLE


@pytest.mark.parametrize("name", ["failed", "stuck", "silent", "controls"])
def test_a_fault_of_something_else_changes_nothing_here(name: str) -> None:
    assert steps(name) == WHOLE


@pytest.mark.parametrize(
    ("name", "step"), [("eof", End()), ("cut", Cut()), ("reset", Reset()), ("deaf", Rest()), ("garbage", Garble())]
)
@pytest.mark.parametrize(("after", "at"), [(0, 1), (1, 2), (2, 3), (50, 3)])
def test_a_connection_ends_after_so_many_deltas(name: str, step: Step, after: int, at: int) -> None:
    assert steps(name, after) == [*WHOLE[:at], step]


@pytest.mark.parametrize(
    ("name", "step"), [("eof", End()), ("cut", Cut()), ("reset", Reset()), ("deaf", Rest()), ("garbage", Garble())]
)
def test_a_connection_ends_after_so_many_bytes(name: str, step: Step) -> None:
    whole = b"".join(block.data for block in BLOCKS)
    for count in range(len(whole) + 2):
        *written, last = steps(name, value=str(count))
        assert last == step
        assert b"".join(each.data for each in written if isinstance(each, Write)) == whole[:count]
    assert steps(name, value="0") == [step]


def test_messages_of_a_workflow_are_counted_too() -> None:
    blocks = tuple(Block(name, b"x", 0) for name in ("PING", "Message", "Message", "Done"))
    assert [place_of(blocks, after) for after in (0, 1, 50)] == [1, 2, 2]


@pytest.mark.parametrize(("name", "step"), [("torn", End()), ("half", Rest())])
def test_half_an_event_comes(name: str, step: Step) -> None:
    half = BLOCKS[2].data[: len(BLOCKS[2].data) // 2]
    assert steps(name, 1) == [*WHOLE[:2], Write(half, 3), step]


@pytest.mark.parametrize(("value", "pause_s"), [("", 10.0), ("0.5", 0.5)])
def test_the_rest_trickles(value: str, pause_s: float) -> None:
    rest = b"".join(block.data for block in BLOCKS[2:])
    assert steps("trickle", 1, value) == [*WHOLE[:2], Trickle(rest, pause_s)]


def test_bytes_are_chunks() -> None:
    told = steps("bytes")
    assert b"".join(step.data for step in told if isinstance(step, Write)) == b"".join(block.data for block in BLOCKS)
    assert {len(step.data) for step in told if isinstance(step, Write)} == {1}


def test_faults_of_order_are_chunks_too() -> None:
    assert steps("drop") == [WHOLE[0], *WHOLE[2:]]


def test_without_deltas_the_last_block_is_the_place() -> None:
    assert place_of(BLOCKS, 1) == 2
    assert place_of(BLOCKS[:1] + BLOCKS[4:], 1) == 2
