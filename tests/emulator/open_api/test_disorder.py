import json
from itertools import count

import pytest

from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.domain.event import AnswerDone, TextDelta, TurnDone, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.fault import Fault
from realcoze.emulator.open_api.answer import answer
from realcoze.emulator.open_api.delivery import place_of
from realcoze.emulator.open_api.disorder import ELSEWHERE, STRANGERS_TEXT, disordered

ID = MessageId("m")
ANSWER = answer(
    [
        TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("")),
        TextDelta(message_id=ID, text="one"),
        TextDelta(message_id=ID, text=" two"),
        AnswerDone(message_id=ID, text="one two"),
        TurnDone(),
    ],
    ChatStreamEncoder,
    ChatIds(chat_id="11", conversation_id="12", bot_id="13", section_id="14", created_at=15),
    map(str, count(100)),
)
BLOCKS = ANSWER.blocks
NAMES = ["created", "in_progress", "delta", "delta", "completed", "completed", "completed", "done"]
CHUNKS = [(block.data, place) for place, block in enumerate(BLOCKS, start=1)]


def told(name: str, after: int = 0, value: str = "") -> list[tuple[bytes, int]]:
    fault = Fault(name, after, value)
    return list(disordered(BLOCKS, place_of(BLOCKS, after), fault))


def names(chunks: list[tuple[bytes, int]]) -> list[str]:
    """The last words of the events' names."""
    found = []
    for data, _ in chunks:
        heads = [line for line in data.decode().split("\n") if line.startswith("event:")]
        found += [head.removeprefix("event:").rpartition(".")[2] for head in heads]
    return found


def test_the_blocks_are_as_they_should_be() -> None:
    assert names(CHUNKS) == NAMES
    assert told("nonsense") == CHUNKS


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("spaces", b"event: conversation.chat.created\ndata: {"),
        ("crlf", b"event:conversation.chat.created\r\ndata:{"),
        ("cr", b"event:conversation.chat.created\rdata:{"),
        ("bom", b"\xef\xbb\xbfevent:conversation.chat.created\ndata:{"),
        ("comments", b": keep-alive\n\nevent:conversation.chat.created\n: in between\ndata:{"),
        ("fields", b"id:0\nretry:3000\nnonsense:x\nflag\nevent:conversation.chat.created\ndata:{"),
        ("lines", b'event:conversation.chat.created\ndata:{"id":"11",\ndata:"conversation_id":"12",'),
        ("elsewhere", b'event:conversation.chat.created\ndata:{"id":"11","conversation_id":"%b",' % ELSEWHERE.encode()),
        ("numbers", b'event:conversation.chat.created\ndata:{"id":11,"conversation_id":12,"bot_id":13,'),
        ("sparse", b'event:conversation.chat.created\ndata:{"id":"11","conversation_id":"12","bot_id":"13","status"'),
    ],
)
def test_events_look_otherwise(name: str, first: bytes) -> None:
    chunks = told(name)
    assert chunks[0][0].startswith(first)
    assert [due for _, due in chunks] == [due for _, due in CHUNKS]


def test_a_sparse_chat_lacks_what_one_can_do_without() -> None:
    chats = [json.loads(data.partition(b"data:")[2]) for data, _ in told("sparse")]
    assert all(chat.keys().isdisjoint({"usage", "last_error", "section_id"}) for chat in chats[:-1])
    assert chats[-1] == "[DONE]"


def test_lines_of_one_event_make_the_same_json() -> None:
    for (data, _), (plain, _) in zip(told("lines"), CHUNKS, strict=True):
        text = "\n".join(line.removeprefix("data:") for line in data.decode().split("\n")[1:])
        assert json.loads(text) == json.loads(plain.partition(b"data:")[2])


@pytest.mark.parametrize(
    ("name", "after", "expected"),
    [
        ("drop", 0, ["created", "in_progress", "delta", *NAMES[4:]]),
        ("duplicate", 0, ["created", "in_progress", "delta", "delta", "delta", *NAMES[4:]]),
        ("twice", 0, [*NAMES[:4], *["completed"] * 6, "done"]),
        ("late", 0, [*NAMES[:5], "delta", *NAMES[5:]]),
        ("hasty", 0, [*NAMES[:6], "done", "completed"]),
        ("stranger", 1, ["created", "in_progress", "delta", "delta", "delta", *NAMES[4:]]),
        ("truncated", 0, NAMES),
        ("unknown", 0, ["created", "in_progress", "dreamt", "completed", "dreaming", "weather", *NAMES[2:]]),
        ("error", 1, ["created", "in_progress", "delta", "error"]),
        ("unfinished", 0, [*NAMES[:6], "done"]),
        ("undone", 0, NAMES[:-1]),
        ("abrupt", 0, NAMES),
        ("ending", 0, NAMES),
    ],
)
def test_events_come_otherwise(name: str, after: int, expected: list[str]) -> None:
    assert names(told(name, after)) == expected


@pytest.mark.parametrize(("after", "texts"), [(0, [" two", "one"]), (1, [" two", "one"])])
def test_one_delta_overtakes_the_other(after: int, texts: list[str]) -> None:
    chunks = told("reorder", after)
    assert [json.loads(data.partition(b"data:")[2])["content"] for data, _ in chunks[2:4]] == texts
    assert [due for _, due in chunks[2:4]] == [4, 4], "both when the later one is there"


def test_a_delta_after_everything_where_no_message_is_complete() -> None:
    fault = Fault("late")
    assert [data for data, _ in disordered(BLOCKS[:3], 2, fault)] == [block.data for block in (*BLOCKS[:3], BLOCKS[2])]


def test_a_stranger_is_of_another_chat() -> None:
    (data, due) = told("stranger")[2]
    message = json.loads(data.partition(b"data:")[2])
    assert (message["content"], message["chat_id"] != "11", due) == (STRANGERS_TEXT, True, 2)


def test_a_truncated_event_is_no_json() -> None:
    data, _ = told("truncated")[2]
    assert data.endswith(b"\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(data.removesuffix(b"\n\n").partition(b"data:")[2])


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("", {"code": 4013, "msg": "asked for"}),
        ("5000", {"code": 5000, "msg": "asked for"}),
        ("empty", {}),
        ("word", {"code": "4013", "msg": "asked for"}),
    ],
)
def test_an_error_has_many_forms(value: str, data: object) -> None:
    assert json.loads(told("error", 0, value)[-1][0].partition(b"data:")[2]) == data


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("", b'event:done\ndata:{"debug_url":"https://www.coze.com/debug"}\n\n'),
        ("empty", b"event:done\ndata:{}\n\n"),
        ("plain", b"event:done\ndata:[DONE]\n\n"),
    ],
)
def test_the_end_has_many_forms(value: str, end: bytes) -> None:
    assert told("ending", 0, value)[-1] == (end, len(BLOCKS))


def test_the_last_event_lacks_its_blank_line() -> None:
    assert told("abrupt")[-1][0] == b'event:done\ndata:"[DONE]"'


@pytest.mark.parametrize(("value", "number"), [("", 100_000), ("7", 7)])
def test_tiny_events_come_in_one_piece(value: str, number: int) -> None:
    data, due = told("tiny", 1, value)[3]
    assert (data, due) == (b"event:ping\ndata:{}\n\n" * number, 3)
