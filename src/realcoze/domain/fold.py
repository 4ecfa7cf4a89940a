"""Events → one reply: the only accumulator, used by every answer that is not streamed."""

from dataclasses import dataclass
from typing import assert_never

from realcoze.domain.event import (
    AnswerDone,
    AudioDelta,
    Event,
    InputRequested,
    Interrupt,
    ReasoningDelta,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    ToolCallsRequested,
    TurnDone,
    TurnFailed,
    TurnStarted,
    Unknown,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.tool import ToolCall
from realcoze.errors import Truncated

BETWEEN_MESSAGES = "\n\n"
"""What stands between two messages of one answer when they become one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One whole turn.  `text` is the answer, its messages in the order they began, or else what the bot asks."""

    text: str
    reasoning: str = ""
    steps: tuple[Step, ...] = ()
    suggestions: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    interrupt: Interrupt | None = None
    audio: bytes = b""
    audio_format: str = ""
    usage: Usage | None = None
    chat_id: ChatId = ChatId("")
    conversation_id: ConversationId = ConversationId("")


class Words:
    """What the bot says in one turn: its messages, in the order in which they began.

    The texts are kept and not their events, of which each would be one more piece of memory that is found in no
    cache when the turn is over (docs/decisions/0022).
    """

    __slots__ = ("_messages", "_pieces", "_speaking")

    def __init__(self) -> None:
        self._messages: dict[MessageId, list[str]] = {}
        self._speaking: MessageId | None = None
        self._pieces: list[str] = []
        """Those of the message that spoke last."""

    def __str__(self) -> str:
        texts = ("".join(pieces) for pieces in self._messages.values())
        return BETWEEN_MESSAGES.join(text for text in texts if text)

    def feed(self, event: TextDelta | TextReplaced | AnswerDone) -> None:
        if event.message_id != self._speaking:
            self._speaking = event.message_id
            self._pieces = self._messages.setdefault(event.message_id, [])
        if type(event) is not TextDelta:
            self._pieces.clear()
        self._pieces.append(event.text)


class Fold:
    """Gathers the events of one turn.

    `feed` never raises; `finish` gives the reply, raises the error of a turn that failed, and
    raises `Truncated` when no end was seen.  `text` may be read at any time.
    """

    def __init__(self) -> None:
        self._words = Words()
        self._reasoning: list[str] = []
        self._steps: list[Step] = []
        self._suggestions: list[str] = []
        self._audio: list[bytes] = []
        self._audio_format = ""
        self._usage: Usage | None = None
        self._started = TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
        self._end: TurnDone | TurnFailed | ToolCallsRequested | InputRequested | None = None

    @property
    def text(self) -> str:
        """The answer so far.  A turn that ends with a question and no word has the question for its answer."""
        return self.words or question_of(self._end)

    @property
    def words(self) -> str:
        """What the bot itself has said so far."""
        return str(self._words)

    def feed(self, event: Event) -> None:
        """Take one event; what a reply has no place for is passed over."""
        match event:
            case TextDelta() | TextReplaced() | AnswerDone():
                self._words.feed(event)
            case ReasoningDelta():
                self._reasoning.append(event.text)
            case Step():
                self._steps.append(event)
            case Suggestion():
                self._suggestions.append(event.text)
            case AudioDelta():
                self._audio.append(event.audio)
                self._audio_format = event.format
            case Usage():
                self._usage = event
            case TurnStarted():
                self._started = event
            case TurnDone() | TurnFailed() | ToolCallsRequested() | InputRequested():
                self._end = event
            case Unknown():
                pass
            case _:
                assert_never(event)

    def finish(self) -> Reply:
        """The reply.  Raises the turn's own error, or `Truncated` when it never ended."""
        end = self._end
        if end is None:
            raise Truncated("The answer ended before it was complete.")
        if isinstance(end, TurnFailed):
            raise end.error
        return Reply(
            text=self.text,
            reasoning="".join(self._reasoning),
            steps=tuple(self._steps),
            suggestions=tuple(self._suggestions),
            tool_calls=end.calls if isinstance(end, ToolCallsRequested) else (),
            interrupt=end.interrupt if isinstance(end, InputRequested) else None,
            audio=b"".join(self._audio),
            audio_format=self._audio_format,
            usage=self._usage,
            chat_id=self._started.chat_id,
            conversation_id=self._started.conversation_id,
        )


def question_of(end: Event | None) -> str:
    """What stands for the text of a turn that ended without a word: the bot's question, if it asks one."""
    return end.interrupt.question if isinstance(end, InputRequested) else ""
