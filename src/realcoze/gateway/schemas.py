"""JSON schemas of callers: whether they are any, and whether JSON text fits one.

Some schemas, and some answers, take longer to check than anybody lives, and nothing in here could stop it: so
that is done in a process of its own, which can be ended.
"""

from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.to_process
import jsonschema_rs
import msgspec

from realcoze.errors import BadRequest

CHARACTERS = 64 << 10
"""Of the longest schema."""

CHECK_S = 5.0
"""For one answer, or all schemas of a request."""

AT_ONCE = 2
"""Processes; the next check waits."""

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)

_HINT = "Ask for a plainer form, and check the answer yourself."


class Schemas:
    """They are read and held against values here."""

    def __init__(self, *, check_s: float = CHECK_S) -> None:
        self._check_s = check_s
        self._places = anyio.CapacityLimiter(AT_ONCE)

    async def check(self, schemas: Sequence[str]) -> None:
        """Raises `BadRequest` for one of these that is none, or takes too long to read."""
        if any(len(each) > CHARACTERS for each in schemas):
            raise BadRequest(f"A JSON schema has more than {CHARACTERS} characters.")
        if schemas and (problem := await self._run(_problem, *schemas)) is not None:
            raise BadRequest(f"The JSON schema cannot be used: {problem}.")

    async def misfit(self, value: str, schema: str) -> str | None:
        """What is wrong with JSON text that is to fit a schema, in words for the bot; None where nothing is.

        Raises `BadRequest` where that cannot be told in time.
        """
        return await self._run(_misfit, value, schema)

    async def _run(self, work: Callable[..., str | None], *arguments: str) -> str | None:
        async with self._places:
            try:
                await anyio.to_process.run_sync(_begin)  # starting a process is not the schema's fault
                with anyio.fail_after(self._check_s):
                    return await anyio.to_process.run_sync(work, *arguments, cancellable=True)
            except TimeoutError:
                raise BadRequest(f"The JSON schema takes more than {self._check_s:g} s to check.", hint=_HINT) from None
            except anyio.BrokenWorkerProcess as error:
                raise BadRequest("The JSON schema takes more to check than there is.", hint=_HINT) from error


def _begin() -> None:
    """In the other process, as are those that follow."""


def _problem(*schemas: str) -> str | None:
    try:
        for each in schemas:
            _validator(each)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
        return str(error).partition("\n")[0][:200]
    return None


def _misfit(value: str, schema: str) -> str | None:
    try:
        error = next(_validator(schema).iter_errors(msgspec.json.decode(value)), None)
    except (ValueError, RecursionError):
        return "it is nested too deeply"
    if error is None:
        return None
    where = "/".join(map(str, error.instance_path))
    return f"{error.message[:500]} at /{where}" if where else error.message[:500]


def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(msgspec.json.decode(schema), pattern_options=_PATTERNS, retriever=_nothing_else)


def _nothing_else(uri: str) -> Any:
    raise ValueError(f"it refers to {uri[:80]!r}, and nothing outside of it is read")
