"""A conversation on a terminal: prompt, streamed answer, history, commands."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from realcoze.domain.event import AudioDelta, Interrupt, Step
from realcoze.domain.fold import BETWEEN_MESSAGES, Fold, Reply
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Wants
from realcoze.domain.resumption import with_answer, with_results
from realcoze.errors import RealcozeError
from realcoze.faces.terminal.attachment import Attachment, read_file, read_picture
from realcoze.faces.terminal.command import HELP, Command, parse
from realcoze.faces.terminal.exits import OK, explain
from realcoze.faces.terminal.greeting import talking_to
from realcoze.faces.terminal.keys import prompt_session, result_prompt, unechoed, unless_interrupted
from realcoze.faces.terminal.printable import one_line, printable
from realcoze.faces.terminal.recording import Recording
from realcoze.faces.terminal.results import ask_again, ask_results
from realcoze.faces.terminal.screen import AnswerScreen
from realcoze.faces.terminal.transcript import encode_transcript
from realcoze.gateway.chat import Gateway
from realcoze.tasks import background_tasks

REFRESH_S = 0.08


class Chat:
    """One conversation.

    `greeting` is the first line.  `history_file` keeps what was typed, for the arrow keys; None keeps
    nothing.  `upload_bytes` is how large a file may be that is attached.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        bot: BotName,
        greeting: str,
        upload_bytes: int,
        show_steps: bool = False,
        history_file: Path | None = None,
    ) -> None:
        self._gateway = gateway
        self._bot = bot
        self._greeting = greeting
        self._upload_bytes = upload_bytes
        self._show_steps = show_steps
        self._console = Console(highlight=False)
        self._prompt = prompt_session(history_file)
        self._result_prompt = result_prompt()
        self._messages: list[Message] = []
        self._attached: dict[str, str] = {}
        """What was attached, by the key that its upload gave."""
        self._suggestions: list[str] = []
        self._waiting: Reply | None = None
        """The reply that asked something; the next line answers it."""
        self._saved: set[Path] = set()

    async def run(self) -> int:
        """Talk until somebody leaves; the exit code."""
        self._note(self._greeting)
        self._note("/help shows what can be typed, :q leaves.")
        while (line := await self._read()) is not None:
            command = parse(line)
            if command is None:
                await self._ask(line)
            elif command.name == "quit":
                break
            else:
                await self._obey(command)
        return OK

    async def _read(self) -> str | None:
        """The next line with something in it, or None when somebody leaves."""
        while True:
            self._console.print()
            try:
                # A line of the log is printed above the prompt.
                with patch_stdout(raw=True):
                    line = await self._prompt.prompt_async()
            except EOFError:
                return None
            except KeyboardInterrupt:
                if not self._prompt.default_buffer.text:
                    return None
                continue
            if line.strip():
                # Bytes that are no UTF-8 come as surrogates.
                return line.strip().encode(errors="replace").decode()

    async def _obey(self, command: Command) -> None:
        match command.name:
            case "help":
                self._help()
            case "bot":
                self._note(await self._switch(BotName(command.argument)))
            case "image" | "file" if not command.argument:
                self._note(f"Which file? /{command.name} PATH")
            case "image":
                await self._attach(command.argument, read_picture)
            case "file":
                await self._attach(command.argument, read_file)
            case "reset":
                self._messages.clear()
                self._attached.clear()
                self._suggestions.clear()
                self._waiting = None
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

    async def _switch(self, name: BotName) -> str:
        """Let another bot answer from now on; what is said about it."""
        if not name:
            names = [*self._gateway.bots, *await self._gateway.discovered()]
            return printable(f"Which bot? /bot NAME {', '.join(names)}".rstrip())
        try:
            self._bot = await self._gateway.find(name)
        except RealcozeError as error:
            return explain(error)
        self._waiting = None
        return printable(talking_to(self._bot, asked_for=name, catch_all=self._gateway.catch_all))

    async def _attach(self, typed: str, read: Callable[[str, int], Attachment]) -> None:
        """Put a file into the history, in front of the next question; a failure is one sentence."""
        try:
            with unechoed(), self._console.status(Text(f"Reading {one_line(typed)}")) as status:
                is_whole = await unless_interrupted(partial(self._upload, typed, read, status))
        except RealcozeError as error:
            self._fail(explain(error))
        else:
            if not is_whole:
                self._note("[stopped]")

    async def _upload(self, typed: str, read: Callable[[str, int], Attachment], status: Status) -> None:
        # A disk that does not answer must not hold Ctrl-C up.
        file = await anyio.to_thread.run_sync(read, typed, self._upload_bytes, abandon_on_cancel=True)
        status.update(Text(f"Uploading {file.about}"))
        part = await self._gateway.upload(file.data, file.name, bot=self._bot)
        self._messages.append(Message(role="user", parts=(part,)))
        self._attached[part.key] = file.about
        self._note(f"Attached {file.about}. It goes in front of the next question.")

    async def _ask(self, question: str) -> None:
        request = Request(
            messages=(*self._messages, say("user", question)),
            bot=self._bot,
            wants=Wants(suggestions=True, steps=self._show_steps),
        )
        if self._waiting is not None and self._waiting.interrupt is not None:
            request = with_answer(request, self._waiting, self._waiting.interrupt)
        self._suggestions.clear()
        if (said := await self._converse(request)) is None:
            return
        if text := BETWEEN_MESSAGES.join(said):
            self._messages += [say("user", question), say("assistant", text)]

    async def _converse(self, request: Request) -> list[str] | None:
        """One turn, with as many rounds as the bot wants tools; its texts, or None when it failed."""
        said: list[str] = []
        next_request: Request | None = request
        while next_request is not None:
            self._console.print()
            fold, recording, was_stopped = await self._show(next_request)
            said += [fold.text] if fold.text else []
            if saved := recording.save(Path.cwd()):
                self._note(saved)
            if was_stopped:
                self._waiting = None
                self._note("[stopped]")
                break
            try:
                reply = fold.finish()
            except RealcozeError as error:
                if not await self._failed(error, next_request, has_text=bool(fold.text)):
                    return None
            else:
                self._finish(reply)
                next_request = await self._after(reply, next_request)
        return said

    async def _failed(self, error: RealcozeError, request: Request, *, has_text: bool) -> bool:
        """Say why a turn failed, which then leaves no history; whether it is to be asked for again."""
        mark = "[interrupted] " if has_text else ""
        self._fail(f"{mark}{explain(error)}")
        if request.tool_results and error.retryable and not has_text:
            return await ask_again(self._result_prompt)
        self._waiting = self._waiting if error.retryable else None
        return False

    def _finish(self, reply: Reply) -> None:
        """Show what came with the answer."""
        self._waiting = reply if reply.interrupt is not None else None
        if reply.interrupt is not None:
            self._put(reply.interrupt, reply.text)
        elif not reply.text and not reply.tool_calls:
            self._note("[the bot said nothing]")
        self._suggestions = [printable(text) for text in reply.suggestions]
        if self._suggestions:
            self._console.print()
        for number, text in enumerate(self._suggestions, start=1):
            self._note(f"/{number}  {text}")

    def _put(self, interrupt: Interrupt, text: str) -> None:
        """Show a question as far as the text has not, and how it is answered."""
        if interrupt.question not in text:
            self._console.print(Text(printable(interrupt.question)))
        self._note("[the next line is your answer; /reset gives it up]")

    async def _after(self, reply: Reply, request: Request) -> Request | None:
        """The round that hands in what the bot waits for; None when it waits for nothing, or is given up."""
        if not reply.tool_calls:
            return None
        results = await ask_results(reply.tool_calls, self._result_prompt, self._console)
        if results is None:
            self._note("[given up]")
            return None
        return with_results(request, reply, results)

    async def _show(self, request: Request) -> tuple[Fold, Recording, bool]:
        """Show one answer while it comes; what came of it, and whether Ctrl-C stopped it."""
        fold, recording = Fold(), Recording()
        with unechoed(), AnswerScreen(self._console) as screen:

            async def refresh() -> None:
                while True:
                    screen.show(fold.text)
                    await anyio.sleep(REFRESH_S)

            async def follow() -> None:
                async with background_tasks() as tasks, self._gateway.say(request) as turn:
                    tasks.start_soon(refresh)
                    async for event in turn:
                        fold.feed(event)
                        if isinstance(event, AudioDelta):
                            recording.feed(event)
                        elif isinstance(event, Step) and self._show_steps:
                            screen.step(event)

            is_whole = await unless_interrupted(follow)
            screen.finish(fold.text)
        return fold, recording, not is_whole

    def _save(self, name: str) -> str:
        """Write the conversation to a file, never over one that is not ours; what is said about it."""
        if not self._messages:
            return "There is nothing to save yet."
        try:
            path = Path(name or time.strftime("conversation-%Y%m%d-%H%M%S.md")).expanduser().absolute()
            if path.exists() and path not in self._saved:
                return f"{path} is there already; choose another name."
            path.write_bytes(encode_transcript(self._messages, path, self._attached))
        except OSError as error:
            return f"{name} cannot be written: {error.strerror}."
        except (RuntimeError, ValueError) as error:
            return f"{name} is no name for a file: {error}."
        self._saved.add(path)
        return f"Saved {len(self._messages)} messages to {path}."

    def _help(self) -> None:
        table = Table.grid(padding=(0, 2))
        for typed, does in HELP:
            table.add_row(Text(typed, no_wrap=True), Text(does))
        self._console.print(table)

    def _fail(self, text: str) -> None:
        self._console.print(Text(text, style="red"))

    def _note(self, text: str) -> None:
        self._console.print(Text(text, style="dim"))
