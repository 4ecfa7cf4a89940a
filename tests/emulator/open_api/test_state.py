from itertools import count

import pytest

from realcoze.dialects.coze_open.objects import Message
from realcoze.domain.content import Image, Text
from realcoze.emulator.open_api import state as remembered
from realcoze.emulator.open_api.state import Conversation, OpenState, page, spoken


def state() -> OpenState:
    return OpenState(map(str, count(1)))


def message(number: int, **more: str) -> Message:
    return Message(id=str(number), role="user", content=f"number {number}", section_id="s", **more)


def test_a_conversation_is_found_only_when_it_is_kept() -> None:
    kept = state()
    made = kept.new_conversation(10, bot_id="b")
    assert (made.id, made.section_id, made.created_at, made.bot_id) == ("1", "1", 10, "b")
    assert kept.conversations == {}
    kept.keep_conversation(made)
    assert kept.conversations == {"1": made}


def test_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "CONVERSATIONS", 2)
    monkeypatch.setattr(remembered, "FILES_BYTES", 10)
    monkeypatch.setattr(remembered, "MESSAGES", 2)
    kept = state()
    for _ in range(3):
        kept.keep_conversation(kept.new_conversation(0))
    assert list(kept.conversations) == ["2", "3"]
    files = [kept.new_file("a", bytes(size), 0) for size in (4, 4, 4, 40)]
    assert list(kept.files) == [files[-1].id]
    conversation = Conversation(id="c", created_at=0, section_id="s")
    for number in range(3):
        conversation.add(message(number))
    assert [kept.id for kept in conversation.messages] == ["1", "2"]


def test_the_context_is_this_section_without_cancelled_chats() -> None:
    conversation = Conversation(id="c", created_at=0, section_id="s", void={"bad"})
    conversation.add(Message(id="0", role="user", content="old", section_id="before"))
    conversation.add(message(1))
    conversation.add(message(2, chat_id="bad"))
    conversation.add(message(3, chat_id="good"))
    assert [said.text for said in conversation.context()] == ["number 1", "number 3"]
    assert conversation.find("2") is conversation.messages[2]
    assert conversation.find("9") is None


def test_a_file_is_found_by_its_id() -> None:
    kept = state()
    file = kept.new_file("a", b"hello", 0)
    assert (kept.find_file(file.id), kept.find_file("9")) == (b"hello", None)


def test_a_message_of_the_wire_is_one_of_ours() -> None:
    content = '[{"type":"text","text":"look"},{"type":"image","file_id":"7"}]'
    said = spoken(Message(role="user", content=content, content_type="object_string"))
    assert (said.role, said.parts) == ("user", (Text(text="look"), Image(key="7")))
    assert spoken(Message(role="assistant")).role == "assistant"


@pytest.mark.parametrize(
    ("number", "items", "has_more"), [(1, [0, 1], True), (2, [2, 3], True), (3, [4], False), (4, [], False)]
)
def test_a_list_comes_in_pages(number: int, items: list[int], has_more: bool) -> None:  # noqa: FBT001 - a parameter
    assert page(range(5), number, 2) == (items, has_more)
