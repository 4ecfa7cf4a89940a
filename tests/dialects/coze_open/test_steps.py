import json

import pytest

from realcoze.dialects.coze_open.steps import FINISHED, STEPS, StepReader
from realcoze.domain.event import Event, Step, StepKind, Unknown


def read(kind: str, content: str) -> list[Event]:
    return StepReader().read(kind, content)


def step(kind: StepKind, title: str, body: str) -> list[Step]:
    return [Step(kind=kind, title=title, body=body)]


def test_the_types_of_message_that_are_steps() -> None:
    assert {"function_call", "tool_output", "tool_response", "knowledge", "verbose"} == STEPS


@pytest.mark.parametrize(
    ("content", "title", "body"),
    [
        (
            (
                '{"name":"toutiao-search","arguments":{"cursor":0,"input_query":"x"},"plugin_id":7281192623887548473,'
                '"plugin_name":"toutiao","api_id":7288907006982012986,"plugin_type":1,"thought":null}'
            ),
            "toutiao-search",
            '{"cursor":0,"input_query":"x"}',
        ),
        ('{"name":"add","arguments":"{\\"a\\": 1}"}', "add", '{"a": 1}'),
        (
            '{"id":"call_1","type":"function","function":{"name":"add","arguments":"{\\"a\\":1}"}}',
            "add",
            '{"a":1}',
        ),
        ('{"plugin_name":"weather","arguments":[1]}', "weather", "[1]"),
        (
            '{"function":{"name":null},"plugin_name":"weather"}',
            "weather",
            '{"function":{"name":null},"plugin_name":"weather"}',
        ),
        ('{"name":null,"arguments":null}', "", '{"name":null,"arguments":null}'),
        ("{}", "", "{}"),
        ("no JSON", "", "no JSON"),
        ('{"name":7}', "", '{"name":7}'),
        ("", "", ""),
    ],
)
def test_a_call_is_read_flat_as_studio_writes_it_or_shown_as_it_came(content: str, title: str, body: str) -> None:
    assert read("function_call", content) == step("call", title, body)


@pytest.mark.parametrize("kind", ["tool_output", "tool_response"])
@pytest.mark.parametrize(
    ("content", "body"),
    [
        ('{"temp":21}', '{"temp":21}'),
        ('{"content_type":1,"response_for_model":"21 degrees","type_for_model":1}', "21 degrees"),
        ('{"response_for_model":""}', '{"response_for_model":""}'),
        ('{"response_for_model":7}', '{"response_for_model":7}'),
        ("no JSON", "no JSON"),
    ],
)
def test_a_result_is_what_the_model_was_shown_or_as_it_came(kind: str, content: str, body: str) -> None:
    assert read(kind, content) == step("result", "", body)


def test_a_result_is_that_of_the_oldest_call_that_has_none() -> None:
    reader = StepReader()
    reader.read("function_call", '{"name":"first"}')
    reader.read("function_call", '{"name":"second"}')
    titles = [reader.read("tool_response", "r")[0] for _ in range(3)]
    assert titles == [*step("result", "first", "r"), *step("result", "second", "r"), *step("result", "", "r")]


def test_knowledge_is_shown_as_it_came() -> None:
    assert read("knowledge", "---\nrecall slice 1:Opening hours.\n") == step(
        "recall", "", "---\nrecall slice 1:Opening hours.\n"
    )


def test_what_a_control_message_tells_of_knowledge_is_a_step() -> None:
    """CLIENTS §5 item 12."""
    content = json.dumps({"msg_type": "knowledge_recall", "data": '{"chunks":[]}', "from_module": None})
    assert read("verbose", content) == step("recall", "", '{"chunks":[]}')
    assert read("verbose", '{"msg_type":"knowledge_recall","data":null}') == step("recall", "", "")


@pytest.mark.parametrize("data", ['{"finish_reason":0,"FinData":""}', '{"finish_reason":0,"fin_data":""}', ""])
def test_the_end_of_the_answers_means_nothing_to_people(data: str) -> None:
    """CLIENTS §5 item 12."""
    assert read("verbose", json.dumps({"msg_type": FINISHED, "data": data, "from_unit": ""})) == []


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ('{"msg_type":"time_capsule_recall","data":"{}"}', "verbose.time_capsule_recall"),
        ('{"msg_type":null}', "verbose."),
        ("{}", "verbose."),
        ('{"msg_type":{}}', "verbose"),
        ("no JSON", "verbose"),
        ("", "verbose"),
    ],
)
def test_any_other_control_message_is_kept_as_unknown(content: str, name: str) -> None:
    assert read("verbose", content) == [Unknown(name=name, raw=content)]


def test_what_is_kept_of_the_unknown_is_cut() -> None:
    [kept] = read("verbose", json.dumps({"msg_type": "x" * 200, "data": "y" * 5000}))
    assert isinstance(kept, Unknown)
    assert (len(kept.name), len(kept.raw)) == (88, 2000)
