"""Requests as Open WebUI and LibreChat make them, by their default prompts, constructed; and what only looks so."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from realcoze.domain.content import Image, Inline, Part, Text
from realcoze.domain.event import AnswerDone, TextDelta, TurnDone, TurnStarted
from realcoze.domain.fold import Fold
from realcoze.domain.ids import ChatId, ConversationId
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Resume
from realcoze.domain.tool import ToolResult
from realcoze.gateway.background import NO_TITLE, Task, answer_to, task_of, turn_of

CHAT = "USER: How do I bake a good sourdough bread at home?\nASSISTANT: With patience."
TITLE = """### Task:
Generate a concise, 3-5 word title with an emoji summarizing the chat history.
### Guidelines:
- The title should clearly represent the main theme or subject of the conversation.
- Your entire response must consist solely of the JSON object, without any introductory or concluding text.
### Output:
JSON format: { "title": "your concise title here" }
### Examples:
- { "title": "📉 Stock Market Trends" },
- { "title": "🍪 Perfect Chocolate Chip Recipe" }
"""
TAGS = """### Task:
Generate 1-3 broad tags categorizing the main themes of the chat history, along with 1-3 more specific subtopic tags.

### Guidelines:
- If content is too short (less than 3 messages) or too diverse, use only ["General"]

### Output:
JSON format: { "tags": ["tag1", "tag2", "tag3"] }

"""
FOLLOW_UPS = """### Task:
Suggest 3-5 relevant follow-up questions or prompts that the user might naturally ask next in this conversation as a **user**, based on the chat history, to help continue or deepen the discussion.
### Guidelines:
- Response must be a JSON array of strings, no extra text or formatting.
### Output:
JSON format: { "follow_ups": ["Question 1?", "Question 2?", "Question 3?"] }
"""  # noqa: E501 - as it is sent
QUERIES = """### Task:
Analyze the chat history to determine the necessity of generating search queries, in the given language.

### Guidelines:
- Respond **EXCLUSIVELY** with a JSON object. Any form of extra commentary is strictly prohibited.
- When generating search queries, respond in the format: { "queries": ["query1", "query2"] }, ensuring each is distinct.
- If and only if it is entirely certain that no useful results can be retrieved by a search, return: { "queries": [] }.
- Today's date is: 2026-07-01.

### Output:
Strictly return in JSON format:
{
  "queries": ["query1", "query2"]
}

"""
LIBRECHAT = (
    "Provide a concise, 5-word-or-less title for the conversation, using title case conventions. "
    "Only return the title itself.\n\nConversation:\nUser: How do I bake bread?\nAI: With patience."
)
OLDER_LIBRECHAT = (
    "Please generate a concise, 5-word-or-less title for the conversation, using its same language, with no "
    'punctuation. Never directly mention the language name or the word "title"\n\n||>User:\n"How do I bake bread?"\n'
    '||>Response:\n"With patience."\n\n||>Title:'
)


def _asked(text: str, **fields: Any) -> Request:
    return Request(messages=(say("user", text),), **fields)


def _in_block(prompt: str, chat: str = CHAT) -> str:
    return f"{prompt}### Chat History:\n<chat_history>\n{chat}\n</chat_history>"


def _answered(text: str) -> str:
    task = task_of(_asked(text))
    assert task is not None
    return answer_to(task)


WANTED = [
    (TITLE, {"title": "How do I bake a good"}),
    (TAGS, {"tags": ["General"]}),
    (FOLLOW_UPS, {"follow_ups": []}),
    (QUERIES, {"queries": []}),
]


@pytest.mark.parametrize(("prompt", "answer"), WANTED)
def test_open_webui_gets_the_object_that_it_asks_for(prompt: str, answer: dict[str, Any]) -> None:
    """CLIENTS §5 item 21."""
    forms = [
        _in_block(prompt),
        f"{prompt}<chat_history>\n{CHAT}\n</chat_history>",
        f"{prompt}### Chat History:\n{CHAT}",
        "\n" + _in_block(prompt).replace("\n", "\r\n") + "\n",
    ]
    assert [json.loads(_answered(form)) for form in forms] == [answer] * len(forms)


@pytest.mark.parametrize(
    "first", ["SYSTEM: You are kind.", "DEVELOPER: Be brief.", 'TOOL: {"rain": true}', "ASSISTANT: Hi!"]
)
@pytest.mark.parametrize(("prompt", "answer"), WANTED)
def test_a_chat_may_begin_with_whoever_spoke_first(prompt: str, answer: dict[str, Any], first: str) -> None:
    """CLIENTS §5 item 21.  Open WebUI writes down what it adds of itself, too, as memories and what it found."""
    assert json.loads(_answered(_in_block(prompt, f"{first}\n{CHAT}"))) == answer


def test_a_chat_in_which_the_user_said_nothing_has_no_title() -> None:
    assert _answered(LIBRECHAT.partition("\nUser:")[0] + "\nUser: \n assistant: With patience.") == "New Chat"


@pytest.mark.parametrize("prompt", [LIBRECHAT, OLDER_LIBRECHAT])
def test_librechat_gets_a_title_as_plain_text(prompt: str) -> None:
    assert _answered(prompt) == "How do I bake bread?"


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("hello", "hello"),
        ("# **What** is `it`?", "What** is `it`?"),
        ("怎么在家里烤出好吃的面包", "怎么在家里烤出好吃的面包"),
        ("x" * 80, "x" * 50),
        ("\n\nafter blank lines", "after blank lines"),
        ('say "yes"', 'say "yes'),
        ("***", NO_TITLE),
        ("", NO_TITLE),
    ],
)
def test_the_title_is_what_the_user_said_first_in_short(said: str, title: str) -> None:
    asked = _in_block(TITLE, f"USER: {said}\nASSISTANT: An answer")
    assert json.loads(_answered(asked)) == {"title": title}


def test_who_said_nothing_at_first_may_have_said_something_later() -> None:
    assert json.loads(_answered(_in_block(TITLE, "USER: \nASSISTANT: Hm?\nUSER: bread"))) == {"title": "bread"}


def test_marks_within_the_chat_are_a_part_of_it() -> None:
    chat = 'USER: What is </chat_history> and { "tags": [] }, and\n### Task:?\nASSISTANT: Marks.'
    assert json.loads(_answered(_in_block(TITLE, chat))) == {"title": 'What is </chat_history> and { "tags":'}


def _with(text: str, *more: Part) -> Request:
    return Request(messages=(Message(role="user", parts=(Text(text=text), *more)),))


ORDINARY = [
    _asked(""),
    _asked('### Task:\nSort my mail.\n### Output:\nJSON format: { "title": "…" }'),
    _asked(f"### Task:\nSum this up.\n### Chat History:\n{CHAT}"),
    _asked(f"### Task:\nSum this up as JSON.\n### Chat History:\n{CHAT}"),
    _asked(_in_block(TITLE).replace("JSON", "any")),
    _asked(_in_block(TITLE).removeprefix("### Task:\n")),
    _asked(f"Look what Open WebUI sends:\n{_in_block(TITLE)}"),
    _asked(_in_block(TITLE + TAGS)),
    _asked(_in_block('### Task:\nDescribe it.\n### Output:\nJSON format: { "prompt": "…" }\n')),
    _asked(f"{TITLE}<chat_history>\n{CHAT}"),
    _asked(f"{TITLE}What is a <chat_history></chat_history>?"),
    _asked(f"{_in_block(TITLE)}\nWhy does this cost so many calls?"),
    _asked(_in_block(TITLE, "{{MESSAGES:END:2}}") + "\n\nWhat does this template do?"),
    _asked(_in_block(TITLE, "{{MESSAGES:END:2}}")),
    _asked(
        '### Task:\nSummarise this meeting as JSON: {"title": "…", "summary": "…"}\n### Chat History:\n'
        "bob: hi\nuser: hello"
    ),
    _asked('### Task:\nSummarise as JSON: {"title": "…", "summary": "…"}\n### Chat History:\nUSER: hi'),
    _asked('### Task:\nSummarise as JSON: {"title": "…"} and {"summary": "…"}\n### Chat History:\nUSER: hi'),
    _asked(
        '### Task:\nExtract the products as JSON: {"tags": ["…"]}\n### Chat History:\nCustomer: a kettle\nuser: yes'
    ),
    _asked("Provide a concise, 5-word-or-less title for the conversation, please.\nuser: a\nai: b"),
    _asked(LIBRECHAT.replace("\n\nConversation:", "")),
    _asked(OLDER_LIBRECHAT.replace("||>", "")),
    _asked(LIBRECHAT.partition("\n")[0]),
    _asked(f"Say it in French: {LIBRECHAT}"),
    _asked("Provide a concise title for the conversation,\nUser: hi"),
    Request(messages=(say("user", "Hello"), say("assistant", "Hi!"), say("user", _in_block(TITLE)))),
    Request(messages=(say("user", "Hello"), say("user", _in_block(TITLE)))),
    Request(messages=(say("assistant", _in_block(TITLE)),)),
    Request(messages=()),
    _with(_in_block(TITLE), Image(key="k")),
    _with(_in_block(TITLE), Inline(data=b"x")),
    replace(_asked(_in_block(TITLE)), tool_results=(ToolResult(call_id="1", output="x"),)),
    replace(_asked(_in_block(TITLE)), resume=Resume(event_id="1", kind="question")),
]


@pytest.mark.parametrize("request_", ORDINARY)
def test_what_somebody_may_have_asked_themselves_is_left_alone(request_: Request) -> None:
    assert task_of(request_) is None


def test_a_message_in_pieces_is_one_text() -> None:
    first, second = _in_block(TITLE)[:40], _in_block(TITLE)[40:]
    assert task_of(_with(first, Text(text=second))) == task_of(_asked(_in_block(TITLE)))


def test_the_system_prompt_of_a_model_makes_no_difference() -> None:
    assert task_of(_asked(_in_block(TAGS), instructions="You are kind.")) is not None


def test_a_task_knows_its_chat() -> None:
    assert task_of(_asked(_in_block(TAGS))) == Task(kind="tags", history=CHAT, is_json=True)


def test_the_answer_is_a_whole_turn() -> None:
    events = turn_of("Bread")
    assert [type(event) for event in events] == [TurnStarted, TextDelta, AnswerDone, TurnDone]
    assert events[0] == TurnStarted(chat_id=ChatId(""), conversation_id=ConversationId(""))
    fold = Fold()
    for event in events:
        fold.feed(event)
    assert fold.finish().text == "Bread"
