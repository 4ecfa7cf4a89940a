"""An agent of three steps on the official Python SDK of Anthropic's API, by a bot that is told of its tools in words.

Called as `agent.py BASE KEY`; prints one JSON object: way → what was called, and what it came to.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import anthropic  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from anthropic import beta_tool  # type: ignore[import-not-found, unused-ignore]

BASE, KEY = sys.argv[1:]
SUM = "What is (2 + 3) * 4 - 1?"
OPERATIONS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
}
NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
TOOLS = [{"name": name, "description": f"{name} two numbers", "input_schema": NUMBERS} for name in OPERATIONS]
SCHEMA = {
    "type": "object",
    "properties": {"result": {"type": "number"}},
    "required": ["result"],
    "additionalProperties": False,
}
MOST_ROUNDS = 6

told: dict[str, Any] = {}
client = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0)


def tried(name: str, call: Callable[[], Any]) -> None:
    """Note what a call gives, or how it fails."""
    try:
        told[name] = call()
    except Exception as error:  # noqa: BLE001 - each failure is an outcome
        told[name] = {"raised": type(error).__name__, "said": str(error)}


def created(order: dict[str, Any]) -> Any:
    return client.messages.create(**order)


def gathered(order: dict[str, Any]) -> Any:
    with client.messages.stream(**order) as stream:
        return stream.get_final_message()


def rounds(asked: str, ask: Callable[[dict[str, Any]], Any] = created, **more: Any) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": asked}]
    called, said = [], []
    for _ in range(MOST_ROUNDS):
        message = ask({"model": "reckoner", "max_tokens": 1024, "messages": messages, "tools": TOOLS, **more})
        said.append("".join(block.text for block in message.content if block.type == "text"))
        if message.stop_reason != "tool_use":
            break
        calls = [block for block in message.content if block.type == "tool_use"]
        called += [call.name for call in calls]
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": str(OPERATIONS[call.name](**call.input))}
            for call in calls
        ]
        reminder = {"type": "text", "text": "Go on."}
        messages += [
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [*results, reminder]},
        ]
    return {"called": called, "said": said, "finish": message.stop_reason}


@beta_tool  # type: ignore[untyped-decorator, unused-ignore]
def add(a: float, b: float) -> str:
    """Add two numbers."""
    return str(a + b)


@beta_tool  # type: ignore[untyped-decorator, unused-ignore]
def multiply(a: float, b: float) -> str:
    """Multiply two numbers."""
    return str(a * b)


def by_the_runner() -> str:
    """The SDK's own loop over tools."""
    order: dict[str, Any] = {"messages": [{"role": "user", "content": "What is (2 + 3) * 4?"}]}
    runner = client.beta.messages.tool_runner(model="reckoner", max_tokens=1024, tools=[add, multiply], **order)
    return str(runner.until_done().content[-1].text)


tried("whole", lambda: rounds(SUM))
tried("streamed", lambda: rounds(SUM, gathered))
tried("mended", lambda: rounds(f"First slip. {SUM}"))
tried("any", lambda: rounds("Hello", tool_choice={"type": "any"}))
tried("runner", by_the_runner)
tried(
    "schema",
    lambda: json.loads(rounds(SUM, output_config={"format": {"type": "json_schema", "schema": SCHEMA}})["said"][-1]),
)
print(json.dumps(told))  # noqa: T201 - what it has to tell
