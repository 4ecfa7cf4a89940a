"""A turn that goes on by itself while the bot wants tools: several turns as one.

Each round ends with the calls that the bot wants; they are run, and their results are the next round.
Above: the Python API.  Below: `toolbox.py` runs the calls, the gateway the rounds.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import anyio.abc

from realcoze.domain.event import Event, ToolCallsRequested, TurnStarted, Usage
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.request import Request
from realcoze.domain.resumption import with_results
from realcoze.domain.tool import ToolCall
from realcoze.gateway.chat import Gateway, TurnStream
from realcoze.tasks import background_tasks
from realcoze.toolbox import Toolbox

log = logging.getLogger(__name__)

MOST_ROUNDS = 8
"""How often the results of tools are handed in within one turn; a bot that wants more waits in vain."""


@asynccontextmanager
async def say_with_tools(gateway: Gateway, request: Request, toolbox: Toolbox) -> AsyncIterator["Rounds"]:
    """The rounds, to be iterated; leaving the block before their end stops the one that runs."""
    async with background_tasks() as tasks:
        rounds = Rounds(gateway, request, toolbox, tasks)
        try:
            yield rounds
        finally:
            rounds.close()


class Rounds:
    """The events of all rounds: one start, each round's `ToolCallsRequested`, one end.

    A `Usage` is that of all rounds so far.
    """

    def __init__(self, gateway: Gateway, request: Request, toolbox: Toolbox, tasks: anyio.abc.TaskGroup) -> None:
        self._gateway = gateway
        self._request = request
        self._toolbox = toolbox
        self._tasks = tasks
        self._started = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
        self._has_started = False
        self._calls: tuple[ToolCall, ...] = ()
        self._count = 0
        self._used_before = self._used = Usage(input=0, output=0, total=0)
        """Until this round, and with it."""

        self._stream = self._begin(request)

    def close(self) -> None:
        """Nothing more will come; whoever iterates on finds the end."""
        self._calls = ()
        self._stream.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """The next event.  Raises the `RealcozeError` that a tool raises."""
        if self._calls:
            calls, self._calls = self._calls, ()
            self._count += 1
            self._used_before = self._used
            results = await self._toolbox.results(calls)
            self._stream = self._begin(with_results(self._request, self._started, results))
        event = await anext(self._stream)
        if isinstance(event, TurnStarted):
            is_first, self._has_started, self._started = not self._has_started, True, event
            return event if is_first else await anext(self)
        if isinstance(event, Usage):
            event = self._used = _sum(self._used_before, event)
        if isinstance(event, ToolCallsRequested) and event.calls:
            if self._count < MOST_ROUNDS:
                self._calls = event.calls
            else:
                log.warning("the bot wants tools after %d rounds; the turn ends here", MOST_ROUNDS)
        return event

    def _begin(self, request: Request) -> TurnStream:
        stream = TurnStream()
        self._tasks.start_soon(self._gateway.relay, request, stream)
        return stream


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(input=one.input + other.input, output=one.output + other.output, total=one.total + other.total)
