"""LangChain's agents and its mode for Responses, by a bot that is told of its tools in words.

Called as `agent.py BASE KEY`; prints one JSON object: way → what it came to.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from langchain.agents import create_agent  # type: ignore[import-not-found, unused-ignore]  # it has an environment
from langchain_core.tools import tool  # type: ignore[import-not-found, unused-ignore]
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found, unused-ignore]

BASE, KEY = sys.argv[1:]
SUM = "What is (2 + 3) * 4 - 1?"
SCHEMA = {
    "title": "sum",
    "type": "object",
    "properties": {"result": {"type": "number"}},
    "required": ["result"],
    "additionalProperties": False,
}

told: dict[str, Any] = {}


def tried(name: str, call: Callable[[], Any]) -> None:
    """Note what a call gives, or how it fails."""
    try:
        told[name] = call()
    except Exception as error:  # noqa: BLE001 - each failure is an outcome
        told[name] = {"raised": type(error).__name__, "said": str(error)}


@tool  # type: ignore[untyped-decorator, unused-ignore]
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


@tool  # type: ignore[untyped-decorator, unused-ignore]
def subtract(a: float, b: float) -> float:
    """Subtract the second number from the first."""
    return a - b


@tool  # type: ignore[untyped-decorator, unused-ignore]
def multiply(a: float, b: float) -> float:
    """Multiply two numbers."""
    return a * b


def model(**more: Any) -> Any:
    return ChatOpenAI(base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, model="reckoner", **more)


def agent(**more: Any) -> dict[str, Any]:
    """All that an agent's messages are, in one run."""
    built = create_agent(model(**more), tools=[add, subtract, multiply], system_prompt="You are exact.")
    messages = built.invoke({"messages": [("user", SUM)]})["messages"]
    called = [call["name"] for message in messages for call in getattr(message, "tool_calls", [])]
    return {"called": called, "text": messages[-1].text}


def agent_streamed(**more: Any) -> str:
    """What of an agent's words arrives token by token."""
    built = create_agent(model(**more), tools=[add, subtract, multiply])
    pieces = built.stream({"messages": [("user", SUM)]}, stream_mode="messages")
    return "".join(piece.text for piece, _ in pieces if piece.type == "AIMessageChunk")


def responses(*, is_streamed: bool) -> dict[str, Any]:
    """One answer by `/v1/responses`."""
    asked = model(use_responses_api=True)
    answer = asked.invoke("Hello")
    if is_streamed:
        chunks = list(asked.stream("Hello"))
        answer = sum(chunks[1:], chunks[0])
    return {"text": answer.text, "usage": answer.usage_metadata and answer.usage_metadata["total_tokens"]}


tried("agent", agent)
tried("agent_streamed", agent_streamed)
tried("agent_of_responses", lambda: agent(use_responses_api=True))
tried("agent_of_responses_streamed", lambda: agent_streamed(use_responses_api=True))
tried("responses", lambda: responses(is_streamed=False))
tried("responses_streamed", lambda: responses(is_streamed=True))
tried("structured", lambda: model().with_structured_output(SCHEMA, method="function_calling").invoke("Hello"))
print(json.dumps(told))  # noqa: T201 - what it has to tell
