"""What may be asked from Python, and the request that comes of it.

Refuses what no upstream could send before a call is spent.  Above: the Python API.  For its users:
docs/python.md, "Asking".
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from realcoze.dialects.json_text import healed
from realcoze.domain.content import Shown, Text
from realcoze.domain.event import Interrupt
from realcoze.domain.fold import Reply
from realcoze.domain.ids import BotName, ChatId, ConversationId, UserId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Json, Request, Resume, Wants
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest

Question = str | Shown | Sequence[str | Shown]
"""A text, an uploaded picture or file, or several of them."""

_TEXTS = frozenset({"custom_variables", "meta_data", "extra_params"})
"""Options whose values are texts; those of `_TREES` are any JSON."""

_TREES = frozenset({"parameters", "shortcut_command"})

EVERYTHING = Wants(reasoning=True, steps=True, suggestions=True, usage=True)


class Options(TypedDict, total=False):
    """What may be said of a turn beside its question; those after `tool_results` are Coze's own (open API).

    `history` is what was said before, oldest first; a `conversation_id`, from a `Reply`, goes on with
    what Coze has kept of it instead.  `resume` is the `Reply` that waits for this answer, or for these
    `tool_results`, by the `call_id` of each call; after `say`, which gives none, its `Interrupt` with the
    ids of `TurnStarted`.  Beside `tool_results` question and history are not sent: the bot knows them.
    """

    bot: str
    history: Sequence[Message]
    wants: Wants
    conversation_id: str
    chat_id: str
    user_id: str
    resume: Reply | Interrupt
    tool_results: Mapping[str, str]
    custom_variables: Mapping[str, str]
    parameters: Mapping[str, Json]
    meta_data: Mapping[str, str]
    extra_params: Mapping[str, str]
    shortcut_command: Mapping[str, Json]


def request_of(
    question: Question,
    *,
    bot: str = "",
    history: Sequence[Message] = (),
    wants: Wants = EVERYTHING,
    conversation_id: str = "",
    chat_id: str = "",
    user_id: str = "",
    resume: Reply | Interrupt | None = None,
    tool_results: Mapping[str, str] | None = None,
    **more: Any,
) -> Request:
    """The request.  Raises `BadRequest`, and `TypeError` for an unknown option, which is a defect of the program."""
    _check_options({"bot": bot, "conversation_id": conversation_id, "chat_id": chat_id, "user_id": user_id}, more)
    said = _said(question)
    if not said and not tool_results:
        if "parameters" not in more:
            raise BadRequest("The question is empty.", hint="Only a workflow's `parameters` may stand without one.")
        said = (say("user", ""),)
    _check_waiting(resume, chat_id, tool_results)
    if isinstance(resume, Reply):
        conversation_id = conversation_id or resume.conversation_id
        chat_id = chat_id or resume.chat_id
    return Request(
        messages=(*history, *said),
        bot=BotName(bot),
        conversation_id=ConversationId(conversation_id) if conversation_id else None,
        chat_id=ChatId(chat_id) if chat_id else None,
        user_id=UserId(user_id) if user_id else None,
        resume=_resume(resume),
        tool_results=_results(tool_results or {}),
        wants=wants,
        **more,
    )


def _said(question: Question) -> tuple[Message, ...]:
    """The question as a message; none where it is empty."""
    items = [question] if isinstance(question, str | Shown) else question
    parts = tuple(Text(text=healed(item)) if isinstance(item, str) else item for item in items)
    is_empty = all(part == Text(text="") for part in parts)
    return () if is_empty else (Message(role="user", parts=parts),)


def _is_whole(text: str) -> bool:
    """There is no half of a character in it, which no upstream could be sent."""
    return healed(text) == text


def _check_waiting(resume: Reply | Interrupt | None, chat_id: str, tool_results: Mapping[str, str] | None) -> None:
    """Refuse to go on with a turn that waits for nothing, or for something else."""
    if chat_id and resume is None and not tool_results:
        raise BadRequest(
            "chat_id names a turn that waits, and nothing is given that it waits for.",
            hint="Give `resume` or `tool_results` too; a conversation goes on with `conversation_id` alone.",
        )
    if not isinstance(resume, Reply) or resume.interrupt is not None:
        return
    if not resume.tool_calls:
        raise BadRequest("The reply of `resume` waits for nothing.", hint="Its `interrupt` is None; ask without it.")
    if not tool_results:
        raise BadRequest(
            "The reply of `resume` waits for the results of tools.",
            hint="Hand them in: tool_results={call.call_id: output for call in reply.tool_calls}",
        )


def _resume(waiting: Reply | Interrupt | None) -> Resume | None:
    interrupt = waiting.interrupt if isinstance(waiting, Reply) else waiting
    return Resume(event_id=interrupt.event_id, kind=interrupt.kind) if interrupt is not None else None


def _results(outputs: Mapping[str, str]) -> tuple[ToolResult, ...]:
    if not isinstance(outputs, Mapping) or not all(isinstance(each, str) for pair in outputs.items() for each in pair):
        raise BadRequest("tool_results is a dict, of each call's `call_id` to its output, both text.")
    return tuple(ToolResult(call_id=healed(call_id), output=healed(output)) for call_id, output in outputs.items())


def _check_options(names: Mapping[str, object], more: Mapping[str, object]) -> None:
    """Refuse what no upstream could send, before a call is spent.

    Raises `TypeError` for an unknown option, which is a defect of the program, else `BadRequest`.
    """
    if unknown := sorted(more.keys() - _TEXTS - _TREES):
        raise TypeError(f"{unknown[0]!r} is no option; there are {', '.join(Options.__annotations__)}")
    for name, value in names.items():
        if not isinstance(value, str):
            raise BadRequest(f"{name} is {type(value).__name__}; it must be text.")
        if not _is_whole(value):
            raise BadRequest(f"{name} holds half a character.")
    for name, value in more.items():
        if not isinstance(value, Mapping):
            raise BadRequest(f"{name} is {type(value).__name__}; it must be a dict.")
        for key, item in value.items():
            if not isinstance(key, str):
                raise BadRequest(f"{name} has a key that is {type(key).__name__}; it must be text.")
            if name in _TEXTS and not isinstance(item, str):
                raise BadRequest(f"{name}[{key[:80]!r}] is {type(item).__name__}; it must be text.")
            if not (_is_whole(key) and _is_json(item)):
                raise BadRequest(f"{name}[{key[:80]!r}] is not what JSON can say.")


def _is_json(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_whole(key) and _is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    if isinstance(value, str):
        return _is_whole(value)
    return value is None or isinstance(value, bool | int | float)
