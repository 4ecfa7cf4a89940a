"""The official Python SDK of Anthropic's API against a server: what each of its calls comes to.

Called as `drive.py BASE KEY PICTURE DOCUMENT ORDERS`: a picture and a document in base64, and as JSON which
`codes` and which `faults` to provoke, and how many `at_once`.  Prints one JSON object: call → what it gave, or
how it failed.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anthropic  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own

BASE, KEY, PICTURE, DOCUMENT = sys.argv[1:5]
ORDERS: dict[str, Any] = json.loads(sys.argv[5])
TOOL = {"name": "add_reminder", "input_schema": {"type": "object", "properties": {}}}
SCHEMA = {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}

WORDS = "one two three four five six"

told: dict[str, Any] = {}
client = anthropic.Anthropic(base_url=BASE, api_key=KEY, max_retries=0)


def tried(name: str, call: Callable[[], Any]) -> Any:
    """Note what a call gives; what fails is noted by its class, status, type and code."""
    try:
        told[name] = call()
    except anthropic.APIError as error:
        facts = {"status": getattr(error, "status_code", None), "code": getattr(error, "error_code", None)}
        told[name] = {"raised": type(error).__name__, "type": getattr(error, "type", None), **facts, "said": str(error)}
    except Exception as error:  # noqa: BLE001 - each failure is an outcome
        told[name] = {"raised": type(error).__name__, "said": str(error)}
    return told[name]


def asking(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The arguments of a call; `asked` is the last question or a history."""
    messages = asked if isinstance(asked, list) else [{"role": "user", "content": asked}]
    return {"model": model, "max_tokens": 1024, "messages": messages, **more}


def described(message: Any) -> dict[str, Any]:
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "kinds": [block.type for block in message.content],
        "stop": message.stop_reason,
        "model": message.model,
        "usage": message.usage.input_tokens + message.usage.output_tokens,
        "id": message.id[:4],
    }


def whole(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    return described(client.messages.create(**asking(asked, model, **more)))


def raw(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The events of a stream."""
    events = list(client.messages.create(**asking(asked, model, **more), stream=True))
    deltas = [event.delta for event in events if event.type == "content_block_delta"]
    return {
        "types": list(dict.fromkeys(event.type for event in events)),
        "text": "".join(delta.text for delta in deltas if delta.type == "text_delta"),
        "pieces": len(deltas),
    }


def streamed(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The stream's helper, which puts the message together."""
    with client.messages.stream(**asking(asked, model, **more)) as stream:
        text = "".join(stream.text_stream)
        return {**described(stream.get_final_message()), "streamed": text}


async def at_once(asked: Iterable[str]) -> list[str]:
    """Several streams of one loop."""
    async with anthropic.AsyncAnthropic(base_url=BASE, auth_token=KEY, api_key=None, max_retries=0) as others:

        async def one(text: str) -> str:
            async with others.messages.stream(**asking(text)) as stream:
                return str(await stream.get_final_text())

        return list(await asyncio.gather(*map(one, asked)))


def left() -> str:
    """A client that leaves in the middle, and then asks something else."""
    with client.messages.stream(**asking(f"{WORDS} [[fault deaf after=2]]")) as stream:
        next(iter(stream.text_stream))
    return str(whole("still there")["text"])


def shown(*blocks: dict[str, Any]) -> dict[str, Any]:
    """A question about pictures or files."""
    return whole([{"role": "user", "content": [*blocks, {"type": "text", "text": "What is it?"}]}], "pictures")


def block(kind: str, source: str, **fields: str) -> dict[str, Any]:
    return {"type": kind, "source": {"type": source, **fields}}


def round_trip(ask: Callable[[list[Any]], Any]) -> dict[str, Any]:
    """The bot wants its tool run, gets the result, and ends its answer; the history goes on after it."""
    history: list[Any] = [{"role": "user", "content": "Remind me at 18:00 to make tea"}]
    first = ask(history)
    calls = [each for each in first.content if each.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "It stands there"} for call in calls]
    history += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    second = ask(history)
    history += [{"role": "assistant", "content": second.content}, {"role": "user", "content": "Thank you"}]
    return {
        "called": [[call.name, sorted(call.input)] for call in calls],
        "stops": [first.stop_reason, second.stop_reason],
        "text": described(second)["text"],
        "after": described(ask(history))["stop"],
    }


def created(history: list[Any]) -> Any:
    return client.messages.create(**asking(history, "secretary"))


def gathered(history: list[Any]) -> Any:
    with client.messages.stream(**asking(history, "secretary")) as stream:
        return stream.get_final_message()


def ignored() -> dict[str, Any]:
    """What the headers of an answer say."""
    answer = client.messages.with_raw_response.create(**asking("hello", tools=[TOOL]))
    return {"ignored": answer.headers.get("x-realcoze-ignored"), "request_id": answer.headers["request-id"][:4]}


def counted() -> dict[str, Any]:
    answer = client.messages.with_raw_response.count_tokens(
        model="echo", messages=[{"role": "user", "content": "Hello there"}]
    )
    return {"tokens": answer.parse().input_tokens, "estimate": answer.headers["x-realcoze-estimate"]}


tried("create", lambda: whole("hello there"))
tried("blocks", lambda: whole([{"role": "user", "content": [{"type": "text", "text": "hello there"}]}]))
tried("raw", lambda: raw("hello there you all"))
tried("stream", lambda: streamed("hello there you all"))
tried("at_once", lambda: asyncio.run(at_once(["one", "two", "three"])))
tried("beta", lambda: described(client.beta.messages.create(**asking("hello there"))))
tried("system", lambda: whole("hello", system=[{"type": "text", "text": "Be brief."}]))
tried(
    "memory",
    lambda: whole(
        [
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello Ada"}]},
            {"role": "user", "content": "Who am I?"},
        ],
        "memory",
    ),
)
tried("picture", lambda: shown(block("image", "base64", media_type="image/png", data=PICTURE)))
tried("picture_by_url", lambda: shown(block("image", "url", url="https://pictures.example/sea.png")))
tried("document", lambda: shown(block("document", "base64", media_type="application/pdf", data=DOCUMENT)))
tried("document_by_url", lambda: shown(block("document", "url", url="https://files.example/sea.pdf")))
tried("tools", lambda: round_trip(created))
tried("tools_streamed", lambda: round_trip(gathered))
tried("ignored", ignored)
tried("count", counted)
tried(
    "count_unknown", lambda: client.messages.count_tokens(model="nobody", messages=[{"role": "user", "content": "x"}])
)
tried("models", lambda: [model.id for model in client.models.list(limit=3)])
tried("model", lambda: client.models.retrieve("echo").display_name)
tried("alias", lambda: whole("hello there", "claude-sonnet-4")["model"])
if ORDERS["leaves"]:
    tried("left", left)
    tried("left_whole", lambda: whole(f"{WORDS} [[fault deaf after=2]]", timeout=1.0))
tried("tool_choice", lambda: whole("hello", tools=[TOOL], tool_choice={"type": "any"}))
tried("output", lambda: whole("hello", output_config={"format": SCHEMA}))
tried("prefill", lambda: whole([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "I"}]))
tried("wrong_model", lambda: whole("hello", "nobody"))
tried("wrong_key", lambda: described(client.with_options(api_key="wrong-key-wrong-key").messages.create(**asking("x"))))
tried("too_large", lambda: whole("x" * (21 << 20)))
tried("unknown_model", lambda: client.models.retrieve("nobody").id)
with ThreadPoolExecutor(ORDERS["at_once"]) as pool:
    for code in ORDERS["codes"]:
        for way, call in (("whole", whole), ("stream", streamed)):
            pool.submit(tried, f"{way} {code}", partial(call, f"hello [[fault code value={code}]]"))
    for fault in ORDERS["faults"]:
        for way, call in (("whole", whole), ("raw", raw), ("stream", streamed)):
            pool.submit(tried, f"{way} {fault}", partial(call, f"{WORDS} [[fault {fault}]]"))
print(json.dumps(told))  # noqa: T201 - what it has to tell
