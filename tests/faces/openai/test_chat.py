import json

import pytest

from native_server import Bot, Turn, exchange, parsed, request, serving
from realcoze.domain.event import Step, Suggestion
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
