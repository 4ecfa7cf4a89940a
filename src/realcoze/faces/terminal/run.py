"""A workflow run from the terminal: what it says on one stream, its nodes and questions on the other."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TextIO

from msgspec.structs import replace
from prompt_toolkit import PromptSession
from rich.console import Console

from realcoze.domain.event import AnswerDone, Event, Interrupt, Step, TextDelta, TextReplaced
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.ids import MessageId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.domain.resumption import with_answer, with_results
from realcoze.errors import RealcozeError
from realcoze.faces.terminal.exits import OK, WAITING, exit_code, explain, explain_calls
from realcoze.faces.terminal.printable import printable
from realcoze.faces.terminal.results import ask_results
from realcoze.gateway.chat import Gateway

GONE_WITH_US = "The embedded Coze ends with this command, and the run with it."


class Spoken(Protocol):
    """Prints what a run says."""

    has_text: bool
    """Something was printed."""

    is_seen: bool
    """It stands before the person's eyes already."""

    def feed(self, event: Event) -> None: ...
    def end_line(self) -> None:
        """Something else is printed now."""

    def end_node(self) -> None:
        """The title of the next node is printed now."""

    def finish(self) -> None:
        """The run is over, and all that it gives was fed."""

    def break_off(self) -> None:
        """It has failed, or waits: what was fed is not what it gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """`person` answers questions and gives the results of tools; None where nobody is there.

    A run on what is not kept is gone with this command, and another one cannot go on with it.
    """

    gateway: Gateway
    out: TextIO
    err: TextIO
    person: PromptSession[str] | None
    new_spoken: Callable[[TextIO], Spoken]
    is_kept: bool = True

    async def run(self, request: Request) -> int:
        """Run it to its end, questions and all; the exit code."""
        spoken = self.new_spoken(self.out)
        next_request: Request | None = request
        while next_request is not None:
            try:
                reply, words = await self._turn(next_request, spoken)
            except RealcozeError as error:
                spoken.break_off()
                mark = "[interrupted] " if spoken.has_text else "realcoze: "
                self._say(f"{mark}{explain(error)}")
                return exit_code(error, has_text=spoken.has_text)
            if not (reply.tool_calls or reply.interrupt):
                break
            spoken.end_line()
            next_request = await self._next_request(next_request, reply, seen=words if spoken.is_seen else "")
            if next_request is None:
                spoken.break_off()
                self._tell(reply)
                return WAITING
        spoken.finish()
        return OK

    async def _turn(self, request: Request, spoken: Spoken) -> tuple[Reply, str]:
        """What came of one turn, and what the workflow has said in it."""
        fold = Fold()
        async with self.gateway.say(request) as turn:
            async for event in turn:
                fold.feed(event)
                spoken.feed(event)
                if isinstance(event, Step):
                    spoken.end_node()
                    self._say(f"· {event.title}")
        return fold.finish(), fold.words

    async def _next_request(self, request: Request, reply: Reply, *, seen: str) -> Request | None:
        """What goes on, from whoever is there and has `seen` so much; None when nobody is, or somebody gives up."""
        if self.person is None:
            return None
        if reply.interrupt is None:
            results = await ask_results(reply.tool_calls, self.person, Console(file=self.err, highlight=False))
            return with_results(request, reply, results) if results is not None else None
        question = reply.interrupt.question or reply.text
        if question not in seen:
            self._say(question)
        answer = await _answer(self.person)
        if answer is None:
            return None
        return with_answer(replace(request, messages=(say("user", answer),), tool_results=()), reply, reply.interrupt)

    def _tell(self, reply: Reply) -> None:
        """Say what the run waits for, and how to go on with it."""
        if reply.interrupt is None:
            self._say(f"realcoze: {explain_calls(reply.tool_calls)}")
            return
        asked = " ".join((reply.interrupt.question or reply.text).split())
        self._say(f"realcoze: The workflow asks: {asked}" if asked else "realcoze: The workflow asks for something.")
        self._say(f"  {self._how_to_go_on(reply, reply.interrupt)}")

    def _how_to_go_on(self, reply: Reply, interrupt: Interrupt) -> str:
        if not self.is_kept:
            return GONE_WITH_US if self.person else f"{GONE_WITH_US} On a terminal it can be answered."
        again = f"again with this in place of its input: {_answering(reply, interrupt)}"
        return f"Run it {again}" if self.person else f"Run it on a terminal to be asked, or {again}"

    def _say(self, text: str) -> None:
        print(printable(text), file=self.err, flush=True)


class AsItComes:
    """All nodes, with an empty line between two; what was printed cannot be taken back.

    On a terminal the titles stand between the nodes, and the empty line above the title.
    """

    def __init__(self, out: TextIO) -> None:
        self.has_text = False
        self.is_seen = out.isatty()
        self._out = out
        self._clean = printable if out.isatty() else str
        self._current: MessageId | None = None
        self._is_in_line = False
        self._is_apart = True
        """No empty line is wanted before the next node."""

    def feed(self, event: Event) -> None:
        if not isinstance(event, TextDelta | TextReplaced) or not event.text:
            return
        goes_on = self._is_in_line and isinstance(event, TextDelta) and event.message_id == self._current
        if not goes_on:
            self._part()
        self._current = event.message_id
        self.has_text = self._is_in_line = True
        self._is_apart = False
        self._print(self._clean(event.text))

    def end_line(self) -> None:
        if self._is_in_line:
            self._print("\n")
        self._is_in_line = False

    def end_node(self) -> None:
        self.end_line()
        if self.is_seen:
            self._part()

    def finish(self) -> None:
        self.end_line()

    def break_off(self) -> None:
        self.end_line()

    def _part(self) -> None:
        self.end_line()
        if not self._is_apart:
            self._print("\n")
        self._is_apart = True

    def _print(self, text: str) -> None:
        print(text, end="", file=self._out, flush=True)


class LastOnly:
    """What the last node gave, once it is whole; for programs that read it."""

    def __init__(self, out: TextIO) -> None:
        self.has_text = self.is_seen = False
        self._out = out
        self._last = ""

    def feed(self, event: Event) -> None:
        if isinstance(event, AnswerDone):
            self._last = event.text

    def end_line(self) -> None:
        """Nothing stands in a line before the end."""

    def end_node(self) -> None:
        """Nor between two nodes."""

    def finish(self) -> None:
        if self._last:
            self.has_text = True
            print(printable(self._last) if self._out.isatty() else self._last, file=self._out, flush=True)

    def break_off(self) -> None:
        """What an earlier node gave is nothing that a program could read."""


async def _answer(person: PromptSession[str]) -> str | None:
    """A line with something in it, since Coze takes three answers a run; None with Ctrl-C or Ctrl-D."""
    answer = ""
    while not answer:
        try:
            answer = (await person.prompt_async("Answer> ")).strip()
        except (EOFError, KeyboardInterrupt):
            return None
    return answer.encode(errors="replace").decode()


def _answering(reply: Reply, interrupt: Interrupt) -> str:
    """The options that answer; a chatflow's question is one of its conversation."""
    options = {
        "--resume": interrupt.event_id,
        "--kind": interrupt.kind,
        "--conversation": reply.conversation_id,
        "--chat": reply.chat_id,
    }
    given = [f"{name} {shlex.quote(value)}" for name, value in options.items() if value]
    return " ".join([*given, "--answer TEXT"])
