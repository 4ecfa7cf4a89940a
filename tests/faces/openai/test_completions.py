import json

import pytest

from native_server import exchange, parsed, request, saying, serving
from realcoze.faces.openai.completions import COMPLETIONS

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("stream", [False, True])
async def test_a_prompt_is_answered(nothing_left: None, *, stream: bool) -> None:
    bot = saying("Warm")
    asked = json.dumps({"model": "bot", "prompt": "Hello", "stream": stream, "echo": True}).encode()
    async with serving(bot) as served:
        answer = parsed(await exchange(served.port, request(asked, path=COMPLETIONS.path)))
    assert (answer.status, answer.headers["x-realcoze-ignored"]) == (200, "echo")
    assert '"text":"Warm"' in (answer.text if stream else json.dumps(answer.json, separators=(",", ":")))
    assert bot.turns[0].request.messages[0].text == "Hello"
