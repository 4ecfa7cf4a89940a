from typing import Any

import pytest
from msgspec.structs import replace

from realcoze.domain.content import Image, Text
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request
from realcoze.gateway.instructions import Parameter, Policy, Variable, default_policy, instructed

HELLO, HI, MORE = say("user", "Hello"), say("assistant", "Hi!"), say("user", "More")
PICTURE = Image(key="k")
VARIABLE, PARAMETER = Variable(name="persona"), Parameter(name="persona")


def _request(*messages: Message, **fields: Any) -> Request:
    return Request(messages=messages, instructions="Be kind.", **fields)


def test_a_prefix_stands_in_front_of_what_the_user_said_first() -> None:
    told = instructed(_request(HELLO, HI, MORE), "prefix")
    assert told == Request(messages=(say("user", "Be kind.\n\nHello"), HI, MORE))


def test_a_greeting_of_the_bot_stays_in_front() -> None:
    assert instructed(_request(HI, MORE), "prefix").messages == (HI, say("user", "Be kind.\n\nMore"))


def test_a_picture_has_the_prefix_beside_it() -> None:
    told = instructed(_request(Message(role="user", parts=(PICTURE,))), "prefix")
    assert told.messages == (Message(role="user", parts=(Text(text="Be kind."), PICTURE)),)


def test_what_stands_beside_a_text_stays_there() -> None:
    told = instructed(_request(Message(role="user", parts=(Text(text="Look"), PICTURE))), "prefix")
    assert told.messages == (Message(role="user", parts=(Text(text="Be kind.\n\nLook"), PICTURE)),)


@pytest.mark.parametrize("messages", [(), (HI,)])
def test_without_the_user_there_is_nowhere_to_put_it(messages: tuple[Message, ...]) -> None:
    assert instructed(_request(*messages), "prefix") == Request(messages=messages)


def test_dropped_is_gone() -> None:
    assert instructed(_request(HELLO), "drop") == Request(messages=(HELLO,))


def test_a_variable_has_the_whole_text_which_stays_a_part_of_what_was_said() -> None:
    told = instructed(_request(HELLO, custom_variables={"other": "1"}), VARIABLE)
    assert told == _request(HELLO, custom_variables={"persona": "Be kind.", "other": "1"})


def test_a_parameter_likewise() -> None:
    told = instructed(_request(HELLO, parameters={"other": 1}), PARAMETER)
    assert told == _request(HELLO, parameters={"persona": "Be kind.", "other": 1})


def test_what_the_caller_gives_itself_counts_more() -> None:
    given = _request(HELLO, custom_variables={"persona": "mine"}, parameters={"persona": "mine"})
    assert instructed(given, VARIABLE) == given
    assert instructed(given, PARAMETER) == given


@pytest.mark.parametrize("policy", ["prefix", "drop", VARIABLE, PARAMETER])
def test_without_instructions_nothing_changes(policy: Policy) -> None:
    request = replace(_request(HELLO), instructions="")
    assert instructed(request, policy) is request


def test_a_bot_that_no_table_lists_goes_by_its_kind() -> None:
    names = ["bot-1", "workflow/1", "chatflow/1", "guide", ""]
    assert [default_policy(BotName(name)) for name in names] == ["prefix", "drop", "prefix", "prefix", "prefix"]
