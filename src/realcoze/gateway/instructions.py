"""Where system and developer messages go: a bot on Coze has its own prompt, and a call has no place for another.

Pure.  It comes before `continuity.py`, which compares histories as they are sent.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

from msgspec.structs import replace

from realcoze.domain.content import Part, Text
from realcoze.domain.ids import WORKFLOW, BotName
from realcoze.domain.message import Message
from realcoze.domain.request import Request

BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the bot, which its prompt can name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of a workflow or chatflow."""

    name: str


Way = Literal["prefix", "drop"]
WAYS: tuple[Way, ...] = ("prefix", "drop")
"""In front of what the user said first, or nowhere."""

Policy = Way | Variable | Parameter


def default_policy(bot: BotName) -> Policy:
    """That of a bot which no table lists: a workflow has no prompt, and its input is not spoiled with one."""
    return "drop" if bot.startswith(WORKFLOW) else "prefix"


def instructed(request: Request, policy: Policy) -> Request:
    """The request with its instructions where the policy wants them.

    What goes another way than in a message stays in `instructions` too: it is a part of what was said.  What
    the caller gave under the same name itself counts more.
    """
    if not request.instructions:
        return request
    match policy:
        case "prefix":
            return replace(request, messages=_prefixed(request.messages, request.instructions), instructions="")
        case "drop":
            return replace(request, instructions="")
        case Variable(name=name):
            return replace(request, custom_variables={name: request.instructions, **request.custom_variables})
        case Parameter(name=name):
            return replace(request, parameters={name: request.instructions, **request.parameters})
        case _:
            assert_never(policy)


def _prefixed(messages: tuple[Message, ...], instructions: str) -> tuple[Message, ...]:
    """In front of what the user said first; nowhere in a history without the user."""
    for place, message in enumerate(messages):
        if message.role == "user":
            first = Message(role="user", parts=_in_front(message.parts, instructions))
            return (*messages[:place], first, *messages[place + 1 :])
    return messages


def _in_front(parts: tuple[Part, ...], instructions: str) -> tuple[Part, ...]:
    first, *others = parts
    if isinstance(first, Text):
        return (Text(text=f"{instructions}{BETWEEN}{first.text}"), *others)
    return (Text(text=instructions), *parts)
