from contextlib import nullcontext
from typing import Any

import pytest

from realcoze.domain.content import File, Image, Text
from realcoze.domain.message import MOST_PARTS, Message, refuse_flood, refuse_nothing, say, split_at_answer
from realcoze.errors import BadRequest

HELLO, HI, MORE = say("user", "Hello"), say("assistant", "Hi!"), say("user", "More")


def test_what_is_said_is_one_part_of_text() -> None:
    assert say("user", "Hi") == Message(role="user", parts=(Text(text="Hi"),))
    assert say("assistant", "Hello").role == "assistant"


def test_the_text_of_a_message_is_its_text_parts_in_order() -> None:
    message = Message(role="user", parts=(Text(text="a"), Image(key="k"), Text(text="b"), File(key="f")))
    assert message.text == "ab"


def test_a_message_of_pictures_has_no_text() -> None:
    assert Message(role="user", parts=(Image(key="k"),)).text == ""


@pytest.mark.parametrize("count", [MOST_PARTS, MOST_PARTS + 1])
def test_more_than_anybody_says_is_refused(count: int) -> None:
    many, long = (HELLO,) * count, (Message(role="user", parts=HELLO.parts * (count - 1)), MORE)
    for messages in (many, long):
        with pytest.raises(BadRequest, match="more than 20000") if count > MOST_PARTS else nullcontext():
            refuse_flood(messages)


@pytest.mark.parametrize(
    ("messages", "nothing"),
    [
        ((HELLO,), False),
        ((say("user", ""),), True),
        ((HELLO, HI, say("user", " \n")), True),
        ((HELLO, HI, say("user", ""), MORE), False),
        ((HELLO, HI), False),
        ((), False),
        ((HELLO, HI, MORE, say("user", "")), False),
        ((Message(role="user", parts=(Text(text=""), Image(key="k"))),), False),
    ],
)
def test_who_says_nothing_new_asks_nothing(messages: Any, nothing: Any) -> None:
    with pytest.raises(BadRequest) if nothing else nullcontext():
        refuse_nothing(messages)


@pytest.mark.parametrize(
    ("messages", "before", "new"),
    [
        ((), (), ()),
        ((HELLO,), (), (HELLO,)),
        ((HELLO, MORE), (), (HELLO, MORE)),
        ((HELLO, HI, MORE), (HELLO, HI), (MORE,)),
        ((HELLO, HI, MORE, MORE), (HELLO, HI), (MORE, MORE)),
        ((HELLO, HI, MORE, HI, HELLO), (HELLO, HI, MORE, HI), (HELLO,)),
        ((HI, HELLO), (HI,), (HELLO,)),
        ((HELLO, HI), (HELLO, HI), ()),
    ],
)
def test_a_history_ends_where_the_bot_spoke_last(messages: Any, before: Any, new: Any) -> None:
    assert split_at_answer(messages) == (before, new)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((Text(text="Hi"),), "Hi"),
        ((Text(text="Hi "), Text(text="there")), "Hi there"),
        ((Image(key="k"),), None),
        ((Text(text="Look"), Image(key="k")), None),
    ],
)
def test_a_message_has_words_where_it_has_nothing_else(parts: Any, words: Any) -> None:
    assert Message(role="user", parts=parts).words == words
