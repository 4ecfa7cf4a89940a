"""What the emulated open API remembers: conversations, chats, files; in memory, bounded, the oldest go first.

Source: docs/protocol/openapi-v3.md §5 to §8.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from realcoze.dialects.coze_open.content import decode_content
from realcoze.dialects.coze_open.objects import Message
from realcoze.domain import message as said
from realcoze.emulator.open_api.issued import Issued
from realcoze.emulator.open_api.run import ChatRun

CONVERSATIONS = 2_000
CHATS = 5_000
MESSAGES = 2_000
"""Of one conversation."""

FILES_BYTES = 64 << 20

K = TypeVar("K")
V = TypeVar("V")


@dataclass(kw_only=True)
class Conversation:
    """Times in Unix seconds; `messages` are questions and answers, oldest first."""

    id: str
    created_at: int
    section_id: str
    updated_at: int = 0
    bot_id: str = ""
    name: str = ""
    meta_data: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    running: ChatRun | None = None
    """The chat that runs in it, at most one."""

    asked: bool = False
    """Its last turn ended with a question that the next message answers."""

    void: set[str] = field(default_factory=set)
    """Chats that were cancelled: what was said in them is no context."""

    def add(self, message: Message) -> None:
        """Append; the oldest goes when there are too many."""
        self.messages.append(message)
        del self.messages[:-MESSAGES]

    def context(self) -> list[said.Message]:
        """What a bot sees of it: the messages since it was cleared last, but for those of cancelled chats."""
        here = (message for message in self.messages if message.section_id == self.section_id)
        return [spoken(message) for message in here if message.chat_id not in self.void]

    def find(self, message_id: str) -> Message | None:
        """A message by its id."""
        return next((message for message in self.messages if message.id == message_id), None)


@dataclass(frozen=True, slots=True)
class StoredFile:
    id: str
    name: str
    data: bytes
    created_at: int


class OpenState:
    """`ids` gives the names of everything that is made; `base` is known once the emulator listens."""

    def __init__(self, ids: Iterator[str]) -> None:
        self.ids = ids
        self.base = ""
        self.conversations: OrderedDict[str, Conversation] = OrderedDict()
        self.chats: OrderedDict[str, ChatRun] = OrderedDict()
        self.files: OrderedDict[str, StoredFile] = OrderedDict()
        self.issued = Issued()

    def new_conversation(self, now: int, *, bot_id: str = "") -> Conversation:
        """One that nobody can find yet; its first section has its name."""
        name = next(self.ids)
        return Conversation(id=name, created_at=now, updated_at=now, section_id=name, bot_id=bot_id)

    def keep_conversation(self, conversation: Conversation) -> None:
        """From now on it can be found."""
        self.conversations[conversation.id] = conversation
        _bound(self.conversations, CONVERSATIONS)

    def keep_chat(self, run: ChatRun) -> None:
        """From now on it can be retrieved."""
        self.chats[run.id] = run
        _bound(self.chats, CHATS)

    def new_file(self, name: str, data: bytes, now: int) -> StoredFile:
        """Keep an upload."""
        file = StoredFile(next(self.ids), name, data, now)
        self.files[file.id] = file
        while sum(len(kept.data) for kept in self.files.values()) > FILES_BYTES and len(self.files) > 1:
            self.files.popitem(last=False)
        return file

    def find_file(self, key: str) -> bytes | None:
        """The bytes of an upload."""
        file = self.files.get(key)
        return file.data if file else None


def spoken(message: Message) -> said.Message:
    """A message of the wire as one of the domain.  Raises `BadRequest`."""
    parts = decode_content(message.content or "", message.content_type or "text")
    return said.Message(role="assistant" if message.role == "assistant" else "user", parts=parts)


def page(items: Iterable[V], number: int, size: int) -> tuple[list[V], bool]:
    """One page (from 1), and whether there are more."""
    everything = list(items)
    end = number * size
    return everything[end - size : end], end < len(everything)


def _bound(kept: "OrderedDict[K, V]", most: int) -> None:
    while len(kept) > most:
        kept.popitem(last=False)
