"""A turn's place in its conversation: the one it is in, what it enters there, what remains of it.

Source: docs/protocol/openapi-v3.md §5, §7.
"""

import time

from realcoze.dialects.coze_open.chat import EnterMessage
from realcoze.dialects.coze_open.objects import Message
from realcoze.dialects.coze_open.stream_encoder import ChatIds
from realcoze.emulator.open_api.desk import Desk
from realcoze.emulator.open_api.personality import Refused
from realcoze.emulator.open_api.run import ChatRun
from realcoze.emulator.open_api.state import Conversation


def conversation_for(desk: Desk, conversation_id: str, *, bot_id: str, is_saved: bool) -> Conversation:
    """The one that was asked for, or a new one.  Raises `Refused`."""
    state, personality = desk.state, desk.personality
    if conversation_id in state.conversations:
        return unoccupied(desk, state.conversations[conversation_id])
    if conversation_id and not personality.makes_unknown_conversations:
        raise Refused(4002, f"invalid conversation {conversation_id[:40]}: not found")
    conversation = state.new_conversation(now(), bot_id=bot_id)
    if is_saved:
        state.keep_conversation(conversation)
    return conversation


def unoccupied(desk: Desk, conversation: Conversation) -> Conversation:
    """The conversation, if a chat may run in it now.  Raises `Refused`."""
    if conversation.running is not None and desk.personality.runs_one_chat_at_a_time:
        raise Refused(4016, "Conversation occupied: another chat is running in it.")
    return conversation


def entered(message: EnterMessage, ids: ChatIds, message_id: str) -> Message:
    """A message that came with a chat, as it is kept."""
    return Message(
        id=message_id,
        conversation_id=ids.conversation_id,
        bot_id=ids.bot_id,
        chat_id=ids.chat_id,
        role=message.role,
        type="answer" if message.role == "assistant" else "question",
        content=message.content or "",
        content_type=message.content_type or "text",
        section_id=ids.section_id,
        created_at=ids.created_at,
        updated_at=ids.created_at,
    )


def conclude(conversation: Conversation, run: ChatRun) -> None:
    """Free the conversation; keep the answer of a chat that is complete."""
    free(conversation, run)
    if run.cancelled_as or run.chat.status != "completed":
        conversation.void.add(run.id)
        return
    for message in run.messages:
        if message.type == "answer":
            conversation.add(message)


def free(conversation: Conversation, run: ChatRun) -> None:
    """Another chat may run in it."""
    if conversation.running is run:
        conversation.running = None


def now() -> int:
    """The time in Unix seconds."""
    return int(time.time())
