"""Tools and forms that no protocol of Coze's has, told to a bot in words, and its answer read back.  Pure.

The notation is one that many models know already:

    <tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>
    <tool_result name="add">3</tool_result>

The first is written by the bot, the second told to it in the next message of the user.  The description of the
tools stands in front of the last message each time: conversations are gone on with below nothing that must know
of them, and tools may change between two turns.

Above: `emulating.py`, which runs a turn.  `call_reader.py` finds the calls in an answer as it comes.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import dropwhile, groupby
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from realcoze.domain.content import Part, Text
from realcoze.domain.ids import ConversationId
from realcoze.domain.message import Message, say, split_at_answer
from realcoze.domain.request import Request
from realcoze.domain.tool import Form, Offer, Tool, ToolCall, ToolResult, are_emulated
from realcoze.errors import BadRequest, UpstreamFailed
from realcoze.gateway.call_reader import CallReader
from realcoze.gateway.json_in_words import json_of, read_value

SETTING = 'tools = "emulate"'
HINT = f"Set {SETTING} for the bot in realcoze.toml: then it is told of tools and forms in words."

BETWEEN = "\n\n"

VALUES_HELD_AGAINST = 10
"""How many values of one answer are held against its schema."""

_HOW_TO_CALL = """\
You have tools, which are run for you. To have one run, write this, with a JSON object that fits the tool's \
parameters, and nothing after it:
<tool_call>{"name": "NAME", "arguments": {}}</tool_call>
For several calls write several of these. What came of them is told to you in the next message, each as \
<tool_result name="NAME">…</tool_result>; never write one yourself. Where no tool is of use, answer in words.
The tools are:"""
_MUST_CALL = "You must call a tool now."
_ONE_CALL = "Call one tool at a time."
_AN_OBJECT = "Answer with one JSON object, and with nothing else: no words around it."
_AN_INSTANCE = "Answer with one JSON value that fits this JSON schema, and with nothing else: no words around it.\n"
_UNLESS_CALLED = "As long as you call tools, this does not hold."
_AGAIN = "Write the whole of it again."


_NOTATION = re.compile(r"<(?=/?tool_)", re.IGNORECASE)
"""In what a tool gives back it is no end of that, and no call."""


class _Call(msgspec.Struct):
    """What stands between the tags; `parameters` is how some models call the arguments."""

    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    parameters: msgspec.Raw = msgspec.Raw(b"null")


_CALL = msgspec.json.Decoder(_Call)


class Unfit(Exception):
    """What is wrong with an answer, in words for the bot."""


class Wanted(NamedTuple):
    """JSON text of which one is to fit a schema, the likeliest first; `said` is how the bot is told that none does."""

    values: tuple[str, ...]
    schema: str
    said: str


def emulable(request: Request) -> Request:
    """The request for a bot that emulates tools: results of calls in words are a message like any other.

    They are given the name of their tool while the whole history is there to tell it.
    """
    if any(map(_has_rounds, request.messages)):
        request = replace(request, messages=_named(request.messages))
    is_history = are_emulated(result.call_id for result in request.tool_results)
    return replace(request, tool_results=()) if is_history else request


def schemas_of(request: Request) -> list[tuple[str, str]]:
    """Those that something of the answer must fit; of each, whose it is and its text."""
    strict = (tool for tool in (request.offer.tools if request.offer else ()) if tool.is_strict and tool.parameters)
    schemas = [(f"the tool {tool.name[:80]!r}", tool.parameters) for tool in strict]
    if request.form is not None and request.form.schema:
        schemas.append(("the answer's form", request.form.schema))
    return schemas


def without_tools(request: Request) -> Request:
    """The request for a bot that has the tools that it was built with.

    Raises `BadRequest` for what would be missing in its answer, or has no place in Coze's protocols.
    """
    if request.form is not None:
        raise BadRequest("The answer is to have a form (JSON), and this bot cannot be held to one.", hint=HINT)
    if request.offer is not None and request.offer.is_demanded:
        raise BadRequest("A tool of the request is demanded, and this bot has its own alone.", hint=HINT)
    if not any(map(_has_rounds, request.messages)):
        return replace(request, offer=None) if request.offer is not None else request
    if _has_more_than_results(split_at_answer(request.messages)[1]):
        raise BadRequest(
            "There are results of tools and something beside them, which Coze has no place for.",
            hint="Hand in the results alone, and say the rest after the answer.",
        )
    return replace(request, messages=tuple(_spoken(request.messages)), offer=None)


def told(request: Request) -> Request:
    """The request in words: calls and results as the bot writes and reads them, tools and form described.

    A turn that waits has been told of them, and takes nothing but what it waits for.
    """
    messages = tuple(_written(request.messages))
    description = BETWEEN.join(_description(request.offer, request.form))
    if description and not request.is_awaited:
        last = messages[-1]
        last = replace(last, parts=_joined((Text(text=description + BETWEEN), *last.parts)))
        messages = (*messages[:-1], last)
    return replace(request, messages=messages, offer=None, form=None)


def is_concerned(request: Request) -> bool:
    """It has something that must be told in words."""
    return request.offer is not None or request.form is not None or any(map(_has_rounds, request.messages))


def calls_of(read: CallReader, offer: Offer | None, new_id: Callable[[], str]) -> tuple[ToolCall, ...]:
    """The calls of an answer that was read to its end.  Raises `Unfit`."""
    if read.is_broken:
        raise Unfit("What you have written in <tool_call> is not complete, or is no JSON object.")
    tools = {tool.name: tool for tool in (offer.tools if offer else ())}
    calls = tuple(_call(text, tools, new_id) for text in read.calls)
    return calls[:1] if offer is not None and offer.is_single else calls


def check_called(offer: Offer | None) -> None:
    """An answer without a call: raises `Unfit` where one is demanded."""
    if offer is not None and offer.is_demanded:
        raise Unfit(f"You have called no tool. {_MUST_CALL}")


def strictly(calls: Iterable[ToolCall], offer: Offer | None) -> list[Wanted]:
    """What of the calls must fit a schema."""
    schemas = {tool.name: tool.parameters for tool in (offer.tools if offer else ()) if tool.is_strict}
    return [
        Wanted((call.arguments,), schema, f"The arguments of your call of {call.name} do not fit its parameters")
        for call in calls
        if (schema := schemas.get(call.name))
    ]


def formed(text: str, form: Form) -> Wanted:
    """What of an answer may be the JSON that was asked for, without what stands around it.  Raises `Unfit`."""
    found = json_of(text)
    likely = sorted(found, key=lambda each: 0 if each.value and isinstance(each.value, dict) else 1)
    if not form.schema:
        likely = [each for each in likely if isinstance(each.value, dict)]
    if not likely:
        raise Unfit("Your answer is no JSON object." if found else "Your answer is no JSON.")
    values = tuple(each.text for each in likely[:VALUES_HELD_AGAINST])
    return Wanted(values, form.schema, "Your answer does not fit the schema")


def mended(request: Request, answer: str, unfit: Unfit, conversation_id: ConversationId | None) -> Request:
    """What is sent to have an answer mended: to the conversation that has the rest, or all of it anew."""
    complaint = say("user", f"{unfit} {_AGAIN}")
    request = replace(request, tool_results=(), resume=None, chat_id=None)
    if conversation_id:
        return replace(request, messages=(complaint,), conversation_id=conversation_id)
    return replace(request, messages=(*request.messages, say("assistant", answer or "…"), complaint))


def given_up(unfit: Unfit) -> UpstreamFailed:
    """The error of a bot that was told what is wrong, where that can be, and still answered so."""
    return UpstreamFailed(
        f"The bot could not keep to the tools or the form of the request: {unfit}",
        code="answer_unfit",
        hint="A stronger model follows such instructions better; or ask for less at once.",
    )


def _has_rounds(message: Message) -> bool:
    return any(isinstance(part, ToolCall | ToolResult) for part in message.parts)


def _has_more_than_results(new: Iterable[Message]) -> bool:
    """There are results of tools among these, and something else with or after them."""
    parts = [part for message in dropwhile(lambda each: not _has_rounds(each), new) for part in message.parts]
    return not all(isinstance(part, ToolResult) for part in parts)


def _spoken(messages: Iterable[Message]) -> Iterator[Message]:
    for message in messages:
        if not _has_rounds(message):
            yield message
        elif parts := tuple(part for part in message.parts if not isinstance(part, ToolCall | ToolResult)):
            yield Message(role=message.role, parts=parts)


def _named(messages: Sequence[Message]) -> tuple[Message, ...]:
    """With the name of its tool at each result."""
    names = {part.call_id: part.name for each in messages for part in each.parts if isinstance(part, ToolCall)}

    def named(part: Part) -> Part:
        return replace(part, name=names.get(part.call_id, "")) if isinstance(part, ToolResult) else part

    return tuple(replace(each, parts=tuple(map(named, each.parts))) for each in messages)


def _written(messages: Iterable[Message]) -> Iterator[Message]:
    """In words; results that follow each other are one message."""
    for is_result, run in groupby(messages, _is_result):
        told = [Message(role=each.role, parts=tuple(map(_in_words, each.parts))) for each in run]
        if is_result:
            told = [Message(role="user", parts=tuple(part for each in told for part in each.parts))]
        yield from (replace(each, parts=_joined(each.parts)) for each in told)


def _is_result(message: Message) -> bool:
    return all(isinstance(part, ToolResult) for part in message.parts)


def _in_words(part: Part) -> Part:
    match part:
        case ToolCall():
            return Text(text=f"\n{_call_in_words(part)}")
        case ToolResult():
            name = json.dumps(part.name or "tool", ensure_ascii=False)
            output = _NOTATION.sub("&lt;", part.output)
            return Text(text=f"<tool_result name={name}>{output}</tool_result>\n")
    return part


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Texts that follow each other as one, with no white space around it."""
    joined: list[Part] = []
    for is_text, run in groupby(parts, lambda part: isinstance(part, Text)):
        if is_text:
            joined.append(Text(text="".join(part.text for part in run if isinstance(part, Text)).strip()))
        else:
            joined += run
    return tuple(joined)


def _call_in_words(call: ToolCall) -> str:
    name = json.dumps(call.name, ensure_ascii=False)
    return f'<tool_call>{{"name": {name}, "arguments": {call.arguments or "{}"}}}</tool_call>'


def _description(offer: Offer | None, form: Form | None) -> Iterator[str]:
    if offer is not None:
        demands = [_MUST_CALL] if offer.is_demanded else []
        demands += [_ONE_CALL] if offer.is_single else []
        yield "\n".join([_HOW_TO_CALL, *map(_described, offer.tools), *demands])
    if form is not None:
        wanted = f"{_AN_INSTANCE}{_compact(form.schema)}" if form.schema else _AN_OBJECT
        yield f"{wanted}\n{_UNLESS_CALLED}" if offer is not None else wanted


def _described(tool: Tool) -> str:
    described = {"name": tool.name, "description": tool.description}
    head = json.dumps({name: value for name, value in described.items() if value}, ensure_ascii=False)
    return f'{head[:-1]}, "parameters": {_compact(tool.parameters)}}}' if tool.parameters else head


def _compact(schema: str) -> str:
    return msgspec.json.format(schema, indent=-1)


def _call(text: str, tools: dict[str, Tool], new_id: Callable[[], str]) -> ToolCall:
    try:
        read = _CALL.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise Unfit('What you have written in <tool_call> is no JSON object with "name" and "arguments".') from None
    tool = tools.get(read.name)
    if tool is None:
        known = ", ".join(tools)
        raise Unfit(f"There is no tool {read.name[:80]!r}. The tools are: {known}.")
    arguments, raw = _arguments(read)
    if not isinstance(arguments, dict):
        raise Unfit(f'The "arguments" of your call of {tool.name} are no JSON object.')
    return ToolCall(call_id=new_id(), name=tool.name, arguments=raw)


def _arguments(call: _Call) -> tuple[Any, str]:
    """What they are, and how they are written; some models write the object as a text."""
    raw = (bytes(call.parameters) if bytes(call.parameters) != b"null" else bytes(call.arguments)).decode()
    value = read_value(raw)
    if isinstance(value, str):
        return read_value(value), value
    return value, raw
