import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_properties import PROPERTIES, by_characters, outcome, texts
from realcoze.dialects.coze_open.stream import MOST_MISFITS, ChatStreamDecoder
from realcoze.dialects.coze_open.template import DELTA, DeltaTemplate, template_of
from realcoze.domain.event import Event, ReasoningDelta, TextDelta
from realcoze.domain.ids import MessageId
from realcoze.errors import Truncated, UpstreamFailed

WIRES = Path(__file__).parents[2] / "wire" / "coze_open"
M = MessageId("m")
SAMPLE = TextDelta(message_id=M, text="Hi")
HEAD = f"event:{DELTA}\ndata:".encode()
WIRE = '{"id":"m","type":"answer","content":"%s","content_type":"text"}'


def wire(content: str) -> bytes:
    """An event as Coze writes it; `content` stands in it as it is."""
    return f"event:{DELTA}\ndata:{WIRE % content}\n\n".encode()


def template(pieces: list[str] | None = None) -> DeltaTemplate:
    made = template_of(SAMPLE, [] if pieces is None else pieces, (WIRE % "Hi").encode(), head=HEAD)
    assert made is not None
    return made


def test_deltas_that_are_alike_are_read_to_the_first_that_is_not() -> None:
    pieces, events = ["Hi"], list[Event]()
    made, alike = template(pieces), wire(" 你") + wire("") + wire(r"\n\"\u0041\\")
    assert made.read(b"x" + alike + b"event:ping\n\n", 1, events) == 1 + len(alike)
    assert events == [TextDelta(message_id=M, text=' 你\n"A\\')]
    assert "".join(pieces) == 'Hi 你\n"A\\'
    assert made.has_fitted


def test_what_comes_with_a_delta_before_it_goes_on_in_its_event() -> None:
    made, before = template(), TextDelta(message_id=MessageId("n"), text="a")
    events: list[Event] = [before, SAMPLE]
    made.read(wire("!"), 0, events)
    assert events == [before, TextDelta(message_id=M, text="Hi!")]
    events = [before]
    made.read(wire("!"), 0, events)
    assert events == [before, TextDelta(message_id=M, text="!")]


@pytest.mark.parametrize(
    "unlike",
    [
        b"",
        wire("a")[:-1],
        wire("a").replace(b'"m"', b'"n"'),
        wire("a").replace(b"}", b',"x":1}'),
        wire("a").replace(b"\n", b"\r\n"),
        wire("a").replace(b"data:", b"data: "),
        wire("a\tb"),
        wire(r"\x"),
        wire(r"\ud83d"),
        wire("a").replace(b'"a"', b'"\xff"'),
        wire("a").replace(b'"a"', b"null"),
        wire("a").replace(b'"a"', b'"a'),
        wire('a","content":"b'),
        *(wire("a").replace(b'"a"', b'%b"a"' % space) for space in (b" ", b"\n", b"\n\n", b"\r\n", b"\r", b"\n \t")),
    ],
)
def test_what_is_not_alike_is_left_to_others(unlike: bytes) -> None:
    made, events = template(), list[Event]()
    made.room = 1000
    assert made.read_one(unlike) is None
    assert made.read(unlike, 0, events) == 0
    assert (events, made.has_fitted) == ([], False)


@pytest.mark.parametrize("text", [" 你", "a", '\n"\u0041\\'])
def test_one_that_is_alike_is_read_alone(text: str) -> None:
    pieces = ["Hi"]
    made, chunk = template(pieces), wire(json.dumps(text)[1:-1])
    made.room = len(chunk)
    assert made.read_one(chunk) == text
    assert (pieces, made.has_fitted, made.room) == (["Hi", text], True, 0)
    assert made.read_one(chunk) is None


@pytest.mark.parametrize(
    "chunk", [wire("a") + wire("b"), wire("a") + b"event:ping\n\n", wire(""), b"x" + wire("a"), wire("a") + b"\n"]
)
def test_what_is_more_than_one_or_says_nothing_is_not_read_alone(chunk: bytes) -> None:
    pieces = ["Hi"]
    made = template(pieces)
    made.room = 1000
    assert made.read_one(chunk) is None
    assert (pieces, made.room) == (["Hi"], 1000)


@pytest.mark.parametrize(
    "data",
    [
        '{"id":"m"}',
        '{"id":"m","content":null}',
        '{"id":"m","content":"Hi","more":{"content":"Hi"}}',
        r'{"id":"m","content":"Hi","more":"\n"}',
        r'{"id":"m","content":"no","\u0063ontent":"Hi"}',
        '{"id":"m","more":{"content":"no"}}',
        '{"id":"m","content":"Hi',
        '{"id":"m",\n"content":"Hi"}',
    ],
)
def test_where_its_place_is_in_doubt_there_is_none(data: str) -> None:
    assert template_of(SAMPLE, [], data.encode(), head=HEAD) is None


def test_a_thought_is_found_beside_an_empty_text() -> None:
    thought = ReasoningDelta(message_id=M, text="Hm")
    data = '{"id":"m", "content": "", "reasoning_content": "%s"}'
    made, events = template_of(thought, [], (data % "Hm").encode(), head=HEAD), list[Event]()
    assert made is not None
    more = f"event:{DELTA}\ndata:{data % 'so'}\n\n".encode()
    assert made.read(more, 0, events) == len(more)
    assert events == [ReasoningDelta(message_id=M, text="so")]


def has_fitted(stream: list[bytes]) -> bool:
    """Whether a delta was read by a template, at any time."""
    made, fitted = ChatStreamDecoder(), False
    for piece in stream:
        made.feed(piece)
        fitted = fitted or (made._template is not None and made._template.has_fitted)
    return fitted


@pytest.mark.parametrize(
    "stream",
    [
        [wire("a") + wire("b")],
        [wire("a"), wire("b")],
        [wire("a").replace(b":", b": ", 1).replace(b"data:", b"data: ") * 2],
        [wire("a").replace(b"}", b',"created_at":1}'), wire("b"), wire("c")],
        [wire(r"\ud83d"), wire("b"), wire("c")],
        [wire("a"), b"event:ping\n\n", wire("b"), wire("c")],
        [wire("a")[:40], wire("a")[40:], wire("b")],
        [*[wire(f'{number}","created_at":"{number}') for number in range(MOST_MISFITS - 1)], wire("b"), wire("c")],
    ],
)
def test_deltas_that_are_alike_are_known_in_a_stream(stream: list[bytes]) -> None:
    assert has_fitted(stream)


def test_where_each_delta_differs_there_are_no_more_templates() -> None:
    each = [wire(f'{number}","created_at":"{number}') for number in range(MOST_MISFITS)]
    assert not has_fitted([*each, wire("b"), wire("c")])


@pytest.mark.parametrize("name", ["chat_text_stream_resp.txt", "workflows_chat_stream_resp.txt"])
def test_the_deltas_of_recorded_streams_are_alike(name: str) -> None:
    stream = (WIRES / name).read_bytes()
    ends = [found.end() for found in re.finditer(rb"\n\n", stream)]
    assert has_fitted([stream[at:end] for at, end in zip([0, *ends], ends, strict=False)])


CREATED = b'event:conversation.chat.created\ndata:{"id":"c","conversation_id":"v"}\n\n'
CONTENTS = st.one_of(texts, st.sampled_from(['"', "\\", '"content":"', '","content":"x', "\n", "\u2028", "👋"]))
BODIES = st.fixed_dictionaries(
    {"id": st.sampled_from(["m", "n"])},
    optional={
        "chat_id": st.sampled_from(["c", "c", "d"]),
        "type": st.sampled_from(["answer", "verbose"]),
        "content": CONTENTS,
        "reasoning_content": st.sampled_from(["", "Hm", "so"]),
        "content_type": st.sampled_from(["text", "card"]),
        "created_at": st.integers(0, 1),
        "more": st.one_of(st.none(), st.fixed_dictionaries({}, optional={"content": CONTENTS})),
    },
)
SPELLINGS = st.fixed_dictionaries(
    {"ensure_ascii": st.booleans(), "separators": st.sampled_from([(",", ":"), (", ", ": ")])}
)


@PROPERTIES
@given(
    bodies=st.lists(st.tuples(BODIES, st.integers(1, 3)), min_size=1, max_size=6),
    spelling=SPELLINGS,
    between=st.sampled_from([b"", b": comment\n\n", b"event:ping\n\n"]),
    line_end=st.sampled_from([b"\n", b"\n", b"\r\n"]),
    cut=st.sampled_from([None, None, ',"', ', "']),
)
def test_what_is_read_by_its_likeness_is_what_is_read_byte_by_byte(
    bodies: list[tuple[dict[str, Any], int]], spelling: dict[str, Any], between: bytes, line_end: bytes, cut: str | None
) -> None:
    """`cut` puts what follows the first of them on a line of its own, with or without its name."""
    events = [CREATED]
    for body, times in bodies:
        data = json.dumps(body, **spelling)
        several = data.replace(cut, f'{cut[:-1]}\ndata:"', 1) if cut else data
        events += [f"event:{DELTA}\ndata:{each}\n\n".encode() for each in [several, *[data] * times]] + [between]
    events = [event.replace(b"\n", line_end) for event in events]
    stream = b"".join(events)
    by_bytes, at_once, in_events = ChatStreamDecoder(), ChatStreamDecoder(), ChatStreamDecoder()
    found = outcome(by_bytes, [stream[at : at + 1] for at in range(len(stream))])
    assert found == outcome(in_events, events)
    whole = outcome(at_once, [stream])
    assert whole.refusal == found.refusal
    assert by_characters(whole.items) == by_characters(found.items)
    assert by_bytes.strays == at_once.strays == in_events.strays


def test_a_line_without_its_name_is_no_data_though_a_delta_before_it_had_two() -> None:
    two = b'event:%b\ndata:{"id":"m",\ndata:"content":"Hi"}\n\n' % DELTA.encode()
    with pytest.raises(UpstreamFailed):
        ChatStreamDecoder().feed(two + two.replace(b'data:"', b'"'))


def test_what_it_cannot_read_comes_in_its_place_among_the_others() -> None:
    made, said = ChatStreamDecoder(), [str(number) for number in range(200)]
    said[70] = r"\ud83d"
    events = made.feed(b"".join(map(wire, said)))
    said[70] = "\ufffd"
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "".join(said)


def test_deltas_that_differ_beside_their_text_are_one_event_too_when_they_come_at_once() -> None:
    each = [wire(f'{number}","created_at":"{number}') for number in range(50)]
    [event] = ChatStreamDecoder().feed(b"".join(each))
    assert event == TextDelta(message_id=M, text="".join(map(str, range(50))))


@pytest.mark.parametrize(
    "contents",
    [
        [f"词{number} " for number in range(400)],
        ["a", "b" * 40_000, "c"],
        ["a", r"\ud83d", "b", r"\ud83d", r"\"", "\\\\", r"\\\"", "c"],
        ["a", '"', "b", 'x","content":"y', "c"],
        ["a\\", "b"],
    ],
    ids=["many", "long", "escapes", "quotes", "open"],
)
@pytest.mark.parametrize("blank", ["", " "])
def test_a_burst_is_read_as_its_events_one_by_one(contents: list[str], blank: str) -> None:
    events = [wire(content).replace(b":", b":" + blank.encode(), 1) for content in contents]
    together, apart = outcome(ChatStreamDecoder(), [b"".join(events)]), outcome(ChatStreamDecoder(), events)
    assert together.refusal == apart.refusal
    said, whole = by_characters(together.items), by_characters(apart.items)
    # What the same piece held before a fault may be lost with it.
    assert said == (whole if together.refusal == (Truncated, "upstream_truncated") else [])
