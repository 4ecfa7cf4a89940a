"""The faces of other people's APIs as their callers see them: one question, and what is made of its answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from native_server import Answer, connected, parsed
from native_server import request as http_request
from reliability.rows import Row
from reliability.stage import KEY, Outcome, Stage

FORMS = ("whole", "streamed")
RETRIED = frozenset({"rate_limited", "conversation_busy", "overloaded"})
"""After these, and no other, a client is told to call again."""

_OPENAI_TYPES = {400: "invalid_request_error", 404: "invalid_request_error", 409: "invalid_request_error"}
_OPENAI_TYPES_OF_CODES = {
    "rate_limited": "rate_limit_error",
    "insufficient_quota": "insufficient_quota",
    "overloaded": "overloaded",
}
_ANTHROPIC_STATUS = {409: 429, 502: 500, 503: 500}
_ANTHROPIC_STATUS_OF_ROWS = {"code value=4028": 402, "code value=4009": 529}
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    402: "billing_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, kw_only=True)
class Face:
    """One of them: its path, how it is asked, how a stream is read, and what a row must come to there."""

    name: str
    path: str
    headers: Mapping[str, str]
    asking: Callable[[str], Mapping[str, Any]]
    """What asks one question, without a word on how it is to be answered."""

    text_of: Callable[[Any], str]
    code_of: Callable[[Mapping[str, Any]], str]
    read: Callable[[str], tuple[str, dict[str, Any]]]
    """Text and error of a stream; asserts its grammar, and that it has exactly one end."""

    status_of: Callable[[Row], int]
    type_of: Callable[[Row], str]
    breaks_off: bool = True
    """A stream that fails goes without its last chunk."""

    async def ask(self, stage: Stage, text: str, form: str) -> Outcome:
        """One question and how it ended."""
        body = {"model": "echo", "stream": form == "streamed", **self.asking(text)}
        async with connected(stage.port) as connection:
            await connection.send(http_request(json.dumps(body).encode(), path=self.path, **self.headers))
            return self._outcome(parsed(await connection.rest()), form)

    def ends_for(self, row: Row, form: str) -> str:
        """How a row must end here."""
        kind, _, rest = row.ends.partition(" ")
        code = rest.partition(" ")[2]
        if kind == "success":
            return kind
        return f"M {code}" if kind == "M" and form == "streamed" else f"R {self.status_of(row)} {code}"

    def _outcome(self, answer: Answer, form: str) -> Outcome:
        if answer.status != 200:
            error = answer.json["error"]
            code = self.code_of(error)
            assert (answer.headers["x-should-retry"] == "true") == (code in RETRIED)
            waits = {"retry_after": int(answer.headers["retry-after"])} if "retry-after" in answer.headers else {}
            return Outcome(f"R {answer.status} {code}", "", "", {**error, **waits})
        if form == "whole":
            return Outcome("success", self.text_of(answer.json), "", {})
        text, error = self.read(answer.text)
        assert answer.has_last_chunk == (not (error and self.breaks_off))
        return Outcome(f"M {self.code_of(error)}" if error else "success", text, "", error)


def _as_messages(text: str) -> dict[str, Any]:
    return {"max_tokens": 100, "messages": [{"role": "user", "content": text}]}


def _openai_status(row: Row) -> int:
    return int(row.ends.split()[1])


def _openai_type(row: Row) -> str:
    _, status, code = row.ends.split()
    return _OPENAI_TYPES_OF_CODES.get(code) or _OPENAI_TYPES.get(int(status), "upstream_error")


def _anthropic_status(row: Row) -> int:
    status = int(row.ends.split()[1])
    return _ANTHROPIC_STATUS_OF_ROWS.get(row.mark) or _ANTHROPIC_STATUS.get(status, status)


def _anthropic_type(row: Row) -> str:
    return _ANTHROPIC_TYPES[_anthropic_status(row)]


def _blocks(text: str) -> list[str]:
    return [block for block in text.split("\n\n") if block and not block.startswith(":")]


def _read_chunks(text: str) -> tuple[str, dict[str, Any]]:
    """Lines `data:` and nothing else; one finish_reason and `[DONE]`, or an error and neither."""
    blocks = _blocks(text)
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    told = [block.removeprefix("data: ") for block in blocks]
    is_done = told[-1:] == ["[DONE]"]
    chunks = [json.loads(each) for each in (told[:-1] if is_done else told)]
    error: dict[str, Any] = chunks.pop()["error"] if not is_done else {}
    choices = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert len(ends) == int(is_done)
    return "".join(choice["delta"].get("content") or "" for choice in choices), error


def _named_events(text: str) -> list[dict[str, Any]]:
    """Each says its name twice."""
    lines = [block.split("\n") for block in _blocks(text)]
    events: list[dict[str, Any]] = [json.loads(data.removeprefix("data: ")) for _, data in lines]
    assert [event["type"] for event in events] == [name.removeprefix("event: ") for name, _ in lines]
    return events


def _read_message(text: str) -> tuple[str, dict[str, Any]]:
    """`message_stop` at the end, or `error` and nothing that ends a message."""
    events = _named_events(text)
    names = [event["type"] for event in events]
    error: dict[str, Any] = events[-1]["error"] if names[-1] == "error" else {}
    for name in ("message_delta", "message_stop"):
        assert names.count(name) == int(not error)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas), error


def _read_response(text: str) -> tuple[str, dict[str, Any]]:
    """Numbered; `response.completed` at the end, or `response.failed` and an `error` that says the same."""
    events = _named_events(text)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    names = [event["type"] for event in events]
    error: dict[str, Any] = events[-1]["error"] if names[-1] == "error" else {}
    assert names.count("response.completed") == int(not error)
    assert names.count("response.failed") == names.count("error") == int(bool(error))
    told = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    if error:
        assert (names[-2], events[-2]["response"]["error"]["message"]) == ("response.failed", error["message"])
    else:
        assert (names[-1], _text_of_response(events[-1]["response"])) == ("response.completed", told)
    return told, error


def _text_of_response(told: Mapping[str, Any]) -> str:
    messages = [item for item in told["output"] if item["type"] == "message"]
    return "".join(part["text"] for message in messages for part in message["content"])


OPENAI = Face(
    name="chat completions",
    path="/v1/chat/completions",
    headers={"authorization": f"Bearer {KEY}"},
    asking=_as_messages,
    text_of=lambda told: str(told["choices"][0]["message"]["content"]),
    code_of=lambda error: str(error["code"]),
    read=_read_chunks,
    status_of=_openai_status,
    type_of=_openai_type,
)
RESPONSES = replace(
    OPENAI,
    name="responses",
    path="/v1/responses",
    asking=lambda text: {"input": text},
    text_of=_text_of_response,
    read=_read_response,
    breaks_off=False,
)
ANTHROPIC = Face(
    name="messages",
    path="/v1/messages",
    headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"},
    asking=_as_messages,
    text_of=lambda told: "".join(block.get("text", "") for block in told["content"]),
    code_of=lambda error: str(error["details"]["error_code"]),
    read=_read_message,
    status_of=_anthropic_status,
    type_of=_anthropic_type,
)
FACES = (OPENAI, RESPONSES, ANTHROPIC)
