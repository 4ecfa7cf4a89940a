import json
import os
import subprocess
import sys
from typing import Any

import pytest

from realcoze.gateway.schema_worker import SHOWN, problem, verdict
from realcoze.gateway.schemas import WORKER

SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], 0),
        (['{"a": 1, "b": 2}'], 0),
        (["[]", "{", '{"a": 1}', '{"a": 2}'], 2),
        (['{"a": "x"}'], None),
        (["[" * 100_000, ""], None),
    ],
)
def test_of_several_values_the_first_that_fits_is_found(values: Any, found: Any) -> None:
    assert verdict(SCHEMA, values) == found


@pytest.mark.parametrize(
    ("value", "said"),
    [('{"b": 1}', '"a" is a required property'), ('{"a": "x"}', '"x" is not of type "integer" at /a')],
)
def test_what_is_wrong_with_a_value_is_told_with_its_place(value: str, said: str) -> None:
    assert problem(SCHEMA, value) == said


@pytest.mark.parametrize("value", ["[" * 400 + "]" * 400, "[" * 100_000, '{"a"', ""])
def test_what_cannot_be_read_is_a_problem_too(value: str) -> None:
    assert problem(SCHEMA, value)


def test_what_is_wrong_is_told_in_few_words() -> None:
    long = json.dumps({"x" * 10_000: {"y" * 10_000: "z" * 10_000}})
    schema = '{"additionalProperties": {"additionalProperties": {"type": "integer"}}}'
    assert len(problem(schema, long)) < 3 * SHOWN


def test_patterns_give_up_by_themselves() -> None:
    assert verdict('{"items": {"pattern": "(?=a)(a+)+$"}}', [json.dumps(["a" * 40 + "b"] * 3)]) is None


def test_nothing_outside_is_read() -> None:
    said = verdict('{"$ref": "file:///etc/passwd"}', [])
    assert isinstance(said, str)
    assert "nothing outside of it is read" in said


def test_it_is_a_program_from_json_to_json_whatever_the_locale() -> None:
    asked = json.dumps([5, [["true", []], ['{"maxLength": 2}', ['"你好"']], ["false", ["1"]]]], ensure_ascii=False)
    ran = subprocess.run(
        [sys.executable, WORKER],
        input=asked.encode(),
        capture_output=True,
        check=True,
        env=os.environ | {"PYTHONIOENCODING": "gbk"},
    )
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        [0, 0, None],
        ["False schema does not allow 1"],
    ]
    assert not ran.stderr
