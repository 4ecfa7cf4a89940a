import pytest

from realcoze.domain.message import Message, say
from realcoze.emulator.reckoner import reckon

TOLD = (
    'You have tools; <tool_result name="NAME">…</tool_result> is what came of one:\n'
    '{"name": "add"}\n{"name": "subtract"}\n{"name": "multiply"}\n\n'
)
SUM = "What is (2 + 3) * (4 - 1)?"


def results(*values: str) -> Message:
    return say("user", TOLD + "\n".join(f'<tool_result name="x">{value}</tool_result>' for value in values))


def asked(question: str = SUM, told: str = TOLD) -> list[Message]:
    return [say("user", told + question)]


def test_it_calls_what_is_ready_and_goes_by_what_came_of_it() -> None:
    history = asked()
    first = reckon(history)
    assert first.count("<tool_call>") == 2
    assert '{"name": "add", "arguments": {"a": 2, "b": 3}}' in first
    history += [say("assistant", first), results("50", "3.0")]
    second = reckon(history)
    assert '{"name": "multiply", "arguments": {"a": 50, "b": 3}}' in second
    assert reckon([*history, say("assistant", second), results("150")]) == "That makes 150."


def test_it_calls_one_tool_at_a_time_where_it_is_told_so() -> None:
    history = [say("user", "Call one tool at a time.\n" + TOLD + SUM)]
    assert reckon(history).count("<tool_call>") == 1
    history += [say("assistant", "…"), results("5")]
    assert '"subtract"' in reckon(history)


@pytest.mark.parametrize(
    ("question", "told", "said"),
    [
        (SUM, "", "For that I lack tools: add, multiply, subtract."),
        ("8 / 2", TOLD, "For that I lack tools: divide."),
        ("Hello", TOLD, "Give me a sum"),
        ("1 + * 2", TOLD, "Give me a sum"),
        ("1 + (-2)", TOLD, '{"a": 1, "b": 0}'),
        ("slip: 1 + 2", TOLD, '"plus"'),
    ],
)
def test_it_says_what_it_cannot_do(question: str, told: str, said: str) -> None:
    assert said in reckon(asked(question, told))


def test_it_slips_once() -> None:
    history = asked("slip: 1 + 2")
    history += [say("assistant", reckon(history)), say("user", "There is no tool 'plus'.")]
    assert '"add"' in reckon(history)


def test_what_is_no_number_is_none() -> None:
    history = [*asked("1 + 2 + 3"), say("assistant", "…"), results("a lot")]
    assert '{"a": 0, "b": 3}' in reckon(history)


def test_it_concludes_in_the_language_and_form_that_is_wanted() -> None:
    end = [say("assistant", "…"), results("2.5")]
    assert reckon([*asked("1.5 + 1 等于多少？"), *end]) == "结果是 2.5。"
    assert '```json\n{"result": 2.5}\n```' in reckon([*asked("Answer with one JSON object.\n\n1.5 + 1"), *end])


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("(2 + 3) * 4 - 1", "19"),
        ("1 / 4", "0.25"),
        ("1 / (2 - 2)", "0"),
        ("2 - 3", "-1"),
        ("1" + "0" * 400 + " / 3", "0"),
    ],
)
def test_a_form_alone_takes_no_tools(question: str, result: str) -> None:
    assert f'{{"result": {result}}}' in reckon([say("user", f"Answer with one JSON object.\n\n{question}")])
