"""A program of its own that holds JSON values against JSON schemas: JSON on its input, JSON on its output.

It reads `[SECONDS, [[SCHEMA, [VALUE, …]], …]]`, schemas and values as JSON text, and writes two lines.  The first
has for each schema the place of the first value that fits, 0 where there is no value; null where none fits; and
text where the schema is none, which says why.  The second has, for each null, what is wrong with the first value.

Some schemas take longer than anybody lives, or all memory there is: this ends by a signal then, maybe between the
lines, as to say what is wrong can take far more than to know it.  Started by `schemas.py`, as a file: it imports
nothing of ours, and so it starts in no time.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import Any

import jsonschema_rs

MEMORY_BYTES = 512 << 20
"""Of addresses; Python and the library take 100 MiB of them before the first schema."""

SHOWN = 500
"""Characters of what is wrong."""

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)
_REFUSALS = (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError)


def main() -> None:
    seconds, pairs = json.load(sys.stdin.buffer)
    _bound(seconds)
    try:
        verdicts = [verdict(schema, values) for schema, values in pairs]
        print(json.dumps(verdicts), flush=True)  # noqa: T201 - this is what it is for
        unfit = [pair for pair, each in zip(pairs, verdicts, strict=True) if each is None]
        print(json.dumps([problem(schema, values[0]) for schema, values in unfit]))  # noqa: T201 - likewise
    except MemoryError:
        os.abort()


def verdict(schema: str, values: Sequence[str]) -> int | str | None:
    """One of the first line."""
    try:
        validator = _validator(schema)
    except _REFUSALS as error:
        return _shown(error)
    if not values:
        return 0
    return next((place for place, value in enumerate(values) if _fits(validator, value)), None)


def problem(schema: str, value: str) -> str:
    """What is wrong with a value, and where."""
    try:
        misfit = next(_validator(schema).iter_errors(json.loads(value)))
    except _REFUSALS as error:
        return _shown(error)
    where = "/".join(map(str, misfit.instance_path))
    return f"{_shown(misfit.message)} at /{where[:SHOWN]}" if where else _shown(misfit.message)


def _fits(validator: Any, value: str) -> bool:
    try:
        return bool(validator.is_valid(json.loads(value)))
    except _REFUSALS:
        return False


def _validator(schema: str) -> Any:
    return jsonschema_rs.validator_for(json.loads(schema), pattern_options=_PATTERNS, retriever=_nothing_else)


def _nothing_else(uri: str) -> Any:
    raise ValueError(f"it refers to {uri[:80]!r}, and nothing outside of it is read")


def _shown(what: object) -> str:
    return str(what).partition("\n")[0][:SHOWN] or "it cannot be read"


def _bound(seconds: float) -> None:
    """So long and so much memory, and not before who is in a hurry."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    os.nice(10)


if __name__ == "__main__":
    main()
