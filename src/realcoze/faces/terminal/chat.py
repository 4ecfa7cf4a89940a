"""A conversation on a terminal: prompt, streamed answer, history, commands."""

import signal
import time
from pathlib import Path

import anyio
import msgspec
from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from rich.console import Console
from rich.text import Text

from realcoze.dialects.entries import encode_entries
from realcoze.domain.event import Step
from realcoze.domain.fold import Fold
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Wants
from realcoze.errors import RealcozeError
from realcoze.faces.terminal.command import HELP, Command, parse
from realcoze.faces.terminal.exits import OK, explain
from realcoze.faces.terminal.screen import AnswerScreen
from realcoze.gateway.chat import Gateway

REFRESH_S = 0.08


class Chat:
    """One conversation.  `history_file` keeps what was typed, for the arrow keys; None keeps nothing."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        bot: BotName,
        show_steps: bool = False,
        history_file: Path | None = None,
        console: Console | None = None,
        keys: Input | None = None,
        screen: Output | None = None,
    ) -> None:
        self._gateway = gateway
        self._bot = bot
        self._show_steps = show_steps
        self._console = console or Console(highlight=False)
        self._messages: list[Message] = []
        self._suggestions: list[str] = []
        self._prompt: PromptSession[str] = PromptSession(
            history=_history(history_file), key_bindings=_bindings(), input=keys, output=screen
        )

    async def run(self) -> int:
        """Talk until somebody leaves; the exit code."""
        name = self._bot or self._gateway.bots[0]
        self._console.print(Text(f"Talking to {name}. /help shows what can be typed, :q leaves.", style="dim"))
        while True:
            try:
                line = await self._prompt.prompt_async(HTML("<b>Me&gt; </b>"), prompt_continuation="  … ")
            except EOFError:
                return OK
            except KeyboardInterrupt:
                if self._prompt.default_buffer.text:
                    continue
                return OK
            if not line.strip():
                continue
            command = parse(line)
            if command is None:
                await self._ask(line.strip())
            elif command.name == "quit":
                return OK
            else:
                await self._obey(command)

    async def _obey(self, command: Command) -> None:
        match command.name:
            case "help":
                self._console.print(Text(HELP.rstrip()))
            case "reset":
                self._messages.clear()
                self._suggestions.clear()
                self._note("A new conversation.")
            case "steps":
                self._show_steps = not self._show_steps
                self._note("Steps are shown." if self._show_steps else "Steps are hidden.")
            case "save":
                self._note(self._save(command.argument))
            case "suggestion":
                number = int(command.argument)
                if 1 <= number <= len(self._suggestions):
                    question = self._suggestions[number - 1]
                    self._note(question)
                    await self._ask(question)
                else:
                    self._note(f"There is no suggestion {number}.")
            case _:
                self._note(f"{command.argument} is no command; /help lists them.")

    async def _ask(self, question: str) -> None:
        request = Request(
            messages=(*self._messages, say("user", question)),
            bot=self._bot,
            wants=Wants(suggestions=True, steps=self._show_steps),
        )
        fold, was_stopped = await self._show(request)
        if was_stopped:
            self._note("[stopped]")
        elif not self._finish(fold):
            return
        if fold.text:
            self._messages += [say("user", question), say("assistant", fold.text)]

    def _finish(self, fold: Fold) -> bool:
        """Show what came with the answer; False when the turn failed, which then leaves no history."""
        try:
            reply = fold.finish()
        except RealcozeError as error:
            mark = "[interrupted] " if fold.text else ""
            self._console.print(Text(f"{mark}{explain(error)}", style="red"))
            return False
        self._suggestions = list(reply.suggestions)
        for number, text in enumerate(reply.suggestions, start=1):
            self._note(f"/{number}  {text}")
        return True

    async def _show(self, request: Request) -> tuple[Fold, bool]:
        """Show one answer while it comes; what came of it, and whether Ctrl-C stopped it."""
        fold = Fold()
        stopped = False
        with AnswerScreen(self._console) as screen:
            async with anyio.create_task_group() as tasks:

                async def stop_on_interrupt() -> None:
                    nonlocal stopped
                    with anyio.open_signal_receiver(signal.SIGINT) as signals:
                        async for _ in signals:
                            stopped = True
                            tasks.cancel_scope.cancel()

                async def refresh() -> None:
                    while True:
                        screen.show(fold.text)
                        await anyio.sleep(REFRESH_S)

                tasks.start_soon(stop_on_interrupt)
                tasks.start_soon(refresh)
                async with self._gateway.say(request) as turn:
                    async for event in turn:
                        fold.feed(event)
                        if isinstance(event, Step) and self._show_steps:
                            screen.step(event)
                tasks.cancel_scope.cancel()
            screen.finish(fold.text)
        return fold, stopped

    def _save(self, name: str) -> str:
        path = Path(name or time.strftime("conversation-%Y%m%d-%H%M%S.md")).expanduser()
        if path.suffix == ".json":
            content = msgspec.json.format(msgspec.json.encode(encode_entries(self._messages)), indent=2)
        else:
            heads = {"user": "## Me", "assistant": "## Bot"}
            content = "\n\n".join(f"{heads[m.role]}\n\n{m.text}" for m in self._messages).encode() + b"\n"
        try:
            path.write_bytes(content)
        except OSError as error:
            return f"{path} cannot be written: {error.strerror}."
        return f"Saved {len(self._messages)} messages to {path}."

    def _note(self, text: str) -> None:
        self._console.print(Text(text, style="dim"))


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings
