"""What is sent for a request, and how its answer is read: a chat, a workflow, or the rest of one of them.

Pure.  Source: docs/protocol/openapi-v3.md §5, §5.2, §10.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import msgspec
from msgspec.structs import replace

from realcoze.dialects.coze_open import submission, workflow
from realcoze.dialects.coze_open.chat import chat_target, encode_chat
from realcoze.dialects.coze_open.ending import NEXT_MESSAGE, REPLY_MESSAGE
from realcoze.dialects.coze_open.stream import NOTHING_TOLD, ChatStreamDecoder, Told
from realcoze.dialects.coze_open.workflow_stream import WorkflowStreamDecoder
from realcoze.domain.event import Event
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import refuse_nothing, split_at_answer
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import ToolResult
from realcoze.errors import BadRequest
from realcoze.upstreams.coze_open.settings import Target

_IN_WORKFLOWS = frozenset({"question", "input", "plugin", "oauth"})


class Decoder(Protocol):
    """What both decoders of streams offer."""

    chat_id: ChatId
    conversation_id: ConversationId
    has_chat: bool
    strays: int
    beats: int
    debug_url: str
    is_complete: bool

    def feed(self, chunk: bytes) -> list[Event]: ...
    def finish(self) -> list[Event]: ...


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """A call that begins a turn, or goes on with one.  `target` is a path with its query."""

    target: str
    body: bytes
    new_decoder: Callable[[], Decoder]
    may_be_silent: bool = False
    """The nodes of a workflow may take their time (`workflow_idle`)."""

    is_kept: bool = True
    """Coze keeps the turn: it can be stopped, and asked for when its stream breaks off."""

    can_recover: bool = True
    """What Coze would tell of the chat can be told from what its caller has had in a turn before."""


def asking_for(request: Request, target: Target, *, user_id: str, new_name: str, told: Told | None = None) -> Asking:
    """The call for one request.  Raises `BadRequest` for what the target cannot do.

    `new_name` is for a conversation that has to have one: nobody else's.  `told` is what the turn that
    waits has told of its chat, where that is known.
    """
    if not target.saves_history and target.kind != "bot":
        raise BadRequest(
            f"Coze keeps what a {target.kind} does; it cannot be private.",
            code="not_supported_by_upstream",
            hint="Set `private` to false.",
        )
    answer = _answer_of(request)
    if target.kind == "workflow":
        return _workflow(request, target, user_id, answer)
    results, resume = request.tool_results, request.resume
    if resume is not None and resume.kind == REPLY_MESSAGE:
        results = (ToolResult(call_id=resume.event_id, output=answer),)
    if results:
        return _submission(request, target, results, told)
    if resume is not None:
        request = _answering(request, resume)
    if target.kind == "chatflow":
        return _chatflow(request, target, user_id, new_name)
    if not (request.parameters or request.shortcut_command):
        refuse_nothing(request.messages)
    return Asking(
        target=chat_target(request.conversation_id),
        body=encode_chat(request, bot_id=target.id, user_id=user_id, saves_history=target.saves_history),
        new_decoder=ChatStreamDecoder,
        is_kept=target.saves_history,
    )


def _answer_of(request: Request) -> str:
    """The words that answer the question of a turn that waits; none where there is no question.

    Raises `BadRequest` for an answer that Coze's calls have no place for.
    """
    if request.resume is None:
        return ""
    if request.tool_results:
        raise BadRequest("A turn waits for results of tools or for an answer, and not for both.")
    last = request.messages[-1] if request.messages else None
    if last is None or not last.words:
        raise BadRequest("The answer to a question is words, in the last message.")
    return last.words


def _answering(request: Request, resume: Resume) -> Request:
    """The chat that answers a question by being the next of its conversation."""
    if resume.kind != NEXT_MESSAGE:
        raise BadRequest(_no_such_question(resume), code="not_supported_by_upstream")
    if not request.conversation_id:
        raise BadRequest("A question of this kind is answered in its conversation; conversation_id is missing.")
    return replace(request, messages=split_at_answer(request.messages)[1])


def _chatflow(request: Request, target: Target, user_id: str, new_name: str) -> Asking:
    """Studio begins no conversation of a chatflow that has neither id nor name (studio-web §5.5)."""
    if not request.conversation_id:
        parameters = {workflow.CONVERSATION_NAME: new_name, **request.parameters}
        request = replace(request, parameters=parameters)
    body = workflow.encode_chatflow(
        request, workflow_id=target.id, bot_id=target.bot_id, app_id=target.app_id, user_id=user_id
    )
    return Asking(target=workflow.CHATFLOW_PATH, body=body, new_decoder=ChatStreamDecoder, may_be_silent=True)


def _workflow(request: Request, target: Target, user_id: str, answer: str) -> Asking:
    resume = request.resume
    if request.tool_results:
        raise BadRequest("A workflow takes no results of tools; it asks questions.", code="not_supported_by_upstream")
    if resume is None:
        body = workflow.encode_run(
            target.id,
            workflow.parameters_of(request, target.input_name),
            bot_id=target.bot_id,
            app_id=target.app_id,
            user_id=user_id,
            extra_params=request.extra_params,
        )
        path = workflow.STREAM_PATH
    else:
        body = workflow.encode_resume(target.id, event_id=resume.event_id, kind=resume.kind, answer=answer)
        path = workflow.RESUME_PATH
    return Asking(target=path, body=body, new_decoder=WorkflowStreamDecoder, may_be_silent=True, is_kept=False)


def _submission(request: Request, target: Target, results: Iterable[ToolResult], told: Told | None) -> Asking:
    if not target.saves_history:
        raise BadRequest(
            "A private bot's turn cannot be gone on with: Coze keeps nothing of it.",
            code="not_supported_by_upstream",
            hint="Set `private` of the bot to false to use tools.",
        )
    if not (request.conversation_id and request.chat_id):
        raise BadRequest(
            "Results of tools need the conversation_id and the chat_id of the turn that asked for them.",
            hint="Both stand in that turn's answer, or in the first record of its stream.",
        )
    return Asking(
        target=submission.submission_target(request.conversation_id, request.chat_id),
        body=submission.encode_submission(results),
        new_decoder=partial(ChatStreamDecoder, told=told or NOTHING_TOLD),
        may_be_silent=target.kind == "chatflow",
        can_recover=told is not None,
    )


def _no_such_question(resume: Resume) -> str:
    if resume.kind in _IN_WORKFLOWS:
        return f"A question of the kind {resume.kind!r} is a workflow's, and this is none."
    return f"There is no question of the kind {resume.kind[:40]!r}."
