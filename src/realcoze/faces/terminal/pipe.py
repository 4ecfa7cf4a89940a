"""A question by a pipe: the answer on standard output and nothing else."""

from typing import TextIO

from realcoze.domain.event import TextDelta, TextReplaced, TurnFailed
from realcoze.domain.fold import BETWEEN_MESSAGES
from realcoze.domain.ids import BotName, MessageId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.errors import BadRequest
from realcoze.faces.terminal.exits import OK, exit_code, explain
from realcoze.gateway.chat import Gateway


async def answer_pipe(gateway: Gateway, question: str, *, bot: BotName, out: TextIO, err: TextIO) -> int:
    """Print the answer to `out` as it comes, and return the exit code; failures go to `err`.

    What was printed cannot be taken back: a bot that begins anew is printed anew after an empty line.
    """
    question = question.strip()
    if not question:
        empty = TurnFailed(error=BadRequest("There is no question on standard input."))
        return _failed(empty, err, has_text=False)
    failure: TurnFailed | None = None
    current: MessageId | None = None
    async with gateway.say(Request(messages=(say("user", question),), bot=bot)) as turn:
        async for event in turn:
            match event:
                case TextDelta():
                    between = "" if current in (None, event.message_id) else BETWEEN_MESSAGES
                    current = event.message_id
                    print(between + event.text, end="", file=out, flush=True)
                case TextReplaced():
                    current = event.message_id
                    print(BETWEEN_MESSAGES + event.text, end="", file=out, flush=True)
                case TurnFailed():
                    failure = event
    if current is not None:
        print(file=out, flush=True)
    return OK if failure is None else _failed(failure, err, has_text=current is not None)


def _failed(failure: TurnFailed, err: TextIO, *, has_text: bool) -> int:
    said = explain(failure.error)
    print(f"[interrupted: {said}]" if has_text else f"realcoze: {said}", file=err)
    return exit_code(failure.error, has_text=has_text)
