import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from codec_properties import assert_carried
from realcoze.dialects.coze_open.chatflow_encoder import ChatflowStreamEncoder, StudioChatflowStreamEncoder
from realcoze.dialects.coze_open.stream import ChatStreamDecoder
from realcoze.dialects.coze_open.stream_encoder import ChatIds
from realcoze.domain.event import (
    AnswerDone,
    Event,
    InputRequested,
    Interrupt,
    TextDelta,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.errors import UpstreamFailed

WIRE = Path(__file__).parents[2] / "wire" / "coze_open"
RUN = "https://www.coze.cn/work_flow?execute_id=execute_1111&space_id=space_111&workflow_id=workflow_1111"
IDS = ChatIds(
    chat_id="id_1111",
    conversation_id="conv_111111111",
    bot_id="",
    section_id="conv_111111111",
    created_at=1735115982,
    debug_url=RUN,
)
ANSWER = MessageId("id_2222")
STARTED = TurnStarted(chat_id=ChatId(IDS.chat_id), conversation_id=ConversationId(IDS.conversation_id))
WHOLE = "I'm fine, thank you. How about you?"
TURN: tuple[Event, ...] = (
    STARTED,
    *(TextDelta(message_id=ANSWER, text=text) for text in ("I", "'m fine, thank you. How about you", "?")),
    AnswerDone(message_id=ANSWER, text=WHOLE),
    Usage(input=21, output=11, total=32),
    TurnDone(),
)

Encoder = Callable[[], ChatflowStreamEncoder]


def coze() -> ChatflowStreamEncoder:
    return ChatflowStreamEncoder(IDS, map(str, count(3333)))


def studio() -> ChatflowStreamEncoder:
    return StudioChatflowStreamEncoder(IDS, map(str, count(3333)))


def shape(stream: bytes) -> list[tuple[str, set[str]]]:
    """The lines of each event: the first as it is, of the data only the fields."""
    found = []
    for block in stream.decode().split("\n\n"):
        if block:
            name, data = block.split("\ndata: ")
            found.append((name, set(json.loads(data)) - {"created_at", "completed_at", "updated_at"}))
    return found


def test_a_turn_looks_like_the_recorded_one() -> None:
    written = b"".join(map(coze().feed, TURN))
    assert shape(written) == shape((WIRE / "workflows_chat_stream_resp.txt").read_bytes())


def test_studio_numbers_the_events_from_one() -> None:
    written = b"".join(map(studio().feed, TURN))
    assert [line for line in written.splitlines() if line.startswith(b"id: ")] == [b"id: %d" % n for n in range(1, 10)]


@pytest.mark.parametrize("encoder", [coze, studio])
def test_what_is_encoded_is_decoded(encoder: Encoder) -> None:
    assert_carried(ChatStreamDecoder(), map(encoder().feed, TURN), TURN)
    asked = (
        *TURN[:-2],
        Usage(input=1, output=2, total=3),
        InputRequested(interrupt=Interrupt(event_id="", kind="message", data={})),
    )
    assert_carried(ChatStreamDecoder(), map(encoder().feed, asked), asked)


def test_the_end_names_the_run() -> None:
    decoder = ChatStreamDecoder()
    decoder.feed(b"".join(map(coze().feed, TURN)))
    assert decoder.debug_url == RUN


@pytest.mark.parametrize("encoder", [coze, studio])
def test_an_errors_code_is_a_string_and_nothing_follows(encoder: Encoder) -> None:
    encoding = encoder()
    encoding.feed(STARTED)
    written = encoding.feed(TurnFailed(error=UpstreamFailed("no", upstream_code=720701013)))
    assert json.loads(written.partition(b"data: ")[2]) == {"code": "720701013", "msg": "no", "debug_url": RUN}
    assert encoding.finish() == b""
    assert encoding.chat.status == "failed"
    assert b'"code":"5000"' in encoder().fail(UpstreamFailed("no"))
