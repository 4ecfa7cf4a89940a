"""What the emulated bots say: a pure function of the bot, the history and a source of chance."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from realcoze.dialects.coze_playground.upload import crc32_hex
from realcoze.domain.content import Image, MediaPart
from realcoze.domain.event import (
    AnswerDone,
    Event,
    Step,
    Suggestion,
    TextDelta,
    TextReplaced,
    TurnDone,
    TurnStarted,
    Usage,
)
from realcoze.domain.ids import ChatId, ConversationId, MessageId
from realcoze.domain.media import media_of
from realcoze.domain.message import Message
from realcoze.emulator.drawing import path_of
from realcoze.emulator.fault import Fault, without_mark
from realcoze.emulator.reckoner import reckon

MOST_PIECES = 400
"""An answer comes in this many pieces at most: Coze too sends long ones in bigger bites."""

_TOKEN = re.compile(r"\s*(?:[A-Za-z0-9_'-]+|[^\sA-Za-z0-9])|\s+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NAME = re.compile(
    r"\b(?:my name is|i am called|i am|i'm|call me) +([\w-]+)|我(?:叫|的名字是)\s*([\w-]{1,12})", re.IGNORECASE
)
_RECALL = re.compile(r"remember|what did i (?:just )?say|记得|刚刚说|说了什么", re.IGNORECASE)
_WHO = re.compile(r"who am i\b|what(?:'s| is) my name\b|我是谁|我叫什么|我的名字是什么", re.IGNORECASE)
_DRAW = re.compile(r"\b(?:draw|paint)(?: me)? +([^\n]+)|画(?:一张|一个|一只|一幅)?([^\n]+)", re.IGNORECASE)
_CITIES = {
    "Berlin": "柏林", "Paris": "巴黎", "London": "伦敦", "Madrid": "马德里", "Rome": "罗马", "Vienna": "维也纳",
    "Moscow": "莫斯科", "New York": "纽约", "San Francisco": "旧金山", "Singapore": "新加坡", "Sydney": "悉尼",
    "Tokyo": "东京", "Seoul": "首尔", "Beijing": "北京", "Shanghai": "上海", "Guangzhou": "广州", "Shenzhen": "深圳",
    "Hangzhou": "杭州", "Nanjing": "南京", "Chengdu": "成都", "Chongqing": "重庆", "Wuhan": "武汉", "Xi'an": "西安",
    "Hong Kong": "香港", "Taipei": "台北",
}  # fmt: skip
_NAMES_OF_CITIES = re.compile("|".join(rf"\b{city}\b|{chinese}" for city, chinese in _CITIES.items()), re.IGNORECASE)
_PLACE = re.compile(r"\b(?:[Ii]n|[Aa]bout|[Ff]or) ([A-Z][\w'-]*(?: [A-Z][\w'-]*)*)")
"""Any other city, by the word before it."""

Said = tuple[list[Step], str, list[str]]
"""Steps on the way, the answer, suggestions after it."""


FindFile = Callable[[str], bytes | None]
"""The bytes of an uploaded file by its key, None where there is none."""


def no_files(_key: str) -> bytes | None:
    """For bots that are shown nothing."""
    return None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a bot goes by; `base` is where its pictures stand."""

    history: Sequence[Message]
    random: Random
    find_file: FindFile
    base: str


def script(
    bot: str,
    history: Sequence[Message],
    random: Random,
    *,
    fault: Fault | None = None,
    find_file: FindFile = no_files,
    base: str = "",
) -> tuple[Event, ...]:
    """The events of the bot's next turn; `history` ends with the user's message, `base` is the emulator's address."""
    message_id = MessageId(f"73{random.randrange(10**17):017}")
    conversation_id = ConversationId(f"73{random.randrange(10**17):017}")
    steps, answer, suggestions = _SAY[bot](Scene(history, random, find_file, base))
    pieces = split(answer)
    sent = sum(len(split(message.text)) for message in history)
    usage = Usage(input=sent, output=len(pieces), total=sent + len(pieces))
    return (
        TurnStarted(chat_id=ChatId(""), conversation_id=conversation_id),
        *steps,
        *_told(pieces, message_id, fault),
        AnswerDone(message_id=message_id, text=answer),
        usage,
        *(Suggestion(text=text) for text in suggestions),
        TurnDone(),
    )


def split(text: str) -> list[str]:
    """Pieces that together are the text: words and single Chinese characters, or bigger bites."""
    tokens = _TOKEN.findall(text)
    bite = -(-len(tokens) // MOST_PIECES)
    return ["".join(tokens[at : at + bite]) for at in range(0, len(tokens), bite or 1)]


def _told(pieces: Sequence[str], message_id: MessageId, fault: Fault | None) -> Iterator[Event]:
    for place, piece in enumerate(pieces):
        if fault is not None and fault.name == "rewrite" and place == min(fault.after, len(pieces) - 1):
            yield TextReplaced(message_id=message_id, text="".join(pieces[:place]).swapcase() or "(…)")
            yield TextReplaced(message_id=message_id, text="".join(pieces[: place + 1]))
        else:
            yield TextDelta(message_id=message_id, text=piece)


def _memory(scene: Scene) -> Said:
    *before, last = [message for message in scene.history if message.role == "user"]
    text = without_mark(last.text)
    is_chinese = bool(_CHINESE.search(text))
    name = _name([*(without_mark(message.text) for message in before), text])
    greeting = (f"{name}！" if is_chinese else f"{name}! ") if name else ""
    media = sum(isinstance(part, MediaPart) for part in last.parts)
    if media:
        answer = f"你给了我 {media} 个附件。" if is_chinese else f"You gave me {media} attachment(s)."
    elif _WHO.search(text):
        answer = _who_you_are(name, is_chinese=is_chinese)
    elif _RECALL.search(text) and before:
        quoted = [_quoted(message, is_chinese=is_chinese) for message in before]
        opening = "当然记得，你说过：" if is_chinese else "Of course. You said:"
        lines = "\n".join(f"{number}. {quotation}" for number, quotation in enumerate(quoted, start=1))
        answer = f"{greeting}{opening}\n\n{lines}"
    elif is_chinese:
        opening = scene.random.choice(("我听到了", "好的", "嗯"))
        answer = f"{greeting}{opening}：你说“{text}”。{_earlier(before, is_chinese=True)}"
    else:
        opening = scene.random.choice(("I hear you", "All right", "Noted"))
        answer = f"{greeting}{opening}: you said “{text}”. {_earlier(before, is_chinese=False)}"
    if is_chinese:
        return [], answer, ["你还记得我刚刚说了什么吗？", "我叫什么？", "给我讲点别的"]
    return [], answer, ["Do you remember what I said?", "What is my name?", "Tell me something else"]


def _who_you_are(name: str, *, is_chinese: bool) -> str:
    if is_chinese:
        return f"你是{name}。" if name else "你还没有告诉我你的名字。"
    return f"You are {name}." if name else "You have not told me your name."


def _earlier(before: Sequence[Message], *, is_chinese: bool) -> str:
    """What the user said last before the question."""
    if not before:
        return "这是你对我说的第一句话。" if is_chinese else "It is the first thing you tell me."
    said = _quoted(before[-1], is_chinese=is_chinese)
    is_text = said.startswith("“")
    if is_chinese:
        return f"在那之前你{'说过' if is_text else '给我看了'}{said}。"
    return f"Before that you {'said' if is_text else 'showed me'} {said}."


def _quoted(message: Message, *, is_chinese: bool) -> str:
    """The words of a message in quotation marks, or what was shown without a word."""
    text = without_mark(message.text)
    if text or not any(isinstance(part, MediaPart) for part in message.parts):
        return f"“{text}”"
    if any(isinstance(part, Image) for part in message.parts):
        return "一张图片" if is_chinese else "a picture"
    return "一个文件" if is_chinese else "a file"


def _markdown(scene: Scene) -> Said:
    topic = without_mark(scene.history[-1].text)[:60] or "nothing"
    return [], _ARTICLE.replace("TOPIC", topic), ["Show me more code", "Only the table, please"]


def _tools(scene: Scene) -> Said:
    said = [without_mark(message.text) for message in scene.history if message.role == "user"]
    is_chinese = bool(_CHINESE.search(said[-1]))
    asked = next(filter(None, map(_city, reversed(said))), "Beijing" if is_chinese else "Berlin")
    city = _CITIES.get(asked, asked) if is_chinese else asked
    degrees = int(crc32_hex(asked.encode()), 16) % 40 - 5
    steps = [
        Step(kind="call", title="weather.lookup", body=f'{{"city": "{city}"}}'),
        Step(kind="result", title="weather.lookup", body=f'{{"city": "{city}", "degrees": {degrees}, "sky": "clear"}}'),
        Step(kind="call", title="workflow.pack_list", body=f'{{"degrees": {degrees}}}'),
        Step(kind="result", title="workflow.pack_list", body='{"pack": ["water", "a book", "good shoes"]}'),
        Step(kind="recall", title="travel notes", body="Museums close at six."),
    ]
    if is_chinese:
        answer = f"{city}现在 {degrees} °C，晴。带上水、一本书和一双好鞋；博物馆六点关门。"
        return steps, answer, ["那明天呢？", f"{'北京' if asked == 'Shanghai' else '上海'}的天气怎么样？"]
    answer = f"It is {degrees} °C and clear in {city}. Pack water, a book and good shoes; the museums close at six."
    return steps, answer, ["And tomorrow?", f"What about {'Berlin' if asked == 'Paris' else 'Paris'}?"]


def _city(text: str) -> str:
    """The English name of the last city in a question; empty where there is none."""
    if names := _NAMES_OF_CITIES.findall(text):
        return next(city for city, chinese in _CITIES.items() if names[-1].lower() in (city.lower(), chinese))
    places = _PLACE.findall(text)
    return places[-1] if places else ""


def _slow(scene: Scene) -> Said:
    asked = without_mark(scene.history[-1].text)[:80]
    return [], f"Let me think about “{asked}” … slowly … one word … at a time … and there it is.", []


def _echo(scene: Scene) -> Said:
    return [], without_mark(scene.history[-1].text), []


def _pictures(scene: Scene) -> Said:
    shown: list[MediaPart] = []
    for message in reversed(scene.history):
        if message.role != "user":
            break
        shown = [part for part in message.parts if isinstance(part, MediaPart)] + shown
    if not shown and (wish := _DRAW.search(without_mark(scene.history[-1].text))):
        subject = re.sub(r"[^\w ]", "", wish[1] or wish[2]).strip()[:40] or "nothing"
        return [], f"![{subject}]({scene.base}{path_of(subject)})", []
    if not shown:
        return [], "Show me a picture or a file. 给我看一张图片或一个文件吧。", []
    return [], "\n\n".join(_seen(part, scene.find_file) for part in shown), []


def _secretary(scene: Scene) -> Said:
    asked = without_mark(scene.history[-1].text)
    if _CHINESE.search(asked):
        return [], "我可以提醒你，比如说：“六点提醒我浇花”。", ["六点提醒我浇花"]
    return [], "I can set reminders. Say: “Remind me at 18:00 to water the flowers”.", ["Remind me at 18:00 to eat"]


def _reckoner(scene: Scene) -> Said:
    return [], reckon(scene.history), []


def _seen(part: MediaPart, find_file: FindFile) -> str:
    if part.url:
        return f"I see that there is something at <{part.url}>, and do not open links."
    return described(part.key, find_file(part.key))


def described(key: str, data: bytes | None) -> str:
    """What an uploaded file is, by its bytes."""
    if data is None:
        return f"I cannot see `{key}`: it was never uploaded to the end."
    media = media_of(data)
    size = f", {media.size_px[0]} × {media.size_px[1]} pixels" if media.size_px else ""
    return f"I see `{media.content_type}`{size}, {len(data)} bytes, CRC-32 `{crc32_hex(data)}`."


def _name(said: Sequence[str]) -> str:
    """How the user wants to be called: the last name that was given."""
    for text in reversed(said):
        match = _NAME.search(text)
        if match and match.group(1):
            return match.group(1)
        if match and match.group(2) not in ("什么", "什么名字"):
            return match.group(2)
    return ""


_SAY: dict[str, Callable[[Scene], Said]] = {
    "memory": _memory,
    "markdown": _markdown,
    "tools": _tools,
    "slow": _slow,
    "pictures": _pictures,
    "echo": _echo,
    "secretary": _secretary,
    "reckoner": _reckoner,
}

_ARTICLE = """\
# About TOPIC

A long answer in **Markdown**, so that you can see how it is *rendered* while it arrives.

## A table

| what | how many | 说明 |
|---|---:|---|
| tokens | 42 | 一个字一个字地来 |
| tables | 1 | this one |
| code | 2 | below |

## Some code

```python
def answer(question: str) -> str:
    return f"{question}? {{'braces': 'are fine'}}"
```

```json
{"content": "}", "nested": {"deep": [1, 2, 3]}}
```

## A list

1. First, the question arrives.
2. Then the bot thinks.
   - about tables
   - about code
3. Last, the answer is whole.

> 引用：一个停下来的流从来不是成功。

That is all about TOPIC.
"""
