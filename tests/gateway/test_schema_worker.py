import io
import json
import subprocess
import sys

import pytest

from realcoze.gateway.schema_worker import problem
from realcoze.gateway.schemas import WORKER

SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, None),
        ('{"a": 1, "b": 2}', None),
        ('{"b": 1}', '"a" is a required property'),
        ('{"a": "x"}', '"x" is not of type "integer" at /a'),
    ],
)
def test_what_is_wrong_with_a_value_is_told_with_its_place(value: str | None, said: str | None) -> None:
    assert problem(SCHEMA, value) == said


@pytest.mark.parametrize("value", ["[" * 400 + "]" * 400, "[" * 100_000, '{"a"', ""])
def test_what_cannot_be_read_is_a_problem_too(value: str) -> None:
    assert problem('{"type": "object"}', value)


def test_patterns_give_up_by_themselves() -> None:
    assert problem('{"items": {"pattern": "(?=a)(a+)+$"}}', json.dumps(["a" * 40 + "b"] * 3)) is not None


def test_nothing_outside_is_read() -> None:
    said = problem('{"$ref": "file:///etc/passwd"}', None)
    assert said is not None
    assert "nothing outside of it is read" in said


def test_it_is_a_program_from_json_to_json() -> None:
    asked = json.dumps([5, [["true", None], ['{"const": 1}', "2"]]])
    ran = subprocess.run([sys.executable, WORKER], input=asked, capture_output=True, text=True, check=True)
    assert json.load(io.StringIO(ran.stdout)) == [None, "1 was expected"]
    assert not ran.stderr
