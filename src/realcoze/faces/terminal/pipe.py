"""A question by a pipe: the answer on standard output and nothing else."""

from typing import TextIO

from realcoze.domain.event import InputRequested, TextDelta, TextReplaced, ToolCallsRequested, TurnFailed
from realcoze.domain.fold import BETWEEN_MESSAGES
from realcoze.domain.ids import BotName, MessageId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.errors import BadRequest
from realcoze.faces.terminal.exits import OK, WAITING, exit_code, explain, explain_calls, explain_question
from realcoze.faces.terminal.printable import printable
from realcoze.gateway.chat import Gateway


def read_question(piped: bytes) -> str:
    """What was piped in.  Raises `BadRequest` when it is empty or not UTF-8."""
    try:
        question = piped.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"The question on standard input is not UTF-8: byte {error.start} is {piped[error.start]:#04x}.",
            hint="Convert it first, for example with: iconv -f GBK -t UTF-8",
        ) from error
    if not question:
        raise BadRequest("There is no question on standard input.", hint="For example: echo Hello | realcoze chat")
    return question


async def answer_pipe(gateway: Gateway, question: str, *, bot: BotName, out: TextIO, err: TextIO) -> int:
    """Print the answer to `out` as it comes, and return the exit code; failures go to `err`.

    What was printed cannot be taken back: a bot that begins anew is printed anew after an empty line.
    Control characters are kept, unless `out` is a terminal.
    """
    clean = printable if out.isatty() else str
    failure: TurnFailed | None = None
    awaited = ""
    current: MessageId | None = None
    async with gateway.say(Request(messages=(say("user", question),), bot=bot)) as turn:
        async for event in turn:
            match event:
                case TextDelta() | TextReplaced():
                    goes_on = isinstance(event, TextDelta) and event.message_id == current
                    between = "" if current is None or goes_on else BETWEEN_MESSAGES
                    current = event.message_id
                    print(between + clean(event.text), end="", file=out, flush=True)
                case TurnFailed():
                    failure = event
                case ToolCallsRequested():
                    awaited = explain_calls(event.calls)
                case InputRequested():
                    awaited = explain_question(event.interrupt)
    if current is not None:
        print(file=out, flush=True)
    if awaited:
        print(f"realcoze: {awaited}", file=err)
        return WAITING
    return OK if failure is None else _failed(failure, err, has_text=current is not None)


def _failed(failure: TurnFailed, err: TextIO, *, has_text: bool) -> int:
    said = explain(failure.error)
    print(f"[interrupted] {said}" if has_text else f"realcoze: {said}", file=err)
    return exit_code(failure.error, has_text=has_text)
