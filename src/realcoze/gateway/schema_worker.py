"""A program of its own that holds JSON values against JSON schemas: JSON on its input, JSON on its output.

It reads `[SECONDS, [[SCHEMA, VALUE], …]]`, where both are JSON text and no value means that there is none yet, and
writes what is wrong with each, or null.  Some schemas take longer than anybody lives, or all memory there is: this
ends by a signal then.  Started by `schemas.py`, as a file: it imports nothing of ours, and so it starts in no time.
"""

import json
import os
import resource
import signal
import sys
from typing import Any

import jsonschema_rs

MEMORY_BYTES = 512 << 20
"""Of addresses; Python and the library take 100 MiB of them before the first schema."""

SHOWN = 500
"""Characters of what is wrong."""

_PATTERNS = jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000)
_REFUSALS = (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError)


def main() -> None:
    seconds, pairs = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    os.nice(10)
    try:
        problems = [problem(schema, value) for schema, value in pairs]
    except MemoryError:
        os.abort()
    json.dump(problems, sys.stdout)


def problem(schema: str, value: str | None) -> str | None:
    """What is wrong with a value, or with its schema where there is no value yet; None where nothing is."""
    try:
        validator = jsonschema_rs.validator_for(json.loads(schema), pattern_options=_PATTERNS, retriever=_nothing_else)
        if value is None:
            return None
        given = json.loads(value)
        if validator.is_valid(given):  # far quicker than to look for what is wrong
            return None
        misfit = next(validator.iter_errors(given))
    except _REFUSALS as error:
        return str(error).partition("\n")[0][:SHOWN] or "it cannot be read"
    where = "/".join(map(str, misfit.instance_path))
    return f"{misfit.message[:SHOWN]} at /{where}" if where else misfit.message[:SHOWN]


def _nothing_else(uri: str) -> Any:
    raise ValueError(f"it refers to {uri[:80]!r}, and nothing outside of it is read")


if __name__ == "__main__":
    main()
