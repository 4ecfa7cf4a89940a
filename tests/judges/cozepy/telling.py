"""What a program here tells of its calls: one JSON object, call → what it gave, or how it failed."""

import json
from collections.abc import Callable
from typing import Any

told: dict[str, Any] = {}


def tried(name: str, call: Callable[[], Any]) -> Any:
    """Note what a call gives; what fails is noted by its class and text."""
    try:
        told[name] = call()
    except Exception as error:  # noqa: BLE001 - each failure is an outcome
        told[name] = {"raised": type(error).__name__, "said": str(error)[:200]}
        return None
    return told[name]


def tell() -> None:
    """Print it all."""
    print(json.dumps(told))  # noqa: T201 - the answer
