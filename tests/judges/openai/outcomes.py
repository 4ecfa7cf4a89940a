"""What calls of the SDK came to, by name."""

from collections.abc import Callable
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own

told: dict[str, Any] = {}


def tried(name: str, call: Callable[[], Any]) -> None:
    """Note what a call gives; what fails is noted by its class, status, type and code."""
    try:
        told[name] = call()
    except openai.APIError as error:
        facts = {"status": getattr(error, "status_code", None), "code": error.code, "type": error.type}
        told[name] = {"raised": type(error).__name__, **facts, "said": str(error)}
    except Exception as error:  # noqa: BLE001 - each failure is an outcome
        told[name] = {"raised": type(error).__name__, "said": str(error)}
