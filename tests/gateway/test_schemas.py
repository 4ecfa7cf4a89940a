import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from realcoze.domain.ids import CallerId
from realcoze.errors import BadRequest, Internal, Overloaded
from realcoze.gateway import schemas as module
from realcoze.gateway.schemas import AT_ONCE_OF_ONE, CHARACTERS, KNOWN, WORKER, Schemas, _run
from realcoze.gateway.tools import Unfit, Wanted

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]

CALLER = CallerId("one")
SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'


def doubling(times: int) -> str:
    """A schema of which a value that does not fit is looked at 2 ** times."""
    twice = {f"l{each}": {"anyOf": [{"$ref": f"#/$defs/l{each + 1}"}] * 2} for each in range(times)}
    return json.dumps({"$ref": "#/$defs/l0", "$defs": {**twice, f"l{times}": {"type": "integer"}}})


async def fitting(*values: str, schema: str = SCHEMA, of: Schemas | None = None) -> str:
    wanted = Wanted(values, schema, "It does not fit")
    (found,) = await (of or Schemas()).fitting([wanted], CALLER)
    return found


async def checked(*schemas: str, of: Schemas | None = None) -> None:
    await (of or Schemas()).check([(f"number {place}", each) for place, each in enumerate(schemas)], CALLER)


def children() -> Sequence[str]:
    """The processes that this one has started and that are still there."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def test_of_several_values_the_first_that_fits_is_found() -> None:
    assert await fitting('{"a": 1, "b": 2}') == '{"a": 1, "b": 2}'
    assert await fitting("[]", '{"a": "x"}', '{"a": 2}', '{"a": 3}') == '{"a": 2}'
    two = [Wanted(("1", "2"), '{"const": 2}', ""), Wanted(("[]",), "true", "")]
    assert await Schemas().fitting(two, CALLER) == ["2", "[]"]
    assert await Schemas().fitting([], CALLER) == []


async def test_where_none_fits_the_bot_is_told_what_is_wrong_with_the_likeliest() -> None:
    with pytest.raises(Unfit) as unfit:
        await fitting('{"a": "x"}', "{}")
    assert str(unfit.value) == 'It does not fit: "x" is not of type "integer" at /a.'


async def test_schemas_that_are_some_pass_and_are_known_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Schemas()
    await checked(of=ours)
    await checked(SCHEMA, "{}", "true", doubling(60), of=ours)
    monkeypatch.setattr(module, "_COMMAND", ("false",))
    await checked("true", SCHEMA, of=ours)
    with pytest.raises(Internal):
        await checked("false", of=ours)


@pytest.mark.parametrize(
    "schema", ['{"type": "objec"}', "3", '{"$ref": "https://x.test/y"}', '{"pattern": "("}', "{", '{"$ref": "#/x"}']
)
async def test_a_schema_that_is_none_is_refused_by_whose_it_is(schema: str) -> None:
    ours = Schemas()
    for _ in range(2):
        with pytest.raises(BadRequest, match=r"The JSON schema of number 1 cannot be used: .+") as refused:
            await checked(SCHEMA, schema, of=ours)
        assert "\n" not in str(refused.value)


async def test_a_schema_is_so_long_and_no_longer() -> None:
    with pytest.raises(BadRequest, match="of number 1 has more than 65536 characters"):
        await checked("true", "{" + " " * CHARACTERS + "}")


async def test_no_more_schemas_are_known_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Schemas()
    await checked("true", of=ours)
    await checked(*(json.dumps({"const": number}) for number in range(KNOWN)), of=ours)
    monkeypatch.setattr(module, "_COMMAND", ("false",))
    await checked('{"const": 1}', of=ours)
    with pytest.raises(Internal):
        await checked("true", of=ours)


async def test_what_would_take_for_ever_is_ended_and_the_next_is_checked() -> None:
    ours = Schemas(check_s=0.5)
    with pytest.raises(BadRequest, match=r"takes more than 0\.5 s to check"):
        await fitting('"x"', schema=doubling(60), of=ours)
    assert children() == []
    assert await fitting("1", schema=doubling(60)) == "1"


async def test_what_would_take_all_memory_is_ended() -> None:
    with pytest.raises(BadRequest, match="more memory"):
        await fitting("[" + "[]," * 9_000_000 + "0]", of=Schemas(check_s=50))


EXPRESSION = json.dumps(
    {
        "$ref": "#/$defs/e",
        "$defs": {
            "e": {
                "anyOf": [
                    {"type": "integer"},
                    *(
                        {
                            "properties": {"op": {"const": op}, "l": {"$ref": "#/$defs/e"}, "r": {"$ref": "#/$defs/e"}},
                            "required": ["op", "l", "r"],
                            "type": "object",
                        }
                        for op in "abcdef"
                    ),
                ]
            }
        },
    }
)


def expression(depth: int, leaf: object) -> object:
    return {"op": "a", "l": expression(depth - 1, leaf), "r": expression(depth - 1, leaf)} if depth else leaf


async def test_what_does_not_fit_is_known_though_nobody_can_say_why() -> None:
    """To explain what is wrong with a tree takes far more memory than to know it."""
    good, bad = (json.dumps(expression(5, leaf)) for leaf in (1, "x"))
    assert await fitting(bad, good, schema=EXPRESSION) == good
    with pytest.raises(Unfit, match="It does not fit: nobody could say why"):
        await fitting(bad, schema=EXPRESSION)


async def test_who_leaves_leaves_no_process_behind() -> None:
    sent = json.dumps([9, [[doubling(60), [json.dumps("x" * 1_000_000)]]]]).encode()
    for hundredths in range(12):
        with anyio.move_on_after(hundredths / 100) as leaving:
            await _run(sent)
        assert leaving.cancelled_caught
        assert children() == []


async def test_a_caller_waits_for_its_own_checks_and_leaves_the_others_places() -> None:
    ours = Schemas(wait_s=0.05)
    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE_OF_ONE):
            tasks.start_soon(lambda: fitting('"x"', schema=doubling(60), of=ours))
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Overloaded, match="JSON schemas are being checked for one caller"):
            await fitting("1", schema="true", of=ours)
        await ours.check([("it", "true")], CallerId("another"))
        tasks.cancel_scope.cancel()


async def test_a_worker_that_does_not_run_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("false", "/nowhere/python"):
        monkeypatch.setattr(module, "_COMMAND", (command,))
        with pytest.raises(Internal, match="cannot be checked here"):
            await checked("true")


async def test_what_stands_beside_the_worker_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "signal", "resource", "jsonschema_rs"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    worker = shutil.copy(WORKER, tmp_path)
    monkeypatch.setattr(module, "_COMMAND", (*module._COMMAND[:-1], worker))
    await checked("true")
