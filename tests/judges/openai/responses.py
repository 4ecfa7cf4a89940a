"""The Responses of OpenAI's official Python SDK against a server: what each of its calls comes to.

Called as `responses.py BASE KEY PICTURE FAULTS`: a picture in base64, and as JSON which faults to provoke.
Prints one JSON object: call → what it gave, or how it failed.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

BASE, KEY, PICTURE, FAULTS = sys.argv[1:5]
TOOL = {"type": "function", "name": "add_reminder", "parameters": {"type": "object"}, "strict": False}
SCHEMA = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}

client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)


def facts(response: Any) -> dict[str, Any]:
    return {
        "text": response.output_text,
        "status": response.status,
        "model": response.model,
        "usage": response.usage and response.usage.total_tokens,
        "kinds": [item.type for item in response.output],
    }


def whole(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    return facts(client.responses.create(model=model, input=asked, **more))


def raw(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The events of a stream, and the response that its last one holds."""
    events = list(client.responses.create(model=model, input=asked, stream=True, **more))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    last = facts(events[-1].response)
    return {**last, "deltas": "".join(deltas), "end": events[-1].type, "numbers": [e.sequence_number for e in events]}


def helper(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The stream's helper, which puts the response together."""
    with client.responses.stream(model=model, input=asked, **more) as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    return {**facts(final), "snapshot": snapshots[-1] if snapshots else ""}


def tools(ask: Callable[[list[Any]], Any]) -> dict[str, Any]:
    """A turn that wants tools run, and goes on with what they gave."""
    history: list[Any] = [{"role": "user", "content": "remind me at 10:30 of the weather"}]
    called = ask(history)
    calls = [item for item in called.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": f"{call.name} is done"} for call in calls
    ]
    after = ask([*history, *called.output, *results])
    return {
        "names": [call.name for call in calls],
        "arguments": [json.loads(call.arguments) for call in calls],
        "text": after.output_text,
    }


def called_whole(history: list[Any]) -> Any:
    return client.responses.create(model="secretary", input=history, tools=[TOOL])


def called_in_stream(history: list[Any]) -> Any:
    with client.responses.stream(model="secretary", input=history) as stream:
        return stream.get_final_response()


def parts(**part: Any) -> list[Any]:
    return [{"role": "user", "content": [{"type": "input_text", "text": "Look"}, part]}]


def files() -> None:
    data = f"data:image/png;base64,{PICTURE}"
    tried("picture", lambda: whole(parts(type="input_image", detail="auto", image_url=data), "memory")["text"])
    url = "https://example.com/a.png"
    tried("picture_url", lambda: whole(parts(type="input_image", detail="auto", image_url=url), "memory")["text"])
    tried("file", lambda: whole(parts(type="input_file", file_data=data, filename="a.png"), "memory")["text"])


def refused() -> None:
    tried("no_bot", lambda: whole("hello", "nobody"))
    tried("wrong_key", lambda: client.with_options(api_key="wrong").responses.create(model="echo", input="hello"))
    tried("demanded_tool", lambda: whole("hello", tools=[TOOL], tool_choice="required"))
    tried("demanded_form", lambda: whole("hello", text=SCHEMA))


def broken() -> None:
    """All at once, as each waits for what realcoze tries before it gives up."""
    with ThreadPoolExecutor(8) as pool:
        for fault in json.loads(FAULTS):
            text = f"one two three four five six [[fault {fault}]]"
            for way in (whole, raw, helper):
                pool.submit(tried, f"{fault} {way.__name__}", partial(way, text))


def ignored() -> dict[str, str | None]:
    response = client.responses.with_raw_response.create(model="echo", input="hello", tools=[TOOL])
    return {"ignored": response.headers.get("x-realcoze-ignored"), "text": response.parse().output_text}


HISTORY = [
    {"role": "user", "content": "My name is Ada."},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Hi, Ada."}]},
    {"role": "user", "content": [{"type": "input_text", "text": "Who am I?"}]},
]

for way in (whole, raw, helper):
    tried(way.__name__, partial(way, "hello there"))
tried("history", lambda: whole(HISTORY, "memory", instructions="Be brief."))
tried("ignored", ignored)
tried("tools", lambda: tools(called_whole))
tried("tools_streamed", lambda: tools(called_in_stream))
files()
refused()
broken()
sys.stdout.write(json.dumps(told))
