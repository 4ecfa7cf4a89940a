"""Tools of the caller: what is offered to a bot, what the bot wants run, what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A tool of the caller that the bot wants run; `arguments` is JSON text."""

    call_id: str
    name: str
    arguments: str


EMULATED = "call_emulated_"
"""How the ids of calls begin that a bot made in words: no turn waits for their results."""


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool of the caller gave back for one call of `ToolCallsRequested`; `name` is the tool's, where known."""

    call_id: str
    output: str
    name: str = ""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the caller.

    `parameters` is the JSON text of the schema of its arguments, empty where there is none; `is_strict` says
    that a call must fit it.
    """

    name: str
    description: str = ""
    parameters: str = ""
    is_strict: bool = False


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """The tools that a request brings: the bot must call one of them if `is_demanded`, and one alone if `is_single`."""

    tools: tuple[Tool, ...]
    is_demanded: bool = False
    is_single: bool = False


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is to be one JSON value: an object, or what fits `schema`, the JSON text of one."""

    schema: str = ""


OTHER_TOOLS = "tools.other"
"""How tools of a request are named that are passed over by bots that are told of its functions, too."""


def are_emulated(call_ids: Iterable[str]) -> bool:
    """These calls a bot made in words; a turn has them all of one kind."""
    return any(call_id.startswith(EMULATED) for call_id in call_ids)
