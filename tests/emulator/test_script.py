import zlib
from collections.abc import Mapping
from random import Random

import pytest

from pictures import jpeg, png, segment
from realcoze.domain.content import File, Image, Text
from realcoze.domain.event import ENDS, AnswerDone, Event, Step, Suggestion, TextDelta, TextReplaced, TurnDone, Usage
from realcoze.domain.fold import Fold, Reply
from realcoze.domain.message import Message, Role, say
from realcoze.domain.turn import TurnLife
from realcoze.emulator.account import BOTS
from realcoze.emulator.fault import Fault
from realcoze.emulator.script import MOST_PIECES, script, split


def _script(bot: str, *texts: str, seed: int = 0, fault: Fault | None = None) -> tuple[Event, ...]:
    roles = ("user", "assistant") * len(texts)
    history = [say("user" if role == "user" else "assistant", text) for role, text in zip(roles, texts, strict=False)]
    return script(bot, history, Random(seed), fault=fault)


def _reply(bot: str, *texts: str, seed: int = 0) -> Reply:
    fold = Fold()
    for event in _script(bot, *texts, seed=seed):
        fold.feed(event)
    return fold.finish()


@pytest.mark.parametrize("bot", [bot.name for bot in BOTS])
def test_a_bot_says_the_same_under_the_same_seed(bot: str) -> None:
    assert _script(bot, "hello", seed=7) == _script(bot, "hello", seed=7)


@pytest.mark.parametrize("bot", [bot.name for bot in BOTS])
@pytest.mark.parametrize("text", ["hello", "你好", "", "[[fault drop]]", "a\n\nb", "😀"])
def test_every_turn_is_whole_and_in_order(bot: str, text: str) -> None:
    life = TurnLife()
    events = _script(bot, text)
    assert all(life.accepts(event) for event in events)
    assert [event for event in events if isinstance(event, ENDS)] == [TurnDone()]
    deltas = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert [event.text for event in events if isinstance(event, AnswerDone)] == [deltas]
    usage = next(event for event in events if isinstance(event, Usage))
    assert usage.total == usage.input + usage.output


def test_another_seed_is_another_turn() -> None:
    assert len({_script("memory", "hello", seed=seed) for seed in range(20)}) > 1


def test_memory_remembers() -> None:
    assert "you said “hello”" in _reply("memory", "hello").text
    assert "first thing you tell me" in _reply("memory", "hello").text
    assert "Before that you said “one”" in _reply("memory", "one", "ok", "two").text
    quoted = _reply("memory", "one", "ok", "two", "ok", "do you remember?").text
    assert "1. “one”" in quoted
    assert "2. “two”" in quoted
    assert len(_reply("memory", "hello").suggestions) == 3


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("My name is Bob", "Bob"),
        ("please call me Eve-Ann now", "Eve-Ann"),
        ("我叫小明", "小明"),
        ("我的名字是 小红", "小红"),
    ],
)
def test_memory_knows_names(said: str, name: str) -> None:
    assert _reply("memory", said, "ok", "What is my name?").text == f"You are {name}."
    assert _reply("memory", said, "ok", "我叫什么？").text == f"你是{name}。"
    assert _reply("memory", said, "ok", "And now?").text.startswith(f"{name}! ")
    assert _reply("memory", said, "ok", "然后呢？").text.startswith(f"{name}！")


def test_memory_answers_who_the_user_is() -> None:
    assert _reply("memory", "My name is Ada. Who am I?").text == "You are Ada."
    assert _reply("memory", "我叫小明。我是谁？").text == "你是小明。"
    assert _reply("memory", "Who am I?").text == "You have not told me your name."


@pytest.mark.parametrize("question", ["我叫什么", "我的名字是什么？", "我是谁？"])
def test_a_question_for_the_name_is_no_name(question: str) -> None:
    assert _reply("memory", question).text == "你还没有告诉我你的名字。"


def test_memory_speaks_chinese_and_sees_pictures() -> None:
    assert "你说“你好”" in _reply("memory", "你好").text
    assert "在那之前你说过“一”" in _reply("memory", "一", "好", "二").text
    assert "当然记得" in _reply("memory", "一", "好", "你还记得吗").text
    for text, answer in (("look", "You gave me 1 attachment(s)."), ("看", "你给了我 1 个附件。")):
        history = [Message(role="user", parts=(*say("user", text).parts, Image(key="k")))]
        events = script("memory", history, Random(0))
        assert answer in [event.text for event in events if isinstance(event, AnswerDone)]


@pytest.mark.parametrize(
    ("part", "thing", "chinese"), [(Image(key="k"), "a picture", "一张图片"), (File(key="k"), "a file", "一个文件")]
)
def test_memory_says_what_it_was_shown_without_a_word(part: Image | File, thing: str, chinese: str) -> None:
    def answer(question: str) -> str:
        events = script("memory", [_shown(part), say("user", question)], Random(0))
        return next(event.text for event in events if isinstance(event, AnswerDone))

    assert answer("And?").endswith(f"Before that you showed me {thing}.")
    assert answer("Do you remember?").endswith(f"\n1. {thing}")
    assert answer("然后呢").endswith(f"在那之前你给我看了{chinese}。")


def test_markdown_is_long_and_has_tables_code_and_the_topic() -> None:
    text = _reply("markdown", "braces").text
    assert text.startswith("# About braces\n")
    assert "|---|---:|---|" in text
    assert "```python" in text
    assert '{"content": "}", "nested"' in text
    assert len(split(text)) > 100
    assert _reply("markdown", "").text.startswith("# About nothing")


def test_tools_calls_two_things_and_looks_something_up() -> None:
    for text, city in (("Berlin?", "Berlin"), ("北京呢？", "北京")):
        reply = _reply("tools", text)
        assert [(step.kind, step.title) for step in reply.steps] == [
            ("call", "weather.lookup"),
            ("result", "weather.lookup"),
            ("call", "workflow.pack_list"),
            ("result", "workflow.pack_list"),
            ("recall", "travel notes"),
        ]
        assert city in reply.text
        assert len(reply.suggestions) == 2


@pytest.mark.parametrize(
    ("question", "city"),
    [
        ("What is the weather?", "Berlin"),
        ("What is the weather in Paris?", "Paris"),
        ("And the weather in new york today?", "New York"),
        ("What about San Gimignano?", "San Gimignano"),
        ("What about Paris? [[fault late]]", "Paris"),
        ("Not Berlin, London!", "London"),
        ("Will it rain?", "Berlin"),
        ("天气怎么样？", "北京"),
        ("上海的天气怎么样？", "上海"),
        ("What is the weather in 东京?", "东京"),
        ("Paris 的天气怎么样？", "巴黎"),
        ("in Atlantis 呢？", "Atlantis"),
    ],
)
def test_tools_hears_the_city(question: str, city: str) -> None:
    reply = _reply("tools", question)
    assert f'"{city}"' in reply.steps[0].body
    assert city in reply.text
    assert not any(city in suggestion for suggestion in reply.suggestions)


def test_the_weather_of_a_city_stays_as_it_is() -> None:
    degrees = {
        _reply("tools", *said, seed=seed).steps[2].body
        for seed, said in enumerate(
            (["Paris?"], ["paris?", "ok", "And tomorrow?"], ["巴黎呢？"], ["Tokyo?", "ok", "in Paris"])
        )
    }
    assert len(degrees) == 1
    assert degrees != {_reply("tools", "Berlin?").steps[2].body}


def test_tools_takes_its_steps_before_it_answers() -> None:
    kinds = [type(event) for event in _script("tools", "Berlin?")]
    assert max(at for at, kind in enumerate(kinds) if kind is Step) < kinds.index(TextDelta)
    assert kinds.index(AnswerDone) < kinds.index(Suggestion)


def test_slow_and_echo_repeat_what_was_said() -> None:
    assert "“why?”" in _reply("slow", "why?").text
    assert _reply("slow", "why?").suggestions == ()
    assert _reply("echo", "exactly  this\n").text == "exactly  this\n".strip()
    assert _reply("echo", "one", "ok", "two [[fault drop]]").text == "two"


@pytest.mark.parametrize("text", ["", "a", "a b  c\n\nd", "你好，世界", "x" * 1000, "😀😀 !?", "  lead", "trail  "])
def test_the_pieces_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text


def test_words_and_single_chinese_characters_are_pieces() -> None:
    assert split("Hello big world") == ["Hello", " big", " world"]
    assert split("你好 x") == ["你", "好", " x"]
    assert split("") == []


def test_a_long_text_comes_in_bigger_bites() -> None:
    pieces = split("word " * 10_000)
    assert len(pieces) <= MOST_PIECES
    assert "".join(pieces) == "word " * 10_000


@pytest.mark.parametrize("after", [0, 1, 99])
def test_a_rewrite_takes_back_and_begins_anew(after: int) -> None:
    events = _script("echo", "one two three", fault=Fault("rewrite", after))
    assert len([event for event in events if isinstance(event, TextReplaced)]) == 2
    fold = Fold()
    for event in events:
        fold.feed(event)
    assert fold.finish().text == "one two three"


def test_other_faults_do_not_change_what_is_said() -> None:
    assert _script("echo", "one two", fault=Fault("cut", 1)) == _script("echo", "one two")


def _described(files: Mapping[str, bytes], *messages: Message) -> str:
    events = script("pictures", messages, Random(0), find_file=files.get)
    return next(event.text for event in events if isinstance(event, AnswerDone))


def _shown(*parts: Image | File | Text, role: Role = "user") -> Message:
    return Message(role=role, parts=parts)


def test_pictures_tells_type_size_and_checksum_of_what_it_is_shown() -> None:
    files = {"a": png(640, 480), "b": b"hello world", "c": jpeg(3, 4, before=segment(0xE1, b"Exif\0\0"))}
    assert _described(files, _shown(Image(key="a"))) == (
        f"I see `image/png`, 640 × 480 pixels, {len(files['a'])} bytes, CRC-32 `{zlib.crc32(files['a']):08x}`."
    )
    assert _described(files, _shown(File(key="b"))) == (
        "I see `application/octet-stream`, 11 bytes, CRC-32 `0d4a1185`."
    )
    both = _described(files, _shown(Image(key="c"), Text(text="And this?"), File(key="b")))
    assert [line.partition("`, ")[0] for line in both.split("\n\n")] == [
        "I see `image/jpeg",
        "I see `application/octet-stream",
    ]


def test_pictures_looks_at_what_it_was_shown_since_it_last_spoke() -> None:
    files = {"a": png(1, 1), "b": png(2, 2), "c": png(3, 3)}
    history = (_shown(Image(key="a")), say("assistant", "ok"), _shown(Image(key="b")), _shown(Image(key="c")))
    said = _described(files, *history, say("user", "What is this?"))
    assert [size in said for size in ("1 × 1", "2 × 2", "3 × 3")] == [False, True, True]
    assert said.index("2 × 2") < said.index("3 × 3")


@pytest.mark.parametrize(
    ("wish", "drawing"),
    [
        ("Draw me a cat, please!", "![a cat please](http://coze/drawn/a%20cat%20please.png)"),
        ("Could you paint  the [sea]?\nThank you", "![the sea](http://coze/drawn/the%20sea.png)"),
        ("画一只猫。", "![猫](http://coze/drawn/%E7%8C%AB.png)"),
        ("draw …", "![nothing](http://coze/drawn/nothing.png)"),
        ("draw a cat [[fault eof]]", "![a cat](http://coze/drawn/a%20cat.png)"),
    ],
)
def test_pictures_draws_what_it_is_told_to(wish: str, drawing: str) -> None:
    events = script("pictures", [say("user", "Hello"), say("user", wish)], Random(0), base="http://coze")
    assert [event.text for event in events if isinstance(event, AnswerDone)] == [drawing]


def test_pictures_looks_before_it_draws() -> None:
    assert "1 × 1" in _described({"a": png(1, 1)}, _shown(Image(key="a")), say("user", "Draw a cat"))


def test_pictures_says_when_it_sees_nothing() -> None:
    assert "was never uploaded to the end" in _described({}, _shown(Image(key="a")))
    assert "was never uploaded to the end" in str(script("pictures", [_shown(Image(key="a"))], Random(0)))
    assert "Show me a picture" in _described({}, say("user", "Hello"))
    assert "Show me a picture" in _reply("pictures", "one", "ok", "two").text
