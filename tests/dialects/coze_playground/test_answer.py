"""Longer than other files: it holds all rules of §5.1, and the two sides judge each other by properties."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, assert_carried, assert_refused_only_as, bytes_near, outcome
from realcoze.dialects.coze_playground import answer
from realcoze.dialects.coze_playground.answer import (
    SUGGESTIONS_QUIET_S,
    SUGGESTIONS_S,
    AnswerDecoder,
    AnswerEncoder,
)
from realcoze.dialects.coze_playground.push import Ext, Push, PushMessage, decode_push, encode_push
from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    StepKind,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import Truncated, UpstreamFailed

UUID = "11111111-1111-4111-8111-111111111111"
M, N = MessageId("m"), MessageId("n")
STARTED = TurnStarted(chat_id=ChatId(UUID), conversation_id=ConversationId("v"))
TRUNCATED = (Truncated, "upstream_truncated")


def push(
    content: str,
    finish: str | int | None = "0",
    *,
    message_id: str | int = "m",
    reply_type: int = 1,
    content_type: int = 1,
    has_suggest: str | int | None = None,
    plugin: str = "",
    usage: Sequence[str | int | None] = (None, None, None),
) -> Push:
    """One push of the turn; `usage` is input, output, total."""
    sent, made, total = usage
    ext = Ext(
        push_uuid=UUID,
        is_finish=finish,
        has_suggest=has_suggest,
        plugin=plugin,
        input_tokens=sent,
        output_tokens=made,
        token=total,
    )
    message = PushMessage(
        content=content,
        reply_type=reply_type,
        content_type=content_type,
        message_id=message_id,
        conversation_id="v",
        ext=ext,
    )
    return Push(event_type=1, message=message)


def suggestion(text: str) -> Push:
    return push(text, "1", message_id="", reply_type=2, content_type=2)


def step(body: str, finish: str | None = "1", *, reply_type: int = 3, message_id: str = "s") -> Push:
    return push(body, finish, message_id=message_id, reply_type=reply_type, plugin="weather")


def events(*pushes: Push, wants_suggestions: bool = False) -> list[Event]:
    """What the pushes of one moment make, without the event that starts the turn."""
    decoder = AnswerDecoder(wants_suggestions=wants_suggestions)
    found = [event for each in pushes for event in decoder.feed(each, 0.0)]
    assert found[0] == STARTED
    return found[1:]


def delta(text: str, message_id: MessageId = M) -> TextDelta:
    return TextDelta(message_id=message_id, text=text)


def replaced(text: str, message_id: MessageId = M) -> TextReplaced:
    return TextReplaced(message_id=message_id, text=text)


def done(text: str, message_id: MessageId = M) -> AnswerDone:
    return AnswerDone(message_id=message_id, text=text)


class Bytes:
    """The decoder over the wire form of its pushes, at one moment."""

    def __init__(self) -> None:
        self.decoder = AnswerDecoder()

    def feed(self, payload: bytes) -> list[Event]:
        read = decode_push(payload)
        return [] if read is None else self.decoder.feed(read, 0.0)

    def finish(self) -> list[Event]:
        return self.decoder.finish()


def encoded(written: Iterable[Event]) -> list[bytes]:
    encoder = AnswerEncoder(push_uuid=UUID)
    pushes = [each for event in written for each in encoder.feed(event)]
    return [encode_push(each) for each in [*pushes, *encoder.finish()]]


def fold(found: Iterable[Event]) -> Reply:
    gathered = Fold()
    for event in found:
        gathered.feed(event)
    return gathered.finish()


def test_weakness_29_snapshots_become_deltas_and_the_last_one_is_the_whole() -> None:
    assert events(push("H"), push("Hello"), push("Hello world", "1")) == [
        delta("H"),
        delta("ello"),
        delta(" world"),
        done("Hello world"),
        TurnDone(),
    ]


def test_weakness_29_deltas_become_snapshots() -> None:
    encoder = AnswerEncoder(push_uuid=UUID)
    written: list[Event] = [STARTED, delta("H"), delta("ello"), done("Hello"), TurnDone()]
    assert [each for event in written for each in encoder.feed(event)] == [
        push("H"),
        push("Hello"),
        push("Hello", "1"),
    ]


def test_the_first_push_starts_the_turn_with_its_conversation() -> None:
    decoder = AnswerDecoder()
    assert decoder.feed(push("H"), 0.0)[0] == STARTED
    assert STARTED not in decoder.feed(push("He"), 0.0)


def test_a_snapshot_that_says_nothing_new_makes_no_event() -> None:
    assert events(push(""), push("Hi"), push("Hi"), push("Hi", "1")) == [delta("Hi"), done("Hi"), TurnDone()]


def test_a_shorter_prefix_is_stale_and_dropped() -> None:
    decoder = AnswerDecoder()
    found = [event for text in ("Hello", "Hel", "", "Hello!") for event in decoder.feed(push(text), 0.0)]
    assert found == [STARTED, delta("Hello"), delta("!")]
    assert decoder.stale == 2


def test_the_text_of_the_last_push_counts_even_if_it_is_shorter_unless_it_is_empty() -> None:
    assert events(push("Hello world"), push("Hello", "1")) == [
        delta("Hello world"),
        replaced("Hello"),
        done("Hello"),
        TurnDone(),
    ]
    assert events(push("Hello world"), push("", "1")) == [delta("Hello world"), done("Hello world"), TurnDone()]


def test_a_snapshot_that_is_no_continuation_is_a_rewrite() -> None:
    assert events(push("Hello"), push("Help"), push("Help me", "1")) == [
        delta("Hello"),
        replaced("Help"),
        delta(" me"),
        done("Help me"),
        TurnDone(),
    ]


def test_the_final_text_is_never_lost_when_the_last_push_is_a_rewrite() -> None:
    assert events(push("Hello"), push("Sorry.", "1")) == [
        delta("Hello"),
        replaced("Sorry."),
        done("Sorry."),
        TurnDone(),
    ]


def test_an_answer_in_one_push_is_whole() -> None:
    assert events(push("Hi", "1")) == [delta("Hi"), done("Hi"), TurnDone()]
    assert events(push("", "1")) == [done(""), TurnDone()]


def test_messages_are_told_apart_and_all_of_them_are_done_at_the_end() -> None:
    assert events(push("a"), push("x", message_id="n"), push("ab"), push("xy", "1", message_id="n")) == [
        delta("a"),
        delta("x", N),
        delta("b"),
        delta("y", N),
        done("ab"),
        done("xy", N),
        TurnDone(),
    ]


def test_a_message_id_may_be_a_number() -> None:
    assert events(push("a", message_id=7), push("ab", "1", message_id="7")) == [
        delta("a", MessageId("7")),
        delta("b", MessageId("7")),
        done("ab", MessageId("7")),
        TurnDone(),
    ]


def test_half_an_emoji_at_the_end_of_a_snapshot_waits_for_its_other_half() -> None:
    payloads = [
        encode_push(push("Hi HALF")).replace(b"HALF", rb"\ud83d"),
        encode_push(push("Hi 👋!", "1")),
    ]
    found = outcome(Bytes(), payloads)
    assert found.items[1:] == [delta("Hi "), delta("👋!"), done("Hi 👋!"), TurnDone()]


def test_a_replacement_character_that_stays_is_given_by_the_last_push() -> None:
    assert events(push("a\ufffd"), push("a\ufffd", "1")) == [delta("a"), delta("\ufffd"), done("a\ufffd"), TurnDone()]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"text":"Hi","suggest":[]}', "Hi"),
        ('{"text":"Hi"}', "Hi"),
        (r'{"text":"Hi \ud83d"}', "Hi \ufffd"),
        ('{"text":1}', '{"text":1}'),
        ('{"suggest":["a"]}', '{"suggest":["a"]}'),
        ("{not json}", "{not json}"),
        ('{"answer":42}', '{"answer":42}'),
        ('[{"text":"Hi"}]', '[{"text":"Hi"}]'),
    ],
)
def test_content_in_the_wrapped_form_gives_its_text_and_other_json_is_the_answer(content: str, text: str) -> None:
    assert events(push(content, "1"))[-2:] == [done(text), TurnDone()]


@pytest.mark.parametrize("finish", ["0", None, "", "2", 0])
def test_a_push_without_is_finish_1_is_no_last_one(finish: str | int | None) -> None:
    decoder = AnswerDecoder()
    assert decoder.feed(push("Hi", finish), 0.0) == [STARTED, delta("Hi")]
    assert decoder.deadline() is None
    with pytest.raises(Truncated):
        decoder.finish()


def test_is_finish_may_be_a_number() -> None:
    assert events(push("Hi", 1))[-1] == TurnDone()


@pytest.mark.parametrize("reply_type", [2, 3, 4, 5, 6, 7, 100, 101, 0])
def test_only_an_answer_ends_the_turn(reply_type: int) -> None:
    decoder = AnswerDecoder()
    decoder.feed(step("{}", "1", reply_type=reply_type), 0.0)
    with pytest.raises(Truncated):
        decoder.finish()


def test_after_the_end_nothing_more_is_given() -> None:
    decoder = AnswerDecoder()
    decoder.feed(push("Hi", "1"), 0.0)
    assert decoder.feed(push("Hi there", "1"), 0.0) == []
    assert decoder.feed(push("new", message_id="n"), 0.0) == []
    assert decoder.tick(99.0) == []
    assert decoder.finish() == []
    assert decoder.deadline() is None


@pytest.mark.parametrize(
    "other",
    [
        Push(event_type=2),
        Push(event_type=1),
        Push(event_type=3, message=PushMessage(content="Hi", reply_type=1, ext=Ext(is_finish="1"))),
        Push(event_type=1, message=PushMessage(content="Hi", reply_type=1, message_type=2, ext=Ext(is_finish="1"))),
    ],
    ids=["command", "no message", "unknown event", "acknowledgement"],
)
def test_what_is_no_message_makes_no_event(other: Push) -> None:
    assert AnswerDecoder().feed(other, 0.0) == []


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (("9", "3", "12"), Usage(input=9, output=3, total=12)),
        ((9, 3, 12), Usage(input=9, output=3, total=12)),
        (("9", "3", None), Usage(input=9, output=3, total=12)),
        ((None, None, "12"), Usage(input=0, output=0, total=12)),
        (("9", "x", "-1"), Usage(input=9, output=0, total=9)),
        (("9", "²", "９" * 3), Usage(input=9, output=0, total=9)),
        (("9", "9" * 5000, 10**30), Usage(input=9, output=0, total=9)),
    ],
)
def test_usage_is_read_from_the_last_push(
    counts: tuple[str | int | None, str | int | None, str | int | None], expected: Usage
) -> None:
    assert events(push("Hi", usage=(1, 1, 1)), push("Hi", "1", usage=counts)) == [
        delta("Hi"),
        done("Hi"),
        expected,
        TurnDone(),
    ]


@pytest.mark.parametrize("counts", [(None, None, None), ("", "", ""), ("0", "0", "0")])
def test_a_last_push_that_counts_nothing_makes_no_usage(counts: tuple[str | None, str | None, str | None]) -> None:
    assert events(push("Hi", "1", usage=counts)) == [delta("Hi"), done("Hi"), TurnDone()]


@pytest.mark.parametrize(
    ("reply_type", "kind"),
    [
        (3, "call"),
        (4, "result"),
        (6, "recall"),
        (2, "other"),
        (5, "other"),
        (7, "other"),
        (100, "other"),
        (101, "other"),
    ],
)
def test_every_reply_type_but_1_is_a_step(reply_type: int, kind: str) -> None:
    found = events(step('{"city":"Rome"}', "1", reply_type=reply_type), push("Hi", "1"))
    assert [(each.kind, each.title, each.body) for each in found if isinstance(each, Step)] == [
        (kind, "weather", '{"city":"Rome"}')
    ]


def test_a_step_is_told_once_when_it_is_finished() -> None:
    assert events(step("{", "0"), step('{"city":"Rome"', "0"), step('{"city":"Rome"}'), push("Hi", "1")) == [
        Step(kind="call", title="weather", body='{"city":"Rome"}'),
        delta("Hi"),
        done("Hi"),
        TurnDone(),
    ]


def test_a_step_that_was_never_finished_is_told_before_the_answer() -> None:
    assert events(step("{", None), step("{}", None), push("Hi"))[0] == Step(kind="call", title="weather", body="{}")


def test_a_shorter_snapshot_of_a_step_is_stale() -> None:
    decoder = AnswerDecoder()
    found = [event for each in (step("{}", "0"), step("{", "1")) for event in decoder.feed(each, 0.0)]
    assert found == [STARTED, Step(kind="call", title="weather", body="{}")]
    assert decoder.stale == 1


@pytest.mark.parametrize("late", [step("{}"), step("{", "0"), step("", None)])
def test_a_push_of_a_step_that_was_told_already_is_stale(late: Push) -> None:
    assert events(step("{}"), late, push("Hi"), late, push("Hi", "1"), late) == [
        Step(kind="call", title="weather", body="{}"),
        delta("Hi"),
        done("Hi"),
        TurnDone(),
    ]


def test_a_step_that_the_answer_has_flushed_is_not_told_again() -> None:
    assert events(step("{}", None), push("Hi"), step("{}", "1"), push("Hi", "1")) == [
        Step(kind="call", title="weather", body="{}"),
        delta("Hi"),
        done("Hi"),
        TurnDone(),
    ]


def test_steps_without_message_ids_are_told_apart_by_their_content() -> None:
    found = events(step("one", message_id=""), step("two", message_id=""), push("Hi", "1"))
    assert [each.body for each in found if isinstance(each, Step)] == ["one", "two"]


def test_suggestions_are_not_waited_for_when_nobody_wants_them() -> None:
    assert events(push("Hi", "1", has_suggest="1")) == [delta("Hi"), done("Hi"), TurnDone()]


@pytest.mark.parametrize("has_suggest", ["0", None, ""])
def test_suggestions_are_not_waited_for_when_none_are_announced(has_suggest: str | None) -> None:
    assert events(push("Hi", "1", has_suggest=has_suggest), wants_suggestions=True)[-1] == TurnDone()


def test_announced_suggestions_hold_the_turn_open_for_three_seconds() -> None:
    assert SUGGESTIONS_S == 3.0
    decoder = AnswerDecoder(wants_suggestions=True)
    assert decoder.deadline() is None
    assert decoder.tick(0.0) == []
    assert decoder.feed(push("Hi", "1", has_suggest=1), 100.0) == [STARTED, delta("Hi"), done("Hi")]
    assert decoder.deadline() == 103.0
    assert decoder.tick(102.9) == []
    assert decoder.tick(103.0) == [TurnDone()]
    assert decoder.deadline() is None


def test_after_one_suggestion_the_next_may_take_half_a_second() -> None:
    assert SUGGESTIONS_QUIET_S == 0.5
    decoder = AnswerDecoder(wants_suggestions=True)
    decoder.feed(push("Hi", "1", has_suggest="1"), 100.0)
    assert decoder.feed(suggestion("And?"), 101.0) == [Suggestion(text="And?")]
    assert decoder.deadline() == 101.5
    assert decoder.feed(suggestion("Or?"), 101.4) == [Suggestion(text="Or?")]
    assert decoder.deadline() == 101.9
    assert decoder.tick(101.9) == [TurnDone()]


def test_suggestions_never_hold_the_turn_longer_than_three_seconds() -> None:
    decoder = AnswerDecoder(wants_suggestions=True)
    decoder.feed(push("Hi", "1", has_suggest="1"), 100.0)
    decoder.feed(suggestion("And?"), 102.9)
    assert decoder.deadline() == 103.0


def test_the_third_suggestion_ends_the_turn() -> None:
    decoder = AnswerDecoder(wants_suggestions=True)
    decoder.feed(push("Hi", "1", has_suggest="1"), 100.0)
    decoder.feed(suggestion("1"), 100.1)
    decoder.feed(suggestion("2"), 100.2)
    assert decoder.feed(suggestion("3"), 100.3) == [Suggestion(text="3"), TurnDone()]


def test_suggestions_in_one_wrapped_push_are_all_told() -> None:
    decoder = AnswerDecoder(wants_suggestions=True)
    decoder.feed(push("Hi", "1", has_suggest="1"), 0.0)
    assert decoder.feed(suggestion('{"text":"","suggest":["1","2","3"]}'), 0.1) == [
        Suggestion(text="1"),
        Suggestion(text="2"),
        Suggestion(text="3"),
        TurnDone(),
    ]


def test_a_wrapped_push_with_one_suggestion_gives_its_text() -> None:
    assert events(suggestion('{"text":"And?"}')) == [Suggestion(text="And?")]
    assert events(suggestion("")) == []


def test_suggestions_before_the_last_push_do_not_end_the_turn() -> None:
    found = events(suggestion("And?"), push("Hi", "1"))
    assert found == [Suggestion(text="And?"), delta("Hi"), done("Hi"), TurnDone()]


def test_an_answer_that_is_done_ends_well_when_no_suggestion_can_come_any_more() -> None:
    decoder = AnswerDecoder(wants_suggestions=True)
    decoder.feed(push("Hi", "1", has_suggest="1"), 0.0)
    assert decoder.finish() == [TurnDone()]


def test_a_late_push_of_a_finished_answer_is_stale_while_suggestions_are_waited_for() -> None:
    decoder = AnswerDecoder(wants_suggestions=True)
    decoder.feed(push("Hi", "1", has_suggest="1"), 0.0)
    assert decoder.feed(push("Hi there"), 0.1) == []
    assert decoder.feed(push("x", "1", message_id="n"), 0.2) == [delta("x", N), done("x", N), TurnDone()]
    assert decoder.stale == 1


def test_the_last_push_carries_usage_and_announces_suggestions() -> None:
    encoder = AnswerEncoder(push_uuid=UUID)
    written: list[Event] = [
        STARTED,
        done("Hi"),
        Usage(input=9, output=3, total=12),
        Suggestion(text="And?"),
        Suggestion(text="Or?"),
        TurnDone(),
    ]
    assert [encoder.feed(event) for event in written] == [
        [],
        [],
        [],
        [push("Hi", "1", has_suggest="1", usage=("9", "3", "12")), suggestion("And?")],
        [suggestion("Or?")],
        [],
    ]


def test_usage_and_suggestions_without_an_answer_find_no_push_to_stand_on() -> None:
    encoder = AnswerEncoder(push_uuid=UUID)
    encoder.feed(STARTED)
    assert encoder.feed(Usage(input=1, output=2, total=3)) == []
    assert encoder.feed(Suggestion(text="And?")) == [suggestion("And?")]


def test_steps_are_numbered_and_finished_at_once() -> None:
    encoder = AnswerEncoder(push_uuid=UUID)
    encoder.feed(STARTED)
    numbers: dict[StepKind, int] = {"call": 3, "result": 4, "recall": 6, "other": 7}
    for number, (kind, reply_type) in enumerate(numbers.items(), start=1):
        written = Step(kind=kind, title="weather", body="{}")
        assert encoder.feed(written) == [step("{}", reply_type=reply_type, message_id=f"step-{number}")]


def test_a_rewrite_is_the_next_snapshot() -> None:
    encoder = AnswerEncoder(push_uuid=UUID)
    encoder.feed(STARTED)
    assert [encoder.feed(event) for event in (delta("Hello"), replaced("Help"), delta("!"))] == [
        [push("Hello")],
        [push("Help")],
        [push("Help!")],
    ]


def test_only_the_last_of_several_messages_ends_the_turn() -> None:
    turns_of_two: list[list[Event]] = [
        [STARTED, delta("one"), done("one"), delta("two", N), done("two", N), TurnDone()],
        [STARTED, done("one"), done("two", N), TurnDone()],
        [STARTED, done("one"), Step(kind="call", title="t", body="{}"), delta("two", N), done("two", N), TurnDone()],
    ]
    for written in turns_of_two:
        decoded = outcome(Bytes(), encoded(written)).items
        assert fold(decoded).text == "one\n\ntwo"
        assert decoded[-3:] == [done("one"), done("two", N), TurnDone()]


def test_what_this_wire_has_no_word_for_is_left_out() -> None:
    encoder = AnswerEncoder(push_uuid=UUID)
    for event in (
        ReasoningDelta(message_id=M, text="hm"),
        AudioDelta(audio=b"\0", format="pcm"),
        Unknown(name="n", raw="r"),
    ):
        assert encoder.feed(event) == []


@pytest.mark.parametrize("failed", [True, False])
def test_a_failure_just_stops_and_never_looks_like_a_whole_answer(failed: bool) -> None:  # noqa: FBT001 - both ways
    encoder = AnswerEncoder(push_uuid=UUID)
    pushes = [each for event in (STARTED, delta("Hi"), done("Hi")) for each in encoder.feed(event)]
    error = Truncated("broken")
    pushes += encoder.feed(TurnFailed(error=error)) if failed else encoder.fail(error)
    pushes += encoder.finish()
    assert pushes == [push("Hi")]


def test_what_is_held_is_given_at_the_end() -> None:
    for end in (
        ToolCallsRequested(calls=()),
        InputRequested(interrupt=Interrupt(event_id="e", kind="k", data={})),
        TurnDone(),
    ):
        encoder = AnswerEncoder(push_uuid=UUID)
        encoder.feed(STARTED)
        encoder.feed(done("Hi"))
        assert encoder.feed(end) == [push("Hi", "1")]
        assert encoder.finish() == []
    encoder.feed(done("Hi"))
    assert encoder.finish() == [push("Hi", "1")]


bits = st.text("ab你👋 \n", min_size=1, max_size=5)
steps = st.builds(
    Step,
    kind=st.sampled_from(["call", "result", "recall", "other"]),
    title=st.sampled_from(["", "weather"]),
    body=st.text("ab:", max_size=4),
)
usages = st.builds(lambda sent: Usage(input=sent, output=3, total=sent + 3), st.integers(0, 99))


@st.composite
def turns(draw: st.DrawFn) -> list[Event]:
    """A turn that this wire can carry: steps, one answer that grows or is rewritten, usage."""
    written: list[Event] = [STARTED, *draw(st.lists(steps, max_size=3))]
    text = ""
    for bit, is_rewrite in draw(st.lists(st.tuples(bits, st.booleans()), min_size=1, max_size=6)):
        if is_rewrite and text and not text.startswith(bit) and not bit.startswith(text):
            text = bit
            written.append(replaced(text))
        else:
            text += bit
            written.append(delta(bit))
    return [*written, done(text), *draw(st.lists(usages, max_size=1)), TurnDone()]


@PROPERTIES
@given(turns())
def test_what_is_encoded_is_decoded(written: list[Event]) -> None:
    assert_carried(Bytes(), encoded(written), written)


@PROPERTIES
@given(turns())
def test_pushes_that_come_twice_change_nothing(written: list[Event]) -> None:
    twice = [payload for each in encoded(written) for payload in (each, each)]
    assert_carried(Bytes(), twice, written)


@PROPERTIES
@given(turns(), st.data())
def test_pushes_that_are_lost_take_no_text_with_them_as_long_as_the_last_one_comes(
    written: list[Event], data: st.DataObject
) -> None:
    *payloads, last = encoded(written)
    kept = [payload for payload in payloads if data.draw(st.booleans())]
    found = outcome(Bytes(), [*kept, last])
    assert found.refusal is None
    assert fold(found.items).text == fold(written).text


@PROPERTIES
@given(turns())
def test_a_turn_whose_last_push_is_lost_is_truncated(written: list[Event]) -> None:
    assert outcome(Bytes(), encoded(written)[:-1]).refusal == TRUNCATED


words = (b'{"event_type":1,"message":{', b'"content":"', b'"reply_type":1,', b'"ext":{"is_finish":"1"', b'"', b"}")


@PROPERTIES
@given(st.lists(bytes_near(*words) | turns().map(encoded).map(b"".join) | turns().map(lambda each: encoded(each)[0])))
def test_any_payloads_give_events_or_are_truncated(payloads: list[bytes]) -> None:
    assert_refused_only_as(Bytes(), payloads, TRUNCATED)


@PROPERTIES
@given(st.lists(st.builds(push, bits, st.sampled_from(["0", "1", None]), message_id=st.sampled_from(["m", "n"]))))
def test_whatever_comes_a_message_is_the_sum_of_its_events(pushes: list[Push]) -> None:
    decoder = AnswerDecoder()
    sums: dict[MessageId, str] = {}
    for event in (event for each in pushes for event in decoder.feed(each, 0.0)):
        if isinstance(event, TextDelta):
            sums[event.message_id] = sums.get(event.message_id, "") + event.text
        elif isinstance(event, TextReplaced):
            sums[event.message_id] = event.text
        elif isinstance(event, AnswerDone):
            assert event.text == sums.get(event.message_id, "")


def test_a_push_of_nulls_is_an_empty_answer() -> None:
    push = decode_push(b'{"event_type":1,"message":{"content":null,"reply_type":1,"ext":{"is_finish":"1"}}}')
    assert push is not None
    assert AnswerDecoder().feed(push, 0.0)[1:] == [AnswerDone(message_id=MessageId(""), text=""), TurnDone()]


def test_what_a_plugin_gave_back_is_not_unwrapped() -> None:
    body = '{"text":"as the plugin wrote it"}'
    message = PushMessage(content=body, reply_type=4, ext=Ext(is_finish="1"))
    (_, step) = AnswerDecoder().feed(Push(event_type=1, message=message), 0.0)
    assert isinstance(step, Step)
    assert step.body == body


def test_an_answer_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "STREAM_BYTES", 3)
    with pytest.raises(UpstreamFailed) as refused:
        AnswerDecoder().feed(Push(event_type=1, message=PushMessage(content="four", reply_type=1)), 0.0)
    assert refused.value.code == "event_too_large"


def test_the_limit_is_of_what_stands_there_and_not_of_all_that_was_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "STREAM_BYTES", 4)
    decoder = AnswerDecoder()
    for text in ("f", "fo", "fou", "four", "five"):
        decoder.feed(Push(event_type=1, message=PushMessage(content=text, reply_type=1)), 0.0)


@pytest.mark.parametrize("is_finish", ["0", "1"])
def test_steps_beyond_the_limit_are_refused_too(monkeypatch: pytest.MonkeyPatch, is_finish: str) -> None:
    monkeypatch.setattr(answer, "STREAM_BYTES", 5)
    decoder = AnswerDecoder()

    def push(message_id: str, body: str, plugin: str = "") -> None:
        ext = Ext(is_finish=is_finish, plugin=plugin)
        decoder.feed(Push(event_type=1, message=PushMessage(body, 3, message_id=message_id, ext=ext)), 0.0)

    for body in ("abc", "abc", "ab"):
        push("one", body)
    push("two", "", plugin="xy")
    with pytest.raises(UpstreamFailed) as refused:
        push("three", "e")
    assert refused.value.code == "event_too_large"
