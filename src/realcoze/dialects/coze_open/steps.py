"""What a bot does on the way to its answer: plugins, knowledge, and the control messages between.

All of it comes as whole messages whose content is JSON text of many shapes; what has none of them is
shown as it came.

Source: docs/protocol/openapi-v3.md §6.6; docs/protocol/studio-web.md §5.3.
"""

from collections import deque
from typing import Any

import msgspec

from realcoze.dialects.coze_open.objects import Word
from realcoze.dialects.json_text import read_if_json
from realcoze.domain.event import Event, Step, Unknown

FINISHED = "generate_answer_finish"
"""The verbose message behind the last answer; follow-ups and usage come after it."""

STEPS = frozenset({"function_call", "tool_output", "tool_response", "knowledge", "verbose"})
"""The types of message that are read here."""


class _Verbose(msgspec.Struct):
    msg_type: Word = ""
    data: Word = ""


class _Called(msgspec.Struct):
    name: Word = ""
    arguments: Any = None


class _Call(msgspec.Struct):
    """A plugin's call: flat, or as Studio writes it with a `function`."""

    name: Word = ""
    plugin_name: Word = ""
    arguments: Any = None
    function: _Called | None = None


class _Result(msgspec.Struct):
    response_for_model: Word = None


_VERBOSE = msgspec.json.Decoder(_Verbose)
_CALL = msgspec.json.Decoder(_Call)
_RESULT = msgspec.json.Decoder(_Result)


class StepReader:
    """Reads the messages of one turn, in order; a result does not say of what: it is the oldest call's."""

    def __init__(self) -> None:
        self._called: deque[str] = deque()

    def read(self, kind: str, content: str) -> list[Event]:
        """The events of one whole message; `kind` is one of `STEPS`."""
        if kind == "verbose":
            return _verbose(content)
        if kind == "knowledge":
            return [Step(kind="recall", title="", body=content)]
        if kind == "function_call":
            call = _call(content)
            self._called.append(call.title)
            return [call]
        return [Step(kind="result", title=self._called.popleft() if self._called else "", body=_result(content))]


def _verbose(content: str) -> list[Event]:
    """A control message; only what it tells of knowledge is for people."""
    verbose = read_if_json(content, _VERBOSE)
    if verbose is None:
        return [Unknown(name="verbose", raw=content[:2000])]
    if verbose.msg_type == "knowledge_recall":
        return [Step(kind="recall", title="", body=verbose.data or "")]
    if verbose.msg_type == FINISHED:
        return []
    return [Unknown(name=f"verbose.{(verbose.msg_type or '')[:80]}", raw=content[:2000])]


def _call(content: str) -> Step:
    call = read_if_json(content, _CALL)
    if call is None:
        return Step(kind="call", title="", body=content)
    name = call.name or (call.function.name if call.function else "") or call.plugin_name or ""
    arguments = call.function.arguments if call.function else call.arguments
    body = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
    return Step(kind="call", title=name, body=content if arguments is None else body)


def _result(content: str) -> str:
    """What the bot's model was shown; a plugin may wrap it."""
    result = read_if_json(content, _RESULT)
    return (result.response_for_model if result else None) or content
