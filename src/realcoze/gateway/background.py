"""What programs ask behind their user's back: a chat's title, its tags, what could be asked next or looked up.

Pure.  They ask the same bot for it, where each costs a call and would stand in the conversation.  They are
known by marks that come together in no question of a person:

    Open WebUI    one message: `### Task:`, a demand for JSON, each example an object with the same one of four
                  members, and at the end the chat as a text, in `<chat_history>` or under `### Chat History:`,
                  which begins with who said it, as in `USER: Hello` (or a system message, or a tool's)
    LibreChat     one message: its sentences about a title of five words, and the chat as a text in its frame

Source: the default prompts of the two programs; the tests have them.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from realcoze.domain.event import AnswerDone, Event, TextDelta, TurnDone, TurnStarted
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.request import Json, Request

LOCAL, PASS = "local", "pass"
"""What a bot does with them: answer here, or ask Coze after all.  Anything else is another bot's name."""

Kind = Literal["title", "tags", "follow_ups", "queries"]

TITLE_WORDS, TITLE_CHARACTERS = 6, 50
NO_TITLE = "New Chat"

_KINDS: Mapping[str, Kind] = {"title": "title", "tags": "tags", "follow_ups": "follow_ups", "queries": "queries"}
_ANSWERS: Mapping[Kind, Json] = {"tags": ["General"], "follow_ups": [], "queries": []}
_OBJECT = re.compile(r'\{\s*"')
_EXAMPLE = re.compile(rf'\{{\s*"({"|".join(_KINDS)})"\s*:\s*(?:"[^"\n]*"|\[[^\[\]{{}}]*\])\s*\}}')
_BEGIN, _END = "\n<chat_history>\n", "\n</chat_history>"
_SECTION = "\n### Chat History:\n"
_SPOKEN = re.compile(r"\s*(?:USER|ASSISTANT|SYSTEM|DEVELOPER|TOOL): ")
_LIBRECHAT = re.compile(
    r"Provide a concise, 5-word-or-less title for the conversation, using title case conventions\. "
    r"Only return the title itself\.\s+Conversation:\s+User: "
)
_OLDER_LIBRECHAT = re.compile(
    r"Please generate a concise, 5-word-or-less title for the conversation, using its same language, "
    r"with no punctuation\.(?: Apply title case conventions appropriate for the language\.)? "
    r'Never directly mention the language name or the word "title"\s+\|\|>User:'
)
_USER = re.compile(r"^(?:\|\|>)?user:\s*+(?!assistant:|ai:)(.+)$", re.IGNORECASE | re.MULTILINE)
_AROUND = " \t\r\"'`#*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is asked for, of which chat; `is_json` where the answer is to be an object with that one member."""

    kind: Kind
    history: str
    is_json: bool


def task_of(request: Request) -> Task | None:
    """The background request that this is; None for what somebody may have asked themselves."""
    if len(request.messages) != 1 or request.is_awaited:
        return None
    (message,) = request.messages
    if message.role != "user" or message.words is None:
        return None
    text = message.words.strip()
    return _of_open_webui(text) or _of_librechat(text)


def answer_to(task: Task) -> str:
    """What is said to it without asking anybody."""
    if not task.is_json:
        return _title(task.history)
    answer: Json = _title(task.history) if task.kind == "title" else _ANSWERS[task.kind]
    return json.dumps({task.kind: answer}, ensure_ascii=False)


def turn_of(answer: str) -> tuple[Event, ...]:
    """The events of a turn that says this."""
    message = MessageId("background")
    return (
        TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId("")),
        TextDelta(message_id=message, text=answer),
        AnswerDone(message_id=message, text=answer),
        TurnDone(),
    )


def _of_open_webui(text: str) -> Task | None:
    if not text.startswith("### Task:"):
        return None
    history, around = _apart(text.replace("\r\n", "\n"))
    examples: list[str] = _EXAMPLE.findall(around)
    if not _SPOKEN.match(history) or "JSON" not in around or len(set(examples)) != 1:
        return None
    if len(examples) != len(_OBJECT.findall(around)):
        return None
    return Task(kind=_KINDS[examples[0]], history=history, is_json=True)


def _of_librechat(text: str) -> Task | None:
    if not (_LIBRECHAT.match(text) or _OLDER_LIBRECHAT.match(text)):
        return None
    return Task(kind="title", history=text, is_json=False)


def _apart(text: str) -> tuple[str, str]:
    """The chat and what stands before it; no chat where none is marked or something comes after it."""
    before, begin, rest = text.partition(_BEGIN)
    if begin:
        return (rest.removesuffix(_END), before) if rest.endswith(_END) else ("", text)
    before, _, history = text.partition(_SECTION)
    return history, before


def _title(history: str) -> str:
    """The first words of what the user said first."""
    for said in _USER.finditer(history):
        if title := " ".join(said[1].strip(_AROUND).split()[:TITLE_WORDS])[:TITLE_CHARACTERS].rstrip():
            return title
    return NO_TITLE
