"""The request that goes on with a turn which waits, for results of tools or for an answer."""

from collections.abc import Iterable

from msgspec.structs import replace

from realcoze.domain.event import Interrupt, TurnStarted
from realcoze.domain.fold import Reply
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import ToolResult


def with_results(asked: Request, turn: TurnStarted | Reply, results: Iterable[ToolResult]) -> Request:
    """What hands the results in, to the turn that `asked` began.  The bot knows the rest: nothing is said again."""
    conversation_id, chat_id = _place(asked, turn)
    return Request(
        messages=(),
        bot=asked.bot,
        user_id=asked.user_id,
        conversation_id=conversation_id,
        chat_id=chat_id,
        tool_results=tuple(results),
        wants=asked.wants,
    )


def with_answer(asked: Request, turn: TurnStarted | Reply, interrupt: Interrupt) -> Request:
    """The same request, its last message the answer to the question of `turn`."""
    conversation_id, chat_id = _place(asked, turn)
    resume = Resume(event_id=interrupt.event_id, kind=interrupt.kind)
    return replace(asked, resume=resume, conversation_id=conversation_id, chat_id=chat_id)


def _place(asked: Request, turn: TurnStarted | Reply) -> tuple[ConversationId | None, ChatId | None]:
    """A turn that did not say where it is, is where it was asked to be."""
    return turn.conversation_id or asked.conversation_id, turn.chat_id or asked.chat_id
