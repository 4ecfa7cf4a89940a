"""`realcoze run`: one run of a workflow, with what the command line gives it."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from realcoze.app.config import Settings
from realcoze.app.signals import unless_ended
from realcoze.app.talk import Opening, Partner, partner
from realcoze.domain.ids import ANY_BOT, CHATFLOW, WORKFLOW, BotName, ChatId, ConversationId
from realcoze.domain.message import say
from realcoze.domain.request import Json, Request, Resume, Wants
from realcoze.errors import BadRequest, NotFound
from realcoze.faces.terminal.attachment import read_file

_NAMED = re.compile(r"(\w+)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line said beside where to run it.  `inputs` and `files` are as they were typed."""

    inputs: Sequence[str]
    files: Sequence[str]
    resume: Resume | None
    conversation_id: ConversationId | None
    chat_id: ChatId | None
    answer: str
    is_last_only: bool


async def run(opening: Opening, order: Order, settings: Callable[[], Settings]) -> int:
    """Run it to its end; the exit code.  `opening.bot` is the workflow, by its id or by a name of the settings."""
    if opening.bot.isdecimal():
        opening = replace(opening, bot=f"{WORKFLOW}{opening.bot}")
    return await unless_ended(partial(_run, opening, order, settings))


def read_inputs(typed: Sequence[str]) -> tuple[str, dict[str, Json]]:
    """The text and the parameters in what was typed: `key=value`, a JSON object, or a text.

    A value that is JSON is that, any other a text.  Raises `BadRequest` for two texts, and for a broken object.
    """
    texts: list[str] = []
    parameters: dict[str, Json] = {}
    for each in typed:
        found = _json(each)
        if isinstance(found, dict):
            parameters |= found
        elif each.lstrip().startswith("{"):
            raise BadRequest(
                "--input begins with { and is no JSON object.",
                hint="Its names and texts want double quotes; a text that begins so goes as --input input=TEXT.",
            )
        elif named := _NAMED.fullmatch(each):
            name, value = named.groups()
            read = _json(value)
            parameters[name] = value if read is None and value != "null" else read
        else:
            texts.append(each)
    if len(texts) > 1:
        raise BadRequest("--input has two plain texts.", hint="Name all but one: --input key=value")
    return "".join(texts), parameters


async def _run(opening: Opening, order: Order, settings: Callable[[], Settings]) -> int:
    # Only this command needs them, and only here.
    from realcoze.faces.terminal.keys import answer_prompt  # noqa: PLC0415
    from realcoze.faces.terminal.run import AsItComes, LastOnly, Runner  # noqa: PLC0415

    text, parameters = read_inputs(order.inputs)
    workflow = BotName(opening.bot)
    async with partner(opening, settings) as found:
        await _check_is_workflow(workflow, found)
        request = Request(
            messages=(say("user", order.answer if order.resume else text),),
            bot=workflow,
            parameters={**parameters, **await _uploaded(order.files, workflow, found)},
            resume=order.resume,
            conversation_id=order.conversation_id,
            chat_id=order.chat_id,
            wants=Wants(steps=True),
        )
        runner = Runner(
            gateway=found.gateway,
            out=sys.stdout,
            err=sys.stderr,
            person=answer_prompt() if sys.stdin.isatty() and sys.stderr.isatty() else None,
            new_spoken=LastOnly if order.is_last_only else AsItComes,
            is_kept=not opening.demo,
        )
        return await runner.run(request)


async def _check_is_workflow(name: BotName, partner: Partner) -> None:
    """Raise `BadRequest` for a bot, and `NotFound` for what nothing here is called."""
    if name.startswith(ANY_BOT) or (name in partner.gateway.bots and name not in partner.workflows):
        raise BadRequest(f"{name!r} is a bot, and no workflow.", hint=f"Talk to it: realcoze chat --bot {name}")
    if partner.url or name in partner.workflows:
        return
    if name.startswith((WORKFLOW, CHATFLOW)) and partner.takes_ids:
        await partner.gateway.find(name)
        return
    hints = []
    if partner.workflows:
        hints.append(f"The workflows and chatflows here are: {', '.join(partner.workflows)}.")
    if partner.takes_ids:
        hints.append(f"Any other is named by its id: {WORKFLOW}ID, {CHATFLOW}ID.")
    hint = " ".join(hints) or "Workflows are of Coze's open API: set COZE_API_TOKEN (docs/settings.md)."
    raise NotFound(f"There is no workflow {name[:80]!r} here.", hint=hint)


async def _uploaded(typed: Sequence[str], workflow: BotName, partner: Partner) -> Mapping[str, Json]:
    """The files as parameters: openapi-v3.md §10.  Several under one name are a list."""
    found: dict[str, list[Json]] = {}
    for each in typed:
        named = _NAMED.fullmatch(each)
        if named is None:
            raise BadRequest(f"--file {each[:80]!r} has no name.", hint="Write --file key=PATH")
        name, path = named.groups()
        file = read_file(path, partner.upload_bytes)
        part = await partner.gateway.upload(file.data, file.name, bot=workflow)
        found.setdefault(name, []).append(msgspec.json.encode({"file_id": part.key}).decode())
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _json(text: str) -> Json:
    """None for what is none, and for null."""
    try:
        found: Json = msgspec.json.decode(text.encode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        return None
    return found
