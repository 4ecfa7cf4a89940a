"""Tools and forms of answers as OpenAI's dialects write them: a function stands within a tool, or is one itself.

The former is how chat completions write, the latter how Responses do; both are read wherever they stand.  What is
passed over of a history must not make it unreadable: whatever may be missing in calls and tools may be.

Source: openai 3, types/chat/completion_create_params.py and types/responses/response_create_params.py.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from realcoze.dialects.json_text import null
from realcoze.domain.tool import OTHER_TOOLS, Form, Offer, Tool, ToolCall
from realcoze.errors import BadRequest

_OBJECT, _SCHEMA = "json_object", "json_schema"
_FREE = ("auto", "none", None)
_FUNCTION = "function"
NAMESPACE = "namespace"


class Function(msgspec.Struct):
    name: str = ""
    description: str | None = None
    parameters: msgspec.Raw = msgspec.field(default_factory=null)
    strict: bool | None = None


class ToolBody(Function):
    """A tool; of those that are no functions only the type is read, and of a namespace what it holds."""

    type: str = _FUNCTION
    function: Function | None = None
    tools: list["ToolBody"] = []


class _Allowed(msgspec.Struct):
    mode: str = ""
    tools: list[ToolBody] = []


class Choice(ToolBody):
    """Which tool is to be called, or which may be."""

    mode: str = ""
    allowed_tools: _Allowed | None = None


class _CalledFunction(msgspec.Struct):
    name: str = ""
    arguments: Any = ""


class CallBody(msgspec.Struct):
    """A call within a message of the bot's own."""

    id: str = ""
    function: _CalledFunction | None = None


class Schema(msgspec.Struct):
    schema: msgspec.Raw = msgspec.field(default_factory=null)


class Format(Schema):
    """The form that an answer is to have; the schema stands in a member of its own, or beside the type."""

    type: str = "text"
    json_schema: Schema | None = None


def decode_offer(
    tools: list[ToolBody] | None, choice: str | Choice | None, *, is_parallel: bool | None
) -> Offer | None:
    """The functions among `tools` that may be called; None where there are none.  Raises `BadRequest`."""
    if not tools and choice is None:
        return None
    offered = tuple(map(_tool, _functions(tools or ())))
    if isinstance(choice, Choice):
        offered, is_demanded = _chosen(offered, choice)
    else:
        is_demanded = choice not in _FREE
        if choice == "none":
            return None
    if is_demanded and not offered:
        raise BadRequest("`tool_choice` demands a tool, and no function of that name is among `tools`.")
    return Offer(tools=offered, is_demanded=is_demanded, is_single=is_parallel is False) if offered else None


def others_among(tools: Iterable[ToolBody] | None) -> tuple[str, ...]:
    """`OTHER_TOOLS`, where there are any; a function without a name is one."""
    if not tools:
        return ()
    tools = [tool for tool in tools if tool.type != NAMESPACE]
    return (OTHER_TOOLS,) if len(tools) > len([*_functions(tools)]) else ()


def decode_form(format_: Format | None, where: str) -> Form | None:
    """The form that stands at `where`; None for text.  Raises `BadRequest`."""
    if format_ is None or format_.type == "text":
        return None
    if format_.type == _OBJECT:
        return Form()
    if format_.type == _SCHEMA and (schema := _text((format_.json_schema or format_).schema)):
        return Form(schema=schema)
    raise BadRequest(f"`{where}` is neither text, {_OBJECT}, nor {_SCHEMA} with its schema.")


def decode_calls(calls: Iterable[CallBody]) -> Iterator[ToolCall]:
    """What a bot has called; what has no name is passed over."""
    for call in calls:
        if call.function is not None and call.function.name:
            arguments = call.function.arguments
            text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
            yield ToolCall(call_id=call.id, name=call.function.name, arguments=text)


def _functions(tools: Iterable[ToolBody]) -> Iterator[Function]:
    for tool in tools:
        if tool.type == _FUNCTION and (function := tool.function or tool).name:
            yield function


def _tool(function: Function) -> Tool:
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=_text(function.parameters),
        is_strict=bool(function.strict),
    )


def _chosen(offered: tuple[Tool, ...], choice: Choice) -> tuple[tuple[Tool, ...], bool]:
    """Those that a choice leaves, and whether one of them must be called."""
    if choice.type == "allowed_tools":
        allowed = choice.allowed_tools or choice
        names = {function.name for function in _functions(allowed.tools)}
        is_demanded = allowed.mode not in ("auto", "")
    else:
        names = {function.name for function in _functions([choice])}
        is_demanded = True
    return tuple(tool for tool in offered if tool.name in names), is_demanded


def _text(schema: msgspec.Raw) -> str:
    """Empty where there is none."""
    text = bytes(schema).decode(errors="replace")
    return "" if text == "null" else text
