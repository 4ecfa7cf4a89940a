"""LangChain's model of OpenAI against a server: what each of its calls comes to.

Called as `drive.py BASE KEY PICTURE ORDERS`: the picture as a URL, and as JSON which `codes` and which `faults` to
provoke.  Prints one JSON object: call → what it gave, or how it failed.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from langchain_core.messages import (  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool  # type: ignore[import-not-found, unused-ignore]
from langchain_openai import ChatOpenAI  # type: ignore[import-not-found, unused-ignore]

BASE, KEY, PICTURE = sys.argv[1:4]
ORDERS: dict[str, list[str]] = json.loads(sys.argv[4])
SCHEMA = {"title": "city", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

told: dict[str, Any] = {}


def model(name: str, **more: Any) -> Any:
    """A bot of the server; nothing is tried twice."""
    return ChatOpenAI(base_url=f"{BASE}/v1", **{"api_key": KEY, "max_retries": 0, **more}, model=name)


def tried(name: str, call: Callable[[], Any]) -> Any:
    """Note what a call gives; what fails is noted by its class, status, code and text."""
    try:
        told[name] = call()
    except Exception as error:  # noqa: BLE001 - each failure is an outcome
        facts = {"status": getattr(error, "status_code", None), "code": getattr(error, "code", None)}
        told[name] = {"raised": type(error).__name__, **facts, "said": str(error)[:300]}
    return told[name]


def whole(name: str, asked: Any, **more: Any) -> dict[str, Any]:
    """One answer that comes whole."""
    answer = model(name, **more).invoke(asked)
    return {
        "text": answer.text,
        "usage": answer.usage_metadata and answer.usage_metadata["total_tokens"],
        "finish": answer.response_metadata["finish_reason"],
        "model": answer.response_metadata["model_name"],
    }


def streamed(name: str, asked: Any) -> dict[str, Any]:
    """The same as it comes."""
    chunks = list(model(name, stream_usage=True).stream(asked))
    joined = sum(chunks[1:], chunks[0])
    return {
        "text": joined.text,
        "pieces": sum(bool(chunk.text) for chunk in chunks),
        "usage": joined.usage_metadata and joined.usage_metadata["total_tokens"],
        "finish": joined.response_metadata.get("finish_reason"),
    }


async def streamed_at_once(*asked: str) -> list[str]:
    """Several streams of one loop."""

    async def one(text: str) -> str:
        return "".join([chunk.text async for chunk in model("echo").astream(text)])

    return list(await asyncio.gather(*map(one, asked)))


def left() -> str:
    """A reader that leaves after the first words."""
    stream = model("echo").stream("hello there you all [[fault deaf after=2]]")
    said = next(chunk.text for chunk in stream if chunk.text)
    stream.close()
    return str(said)


def shown(url: str) -> list[Any]:
    """A question about a picture."""
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [HumanMessage(parts)]


@tool  # type: ignore[untyped-decorator, unused-ignore]
def add_reminder(time: str, what: str) -> str:
    """Put something into the calendar."""
    return f"{what} stands there for {time}"


def round_trip(*, is_streamed: bool) -> dict[str, Any]:
    """The bot wants its tool run, gets the result, and ends its answer."""
    secretary = model("secretary").bind_tools([add_reminder])
    history: list[Any] = [HumanMessage("Remind me at 18:00 to make tea")]

    def ask() -> Any:
        if not is_streamed:
            return secretary.invoke(history)
        chunks = list(secretary.stream(history))
        return sum(chunks[1:], chunks[0])

    first = ask()
    history.append(first)
    history += [ToolMessage(add_reminder.invoke(call["args"]), tool_call_id=call["id"]) for call in first.tool_calls]
    called = [[call["name"], sorted(call["args"])] for call in first.tool_calls]
    return {"called": called, "text": ask().text}


tried("invoke", lambda: whole("echo", "hello there"))
tried("stream", lambda: streamed("echo", "hello there you all"))
tried("astream", lambda: asyncio.run(streamed_at_once("one", "two", "three")))
tried("system", lambda: whole("echo", [SystemMessage("Be brief."), HumanMessage("hello")]))
tried("memory", lambda: whole("memory", [("user", "My name is Ada."), ("ai", "Hello Ada"), ("user", "Who am I?")]))
tried("picture", lambda: whole("pictures", shown(PICTURE)))
tried("picture_by_url", lambda: whole("pictures", shown("https://pictures.example/sea.png")))
tried("tools", lambda: round_trip(is_streamed=False))
tried("tools_streamed", lambda: round_trip(is_streamed=True))
tried("tool_choice", lambda: model("echo").bind_tools([add_reminder], tool_choice="any").invoke("hello").text)
tried("structured", lambda: model("echo").with_structured_output(SCHEMA).invoke("hello"))
tried("wrong_key", lambda: whole("echo", "hello", api_key="wrong-key-wrong-key"))
tried("wrong_model", lambda: whole("nobody", "hello"))
for code in ORDERS["codes"]:
    tried(f"whole {code}", partial(whole, "echo", f"hello [[fault code value={code}]]"))
    tried(f"stream {code}", partial(streamed, "echo", f"hello [[fault code value={code}]]"))
for fault in ORDERS["faults"]:
    tried(f"whole {fault}", partial(whole, "echo", f"one two three four five six [[fault {fault}]]"))
    tried(f"stream {fault}", partial(streamed, "echo", f"one two three four five six [[fault {fault}]]"))
if "leaves" in ORDERS:
    tried("left", left)
    tried("left_whole", lambda: whole("echo", "hello there you all [[fault deaf after=2]]", timeout=1.0))
print(json.dumps(told))  # noqa: T201 - what it has to tell
