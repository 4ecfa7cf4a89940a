import asyncio
from itertools import count

import pytest

from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.domain.event import AnswerDone, Suggestion, TextDelta, TurnDone, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.open_api.answer import answer
from realcoze.emulator.open_api.run import ChatRun

ID = MessageId("m")
EVENTS = (
    TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("")),
    TextDelta(message_id=ID, text="one"),
    AnswerDone(message_id=ID, text="one"),
    Suggestion(text="more?"),
    TurnDone(),
)
IDS = ChatIds(chat_id="11", conversation_id="12", bot_id="13", section_id="14", created_at=15)


def run(stuck_at: int | None = None) -> tuple[ChatRun, list[str]]:
    """A chat, and how it was over each time that it said so."""
    over: list[str] = []
    made = ChatRun(answer(EVENTS, ChatStreamEncoder, IDS, map(str, count())), stuck_at=stuck_at, meta_data={"a": "b"})
    made.when_over = lambda ended: over.append(ended.chat.status or "")
    return made, over


async def test_a_chat_is_in_progress_until_all_is_said() -> None:
    chat, over = run()
    assert (chat.id, chat.conversation_id, chat.messages, chat.has_ended) == ("11", "12", (), False)
    assert (chat.chat.status, chat.chat.meta_data) == ("in_progress", {"a": "b"})
    await chat.play(None)
    assert (chat.chat.status, [message.type for message in chat.messages]) == (
        "completed",
        ["answer", "verbose", "follow_up"],
    )
    assert (chat.has_ended, over) == (True, ["completed"])


async def test_somebody_may_wait_for_a_part_of_it() -> None:
    chat, _ = run()
    playing = asyncio.create_task(chat.play(None))
    await chat.reached(2)
    assert chat.done < len(chat.answer.blocks)
    await chat.reached(1000)
    assert chat.done == len(chat.answer.blocks)
    await playing


async def test_a_stuck_chat_never_ends_but_by_a_cancel() -> None:
    chat, over = run(stuck_at=3)
    await chat.play(None)
    assert (chat.done, chat.chat.status, over) == (3, "in_progress", [])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(chat.reached(4), 0.01)
    chat.cancel("canceled")
    assert (chat.chat.status, chat.has_ended, over) == ("canceled", True, ["canceled"])


async def test_a_cancelled_chat_goes_on_under_its_new_name_and_is_over_once() -> None:
    chat, over = run()
    chat.cancel("cancelled")
    await chat.play(None)
    assert (chat.done, chat.chat.status, over) == (len(chat.answer.blocks), "cancelled", ["cancelled"])


async def test_a_chat_is_over_with_its_last_event_and_not_with_the_end_of_the_stream() -> None:
    chat, over = run(stuck_at=len(run()[0].answer.blocks) - 1)
    await chat.play(None)
    assert (chat.answer.blocks[chat.done].name, chat.chat.status, over) == ("done", "completed", ["completed"])
