"""Callers of the faces of OpenAI's and Anthropic's APIs on raw sockets: what they send, and their answers as they came.

How a stream is read, and the grammar that it must have, is `reliability.faces`.
"""

import json
from typing import Any

import pytest

from native_server import Answer, exchange, parsed, request
from reliability.faces import ANTHROPIC, OPENAI, Face

BOTH_FACES = pytest.mark.parametrize("face", [OPENAI, ANTHROPIC], ids=lambda face: face.name.replace(" ", "-"))
SIGNS_OF_LIFE = {OPENAI.name: b": keepalive\n\n", ANTHROPIC.name: b'event: ping\ndata: {"type":"ping"}\n\n'}
LINE_BYTES = 16 << 10
"""Every reader of a stream takes a line of so many (CLIENTS §4.2)."""


def port_of(base: str) -> int:
    return int(base.rpartition(":")[2])


def question(
    face: Face,
    said: Any,
    *,
    model: str = "echo",
    is_streamed: bool = True,
    headers: dict[str, str] | None = None,
    **more: Any,
) -> bytes:
    """The bytes of a request; `said` is the last question, parts of it, or a history of messages."""
    is_history = isinstance(said, list) and "role" in said[0]
    messages = said if is_history else [{"role": "user", "content": said}]
    body = {"model": model, "max_tokens": 100, "messages": messages, "stream": is_streamed, **more}
    return request(json.dumps(body).encode(), path=face.path, **face.headers, **(headers or {}))


async def ask(port: int, face: Face, said: Any, **more: Any) -> Answer:
    """The answer; see `question`."""
    return parsed(await exchange(port, question(face, said, **more)))


def read(face: Face, answer: Answer) -> tuple[str, dict[str, Any]]:
    """Text and error of a whole answer or a stream, whose grammar is asserted."""
    if answer.status != 200:
        return "", answer.json["error"]
    if answer.headers["content-type"].startswith("application/json"):
        return face.text_of(answer.json), {}
    text, error = face.read(answer.text)
    assert answer.has_last_chunk == (not error), "only an answer that failed goes without its last chunk"
    return text, error
