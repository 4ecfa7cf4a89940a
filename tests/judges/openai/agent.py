"""An agent of three steps on the official Python SDK of OpenAI's API, by a bot that is told of its tools in words.

Called as `agent.py BASE KEY`; prints one JSON object: way → what was called, and what it came to.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

BASE, KEY = sys.argv[1:]
SUM = "What is (2 + 3) * 4 - 1?"
OPERATIONS: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
}
NUMBERS = {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}
FUNCTIONS = [{"name": name, "description": f"{name} two numbers", "parameters": NUMBERS} for name in OPERATIONS]
TOOLS = [{"type": "function", "function": function} for function in FUNCTIONS]
FLAT = [{"type": "function", **function} for function in FUNCTIONS]
SCHEMA = {"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]}
FORM = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
MOST_ROUNDS = 6

client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)


def run(name: str, arguments: str) -> str:
    return str(OPERATIONS[name](**json.loads(arguments)))


def chat(asked: str, **more: Any) -> dict[str, Any]:
    """Rounds of chat completions, whole."""
    return chatted(asked, lambda messages: created(messages, **more))


def chat_streamed(asked: str, **more: Any) -> dict[str, Any]:
    """The same by the stream's helper."""
    return chatted(asked, lambda messages: gathered(messages, **more))


def created(messages: list[Any], **more: Any) -> Any:
    order = {"model": "reckoner", "messages": messages, "tools": TOOLS, **more}
    return client.chat.completions.create(**order).choices[0]


def gathered(messages: list[Any], **more: Any) -> Any:
    order = {"model": "reckoner", "messages": messages, "tools": TOOLS, **more}
    with client.chat.completions.stream(**order) as stream:
        return stream.get_final_completion().choices[0]


def chatted(asked: str, ask: Callable[[list[Any]], Any]) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": asked}]
    called, said = [], []
    for _ in range(MOST_ROUNDS):
        choice = ask(messages)
        said.append(choice.message.content)
        if choice.finish_reason != "tool_calls":
            break
        messages.append(choice.message)
        for call in choice.message.tool_calls:
            called.append(call.function.name)
            output = run(call.function.name, call.function.arguments)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": output})
    return {"called": called, "said": said, "finish": choice.finish_reason}


def respond(asked: str, *, is_streamed: bool, **more: Any) -> dict[str, Any]:
    """Rounds of responses, the history sent each time."""
    items: list[Any] = [{"role": "user", "content": asked}]
    called, said = [], []
    for _ in range(MOST_ROUNDS):
        response = responded(items, is_streamed=is_streamed, **more)
        said.append(response.output_text)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            break
        items += response.output
        for call in calls:
            called.append(call.name)
            output = run(call.name, call.arguments)
            items.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
    return {"called": called, "said": said, "finish": response.status}


def responded(items: list[Any], *, is_streamed: bool, **more: Any) -> Any:
    order = {"model": "reckoner", "input": items, "tools": FLAT, "store": False, **more}
    if not is_streamed:
        return client.responses.create(**order)
    with client.responses.stream(**order) as stream:
        return stream.get_final_response()


def formed(**more: Any) -> Any:
    """The answer after all calls, in the form that was wanted."""
    return json.loads(chat(SUM, **more)["said"][-1])


def chosen() -> list[str]:
    """What is called where the request says which tool."""
    only = {"type": "function", "function": {"name": "add"}}
    choice = created([{"role": "user", "content": "What is 2 + 3?"}], tool_choice=only)
    return [call.function.name for call in choice.message.tool_calls]


def ignored() -> Any:
    """What an answer says that it does not heed."""
    order: dict[str, Any] = {"messages": [{"role": "user", "content": SUM}], "tools": TOOLS, "tool_choice": "auto"}
    answer = client.chat.completions.with_raw_response.create(model="reckoner", **order)
    return answer.headers.get("x-realcoze-ignored")


BAD_FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": 1}}}
TEXT_FORM = {"format": {"type": "json_schema", "name": "sum", "schema": SCHEMA}}

tried("chat", lambda: chat(SUM))
tried("chat_streamed", lambda: chat_streamed(SUM))
tried("responses", lambda: respond(SUM, is_streamed=False))
tried("responses_streamed", lambda: respond(SUM, is_streamed=True))
tried("at_once", lambda: chat("What is (1 + 2) * (7 - 3)?"))
tried("one_by_one", lambda: chat("What is (1 + 2) * (7 - 3)?", parallel_tool_calls=False))
tried("mended", lambda: chat(f"First slip. {SUM}"))
tried("mended_streamed", lambda: chat_streamed(f"First slip. {SUM}"))
tried("required", lambda: chat("Hello", tool_choice="required"))
tried("chosen", chosen)
tried("none", lambda: chat(SUM, tool_choice="none"))
tried("form", lambda: formed(response_format={"type": "json_object"}))
tried("schema", lambda: formed(response_format=FORM))
tried("schema_of_a_response", lambda: json.loads(respond(SUM, is_streamed=True, text=TEXT_FORM)["said"][-1]))
tried("unfit", lambda: chat("Hello", tools=openai.NOT_GIVEN, response_format=FORM))
tried("no_schema", lambda: chat(SUM, response_format=BAD_FORM))
tried("ignored", ignored)
print(json.dumps(told))  # noqa: T201 - what it has to tell
