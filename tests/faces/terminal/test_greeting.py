from realcoze.domain.ids import BotName
from realcoze.faces.terminal.greeting import talking_to

COZE, NOBODY, NO_NAME = BotName("coze"), BotName("nobody"), BotName("")


def test_who_answers_is_said() -> None:
    assert talking_to(COZE, asked_for=COZE) == talking_to(COZE, asked_for=NO_NAME) == "Talking to coze."
    assert talking_to(COZE, asked_for=COZE, catch_all=COZE) == "Talking to coze."


def test_another_name_than_the_only_one_is_not_passed_over() -> None:
    told = talking_to(COZE, asked_for=NOBODY, catch_all=COZE)
    assert told == "Only one bot is configured; talking to coze."


def test_a_bot_that_has_two_names_is_called_by_both() -> None:
    assert talking_to(BotName("bot-7"), asked_for=BotName("echo")) == "Talking to echo (bot-7)."
    assert talking_to(BotName("bot-7"), asked_for=BotName("echo"), catch_all=COZE) == "Talking to echo (bot-7)."
