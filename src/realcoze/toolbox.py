"""Functions of Python that a bot may call: its local plugins.

    @realcoze.tool
    def add_reminder(text: str, at: str) -> str: ...

Knows no turn; `rounds.py` asks it.  For its users: docs/python.md, "Tools".
"""

import inspect
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar, overload

import anyio
import anyio.to_thread

from realcoze.domain.tool import ToolCall, ToolResult
from realcoze.errors import RealcozeError

log = logging.getLogger(__name__)

LAMBDA = "<lambda>"
"""The name that Python gives to what has none."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Tool(Generic[P, R]):
    """A function under the name by which the bot calls it; it can still be called as itself."""

    name: str
    function: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


@overload
def tool(named: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(named: str, /) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(named: Callable[..., Any] | str, /) -> Any:
    """Make a tool of a function, not of a method: `@tool` takes its name, `@tool("weather-lookup")` another.

    Raises `TypeError` for what has no name.
    """
    if isinstance(named, str):
        return partial(Tool, named)
    if not callable(named):
        raise TypeError(f"A tool is a function, and {type(named).__name__} is none")
    name = getattr(named, "__name__", None)
    if not isinstance(name, str) or name == LAMBDA:
        what = "A lambda" if name == LAMBDA else type(named).__name__
        raise TypeError(f'{what} has no name; give it one: realcoze.tool("name")(…)')
    return Tool(name, named)


class Toolbox:
    """The tools of one turn; a plain function is a tool under its own name.

    Raises `TypeError` for one without a name, and for two of the same.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]]) -> None:
        self._tools: dict[str, Tool[..., Any]] = {}
        for each in functions:
            if not callable(each):
                raise TypeError(f"`tools` holds {type(each).__name__}; it takes functions")
            found = each if isinstance(each, Tool) else tool(each)
            if found.name in self._tools:
                raise TypeError(f"Two tools have the name {found.name!r}; the bot could call only one of them")
            self._tools[found.name] = found

    async def results(self, calls: Iterable[ToolCall]) -> tuple[ToolResult, ...]:
        """What came of each call, one after the other.

        A call that fails has a sentence for its result, which the bot reads; the log has the traceback.
        Raises the `RealcozeError` that a tool raises.  Cancelling waits for a function that is no coroutine.
        """
        return tuple([ToolResult(call_id=call.call_id, output=await self._output(call)) for call in calls])

    async def _output(self, call: ToolCall) -> str:
        found = self._tools.get(call.name)
        if found is None:
            return f"There is no tool {call.name}."
        try:
            arguments = json.loads(call.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            return f"The arguments of {call.name} are no JSON object."
        try:
            return _told(await _called(found.function, arguments))
        except RealcozeError:
            raise
        except (Exception, SystemExit) as error:  # whatever goes wrong in there, the bot is told
            log.warning("the tool %.80s failed", call.name, exc_info=True)
            return _sendable(f"The tool {call.name} failed: {type(error).__name__}: {error}")


async def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    given = await anyio.to_thread.run_sync(partial(function, **arguments))
    return await given if inspect.isawaitable(given) else given


def _told(result: object) -> str:
    return _sendable(result if isinstance(result, str) else json.dumps(result, ensure_ascii=False))


def _sendable(text: str) -> str:
    """Half an emoji cannot be written as UTF-8."""
    return text.encode(errors="replace").decode()
