from realcoze.domain.ids import BotName
from realcoze.faces.terminal.greeting import talking_to


def test_another_name_than_the_only_one_is_not_passed_over() -> None:
    coze = BotName("coze")
    assert talking_to(coze, asked_for=coze) == talking_to(coze, asked_for=BotName("")) == "Talking to coze."
    assert talking_to(coze, asked_for=BotName("nobody")) == "Only one bot is configured; talking to coze."
