import json

import pytest

from realcoze.errors import BadRequest
from realcoze.gateway.schemas import CHARACTERS, Schemas

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'


def doubling(times: int) -> str:
    """A schema of which a value that does not fit is looked at 2 ** times."""
    twice = {f"l{each}": {"anyOf": [{"$ref": f"#/$defs/l{each + 1}"}] * 2} for each in range(times)}
    return json.dumps({"$ref": "#/$defs/l0", "$defs": {**twice, f"l{times}": {"type": "integer"}}})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('{"a": 1, "b": 2}', None),
        ('{"b": 1}', '"a" is a required property'),
        ('{"a": "x"}', '"x" is not of type "integer" at /a'),
        ("[" * 400 + "]" * 400, "it is nested too deeply"),
    ],
)
async def test_what_is_wrong_with_a_value_is_told_with_its_place(value: str, said: str | None) -> None:
    assert await Schemas().misfit(value, SCHEMA) == said


async def test_schemas_that_are_some_pass() -> None:
    await Schemas().check([])
    await Schemas().check([SCHEMA, "{}", "true", doubling(60)])


@pytest.mark.parametrize(
    "schema", ['{"type": "objec"}', "3", '{"$ref": "https://x.test/y"}', '{"pattern": "("}', "{", '{"$ref": "#/x"}']
)
async def test_a_schema_that_is_none_is_refused(schema: str) -> None:
    with pytest.raises(BadRequest, match=r"The JSON schema cannot be used: .+") as refused:
        await Schemas().check([SCHEMA, schema])
    assert "\n" not in str(refused.value)


async def test_a_schema_is_so_long_and_no_longer() -> None:
    with pytest.raises(BadRequest, match="more than 65536 characters"):
        await Schemas().check(["{" + " " * CHARACTERS + "}"])


async def test_what_would_take_for_ever_is_ended_and_the_next_is_checked() -> None:
    schemas = Schemas(check_s=0.2)
    with pytest.raises(BadRequest, match=r"takes more than 0\.2 s to check"):
        await schemas.misfit('"x"', doubling(60))
    assert await schemas.misfit("1", doubling(60)) is None


async def test_patterns_give_up_by_themselves() -> None:
    slow = '{"items": {"pattern": "(?=a)(a+)+$"}}'
    assert await Schemas().misfit(json.dumps(["a" * 40 + "b"] * 3), slow) is not None
