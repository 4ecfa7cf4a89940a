import gzip
from collections.abc import Sequence

import pytest

from realcoze.dialects.coze_playground.answer import AnswerDecoder, AnswerEncoder
from realcoze.dialects.coze_playground.push import Push, decode_push, encode_push
from realcoze.domain.event import AnswerDone, TextDelta, TurnDone
from realcoze.domain.fold import Fold
from realcoze.domain.ids import MessageId
from realcoze.emulator.account import SERVICE_ID
from realcoze.emulator.delivery import (
    GARBAGE,
    HUGE_BYTES,
    STRANGER,
    Cut,
    Deafen,
    FrameForm,
    Garble,
    Pace,
    Rejoin,
    Send,
    Step,
    Wrapper,
    deliver,
)
from realcoze.emulator.fault import PUSH_FAULTS, Fault
from realcoze.framing.frontier import BadFrame, FrontierReader, decode_frame
from realcoze.framing.limits import SOCKET_MESSAGE_BYTES

UUID = "11111111-1111-4111-8111-111111111111"
WORDS = ("one", " two", " three", " four")
FORMS: list[FrameForm] = ["json", "gzip", "bare", "mixed"]


def _pushes() -> list[Push]:
    """Four snapshots and the last one."""
    encoder = AnswerEncoder(push_uuid=UUID)
    message_id = MessageId("m")
    events = [*(TextDelta(message_id=message_id, text=word) for word in WORDS)]
    pushes = [push for event in events for push in encoder.feed(event)]
    done = AnswerDone(message_id=message_id, text="".join(WORDS))
    return [*pushes, *encoder.feed(done), *encoder.feed(TurnDone())]


def _steps(name: str | None, after: int = 2, form: FrameForm = "json") -> list[Step]:
    fault = Fault(name, after) if name else None
    return list(deliver(_pushes(), fault, Wrapper(form), log_id_ms=1708900000000))


def _messages(steps: Sequence[Step]) -> list[bytes | str]:
    return [step.message for step in steps if isinstance(step, Send)]


def _read(steps: Sequence[Step]) -> list[Push | None]:
    reader = FrontierReader()
    return [decode_push(payload.data) for message in _messages(steps) for payload in reader.feed(message)]


def _contents(steps: Sequence[Step]) -> list[str]:
    return [push.message.content or "" for push in _read(steps) if push and push.message]


SNAPSHOTS = ["one", "one two", "one two three", "one two three four", "one two three four"]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_back_by_the_frontier_reader(form: FrameForm) -> None:
    reader = FrontierReader()
    payloads = [payload for message in _messages(_steps(None, form=form)) for payload in reader.feed(message)]
    assert [payload.data for payload in payloads] == [encode_push(push) for push in _pushes()]
    assert reader.ignored == 0


def test_a_frame_is_numbered_and_says_what_it_holds() -> None:
    message = _messages(_steps(None))[0]
    assert isinstance(message, bytes)
    frame = decode_frame(message)
    assert (frame.seq_id, frame.log_id, frame.service, frame.method) == (1, 1708900000000, SERVICE_ID, 1)
    assert (frame.headers, frame.payload_type) == ((("trace", "t1"),), "text/json")
    assert frame.payload == encode_push(_pushes()[0])


def test_a_compressed_frame_says_so() -> None:
    message = _messages(_steps(None, form="gzip"))[0]
    assert isinstance(message, bytes)
    frame = decode_frame(message)
    assert frame.payload_encoding == "gzip"
    assert gzip.decompress(frame.payload or b"") == encode_push(_pushes()[0])


def test_a_bare_push_is_the_json_itself() -> None:
    assert _messages(_steps(None, form="bare"))[0] == encode_push(_pushes()[0])


def test_mixed_takes_each_form_in_turn() -> None:
    kinds = []
    for message in _messages(_steps(None, form="mixed"))[:3]:
        assert isinstance(message, bytes)
        kinds.append("bare" if message.startswith(b"{") else decode_frame(message).payload_encoding or "json")
    assert sorted(kinds) == ["bare", "gzip", "json"]


def test_the_pace_is_kept_by_the_clock() -> None:
    pace = Pace(10, 100)
    assert pace.wait_s(100) == pytest.approx(0.1)
    assert pace.wait_s(100.15) == pytest.approx(0.05)  # the first wait took longer than it should
    assert pace.wait_s(101) == 0  # and then everything stood still
    assert pace.wait_s(101) == 0
    assert pace.wait_s(100.45) == pytest.approx(0.05)


def test_without_a_fault_everything_goes_out_at_the_pace() -> None:
    steps = _steps(None)
    assert all(isinstance(step, Send) and step.is_token for step in steps)
    assert _contents(steps) == SNAPSHOTS


@pytest.mark.parametrize("name", [name for name in PUSH_FAULTS if name != "huge"])  # no reader is ever given that
@pytest.mark.parametrize("after", [0, 2, 99])
@pytest.mark.parametrize("form", FORMS)
def test_no_fault_breaks_the_reader_and_most_leave_the_text_whole(name: str, after: int, form: FrameForm) -> None:
    decoder, fold = AnswerDecoder(), Fold()
    for push in _read(_steps(name, after, form)):
        if push is not None and push.push_uuid == UUID:
            for event in decoder.feed(push, 0):
                fold.feed(event)
    assert "".join(WORDS).startswith(fold.text)
    if after < 4 and name != "unfinished":
        assert fold.finish().text == "".join(WORDS)


def test_a_fault_after_the_last_push_is_at_the_last() -> None:
    assert _steps("cut", 99) == _steps("cut", 4)
    assert isinstance(_steps("cut", 99)[-2], Cut)


def test_drop_leaves_one_out() -> None:
    assert _contents(_steps("drop")) == [SNAPSHOTS[0], SNAPSHOTS[1], SNAPSHOTS[3], SNAPSHOTS[4]]


def test_reorder_lets_one_overtake() -> None:
    assert _contents(_steps("reorder")) == [SNAPSHOTS[at] for at in (0, 1, 3, 2, 4)]


def test_duplicate_sends_the_same_bytes_twice() -> None:
    messages = _messages(_steps("duplicate"))
    assert messages[2] == messages[3]
    assert len(messages) == 6
    assert _contents(_steps("duplicate")) == SNAPSHOTS  # the reader knows the number


def test_late_sends_the_last_one_again() -> None:
    assert _contents(_steps("late")) == [*SNAPSHOTS, SNAPSHOTS[-1]]


def test_unfinished_never_says_that_it_is_the_last() -> None:
    pushes = _read(_steps("unfinished"))
    assert [push.message.ext.is_finish for push in pushes if push and push.message] == [None] * 5


def test_stranger_is_somebody_elses() -> None:
    uuids = [push.push_uuid for push in _read(_steps("stranger")) if push]
    assert uuids == [UUID, UUID, STRANGER, UUID, UUID, UUID]


@pytest.mark.parametrize(("name", "step"), [("cut", Cut()), ("deaf", Deafen()), ("garbage", Garble())])
def test_some_faults_are_the_connections(name: str, step: Step) -> None:
    steps = _steps(name)
    assert steps[2] == step
    assert len(_messages(steps)) == 5


def test_what_follows_a_cut_waits_for_who_was_cut_off() -> None:
    """But not behind the last push, which falls into the gap."""
    assert [type(step) for step in _steps("cut")] == [Send, Send, Cut, Send, Rejoin, Send, Send]
    assert Rejoin() not in _steps("cut", 99)


@pytest.mark.parametrize("name", ["truncated", "badlength", "badtype"])
def test_some_frames_are_none(name: str) -> None:
    message = _messages(_steps(name))[2]
    assert isinstance(message, bytes)
    with pytest.raises(BadFrame):
        decode_frame(message)


def test_badgzip_is_a_frame_that_cannot_be_inflated() -> None:
    message = _messages(_steps("badgzip"))[2]
    assert isinstance(message, bytes)
    assert decode_frame(message).payload_encoding == "gzip"
    assert len(_contents(_steps("badgzip"))) == 4


def test_text_is_a_text_message() -> None:
    message = _messages(_steps("text"))[2]
    assert isinstance(message, str)
    assert message.startswith("{")


def test_huge_is_larger_than_a_message_may_be() -> None:
    message = _messages(_steps("huge"))[2]
    assert len(message) == HUGE_BYTES > SOCKET_MESSAGE_BYTES
    assert len(GARBAGE) == 64


@pytest.mark.parametrize("name", PUSH_FAULTS)
def test_an_answer_without_pushes_has_no_fault(name: str) -> None:
    assert list(deliver([], Fault(name), Wrapper("json"), log_id_ms=0)) == []


def test_a_push_that_is_a_command_passes_through_every_fault() -> None:
    for name in ("unfinished", "duplicate"):
        steps = list(deliver([Push(event_type=2)], Fault(name), Wrapper("bare"), log_id_ms=0))
        assert set(_messages(steps)) == {b'{"event_type":2}'}


def test_faults_do_not_change_the_pushes_they_are_given() -> None:
    pushes = _pushes()
    before = [encode_push(push) for push in pushes]
    for name in PUSH_FAULTS:
        list(deliver(pushes, Fault(name, 1), Wrapper("json"), log_id_ms=0))
    assert [encode_push(push) for push in pushes] == before
