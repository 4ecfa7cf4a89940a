import json

import pytest

import shortcuts
from native_server import MESSAGE, Bot, Turn, exchange, parsed, request, serving
from realcoze.domain.event import AnswerDone, Event, Step, Suggestion, TextDelta, TurnDone
from realcoze.faces.openai.chat import CHAT

pytestmark = pytest.mark.anyio


async def test_the_extension_comes_when_a_header_asks_for_it(nothing_left: None) -> None:
    async def script(turn: Turn) -> None:
        turn.start()
        turn.feed(Step(kind="call", title="t", body="{}"))
        turn.say("Warm")
        turn.feed(Suggestion(text="And?"))
        turn.done()

    asked = json.dumps({"model": "bot", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    async with serving(Bot(script)) as served:
        plain = parsed(await exchange(served.port, request(asked, path=CHAT.path)))
        wished = parsed(await exchange(served.port, request(asked, path=CHAT.path, x_realcoze_extras="1")))
    assert "x_coze" not in plain.json
    steps = [{"kind": "call", "title": "t", "body": "{}"}]
    ids = {"conversation_id": "conversation-1", "chat_id": "chat-1"}
    assert wished.json["x_coze"] == {**ids, "follow_ups": ["And?"], "steps": steps}


async def test_text_that_goes_the_short_way_is_streamed_like_any_other(nothing_left: None) -> None:
    pieces = [TextDelta(message_id=MESSAGE, text=text) for text in ("Warm", ' and "dry"', "\u2028", "\nBye")]
    answer: list[Event] = [
        *pieces,
        AnswerDone(message_id=MESSAGE, text="".join(piece.text for piece in pieces)),
        TurnDone(),
    ]

    async def plain(turn: Turn) -> None:
        turn.start()
        for event in answer:
            turn.feed(event)

    async def short(turn: Turn) -> None:
        turn.start()
        shortcuts.feed(turn.sink, answer)

    asked = json.dumps({"model": "bot", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    contents: list[list[str]] = []
    for script in (plain, short):
        async with serving(Bot(script)) as served:
            reply = parsed(await exchange(served.port, request(asked, path=CHAT.path)))
        assert reply.has_last_chunk
        *chunks, done = reply.text.removeprefix("data: ").removesuffix("\n\n").split("\n\ndata: ")
        assert done == "[DONE]"
        contents.append([json.loads(chunk)["choices"][0]["delta"].get("content") for chunk in chunks])
    assert contents[0] == contents[1] == ["", *(piece.text for piece in pieces), None]
