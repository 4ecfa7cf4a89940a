from itertools import count

import pytest

from realcoze.dialects.coze_open.chat import EnterMessage
from realcoze.dialects.coze_open.stream_encoder import ChatIds, ChatStreamEncoder
from realcoze.domain.event import AnswerDone, Event, Suggestion, TurnDone, TurnFailed, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.emulator.open_api.answer import answer
from realcoze.emulator.open_api.desk import Desk
from realcoze.emulator.open_api.exchange import conclude, conversation_for, entered, free
from realcoze.emulator.open_api.personality import CozeCom, Refused
from realcoze.emulator.open_api.plan import Plan
from realcoze.emulator.open_api.run import ChatRun
from realcoze.emulator.open_api.settings import OpenSettings
from realcoze.emulator.open_api.state import Conversation, OpenState
from realcoze.emulator.open_api.studio import Studio
from realcoze.emulator.wire import ignore
from realcoze.errors import UpstreamFailed

IDS = ChatIds(chat_id="11", conversation_id="12", bot_id="13", section_id="14", created_at=15)


def desk(personality: CozeCom | None = None) -> Desk:
    settings = OpenSettings()
    state = OpenState(map(str, count(100)))
    return Desk(settings, personality or CozeCom(), state, ignore, Plan(settings, lambda: 0.0))


def run(end: Event) -> ChatRun:
    said = AnswerDone(message_id=MessageId("m"), text="Hi")
    begun = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    return ChatRun(answer((begun, said, Suggestion(text="?"), end), ChatStreamEncoder, IDS, map(str, count(200))))


def conversation() -> Conversation:
    return Conversation(id="12", created_at=0, section_id="14")


def test_a_new_conversation_can_be_found_where_it_is_saved() -> None:
    at = desk()
    kept = conversation_for(at, "", bot_id="7", is_saved=True)
    lost = conversation_for(at, "", bot_id="7", is_saved=False)
    assert list(at.state.conversations) == [kept.id]
    assert lost.id != kept.id
    assert conversation_for(at, kept.id, bot_id="8", is_saved=True) is kept


def test_a_conversation_that_is_not_there_is_refused_or_made_anew() -> None:
    with pytest.raises(Refused, match="4002"):
        conversation_for(desk(), "1", bot_id="7", is_saved=True)
    assert conversation_for(desk(Studio()), "1", bot_id="7", is_saved=True).id != "1"


def test_a_conversation_with_a_running_chat_is_occupied_but_in_studio() -> None:
    for at, is_refused in ((desk(), True), (desk(Studio()), False)):
        kept = conversation_for(at, "", bot_id="7", is_saved=True)
        kept.running = run(TurnDone())
        if is_refused:
            with pytest.raises(Refused, match="4016"):
                conversation_for(at, kept.id, bot_id="7", is_saved=True)
        else:
            assert conversation_for(at, kept.id, bot_id="7", is_saved=True) is kept


@pytest.mark.parametrize(("role", "kind"), [("user", "question"), ("assistant", "answer")])
def test_what_is_entered_has_the_names_of_its_chat(role: str, kind: str) -> None:
    message = entered(EnterMessage(role=role, content="Hi"), IDS, "16")
    assert (message.id, message.chat_id, message.conversation_id, message.type) == ("16", "11", "12", kind)
    assert (message.content, message.content_type, message.created_at) == ("Hi", "text", 15)


async def test_the_answer_of_a_complete_chat_is_kept() -> None:
    chat, place = run(TurnDone()), conversation()
    place.running = chat
    await chat.play(None)
    conclude(place, chat)
    assert [message.content for message in place.messages] == ["Hi"]
    assert (place.running is None, place.void) == (True, set())


@pytest.mark.parametrize("is_cancelled", [True, False])
async def test_what_was_said_in_a_chat_that_is_not_is_no_context(is_cancelled: bool) -> None:  # noqa: FBT001 - a case
    chat = run(TurnDone() if is_cancelled else TurnFailed(error=UpstreamFailed("no")))
    place = conversation()
    await chat.play(None)
    if is_cancelled:
        chat.cancel("canceled")
    conclude(place, chat)
    assert (place.messages, place.void) == ([], {"11"})


def test_only_the_chat_that_runs_frees_its_conversation() -> None:
    chat, place = run(TurnDone()), conversation()
    for ended, rest in ((run(TurnDone()), chat), (chat, None)):
        place.running = chat
        free(place, ended)
        assert place.running is rest
