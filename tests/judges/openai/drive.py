"""The official Python SDK of OpenAI's API against a server: what each of its calls comes to.

Called as `drive.py BASE KEY PICTURE SOUND ORDERS`: a picture and a recording in base64, and as JSON which `codes`
and which `faults` to provoke.  Prints one JSON object: call → what it gave, or how it failed.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

BASE, KEY, PICTURE, SOUND = sys.argv[1:5]
ORDERS: dict[str, list[str]] = json.loads(sys.argv[5])
TOOL = {"type": "function", "function": {"name": "add_reminder", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}

client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)


def asking(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The arguments of a call; `asked` is the last question, parts of it, or a history."""
    is_history = isinstance(asked, list) and "role" in asked[0]
    messages = asked if is_history else [{"role": "user", "content": asked}]
    return {"model": model, "messages": messages, **more}


def whole(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    completion = client.chat.completions.create(**asking(asked, model, **more))
    [choice] = completion.choices
    return {
        "text": choice.message.content,
        "finish": choice.finish_reason,
        "model": completion.model,
        "usage": completion.usage and completion.usage.total_tokens,
        "more": completion.model_extra,
    }


def raw(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The chunks of a stream."""
    chunks = list(client.chat.completions.create(**asking(asked, model, **more), stream=True))
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "roles": [choice.delta.role for choice in choices if choice.delta.role],
        "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
        "usage": [chunk.usage.total_tokens for chunk in chunks if chunk.usage],
        "heads": len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}),
        "more": chunks[-1].model_extra,
    }


def streamed(asked: Any, model: str = "echo", **more: Any) -> dict[str, Any]:
    """The stream's helper, which puts the completion together."""
    with client.chat.completions.stream(**asking(asked, model, **more)) as stream:
        kinds = list(dict.fromkeys(event.type for event in stream))
        final = stream.get_final_completion()
    return {"text": final.choices[0].message.content, "finish": final.choices[0].finish_reason, "kinds": kinds}


async def at_once(asked: Iterable[str]) -> list[str]:
    """Several streams of one loop."""
    async with openai.AsyncOpenAI(base_url=BASE, api_key=KEY, max_retries=0) as others:

        async def one(text: str) -> str:
            stream = await others.chat.completions.create(**asking(text), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        return list(await asyncio.gather(*map(one, asked)))


def stopped_in_the_middle() -> str:
    """A stream that its reader leaves after the first words."""
    said, asked = "", asking("hello there my friend [[fault deaf after=2]]")
    with client.chat.completions.create(**asked, stream=True) as stream:
        for chunk in stream:
            said += chunk.choices[0].delta.content or ""
            if said:
                break
    return said


def tools(ask: Callable[..., Any]) -> dict[str, Any]:
    """A turn that wants tools run, and goes on with what they gave."""
    history: list[Any] = [{"role": "user", "content": "remind me at 10:30 of the weather"}]
    called = ask(history)
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{call.function.name} is done"}
        for call in called.message.tool_calls
    ]
    after = ask([*history, called.message, *results])
    return {
        "finish": called.finish_reason,
        "names": [call.function.name for call in called.message.tool_calls],
        "arguments": [json.loads(call.function.arguments) for call in called.message.tool_calls],
        "text": after.message.content,
        "finish_after": after.finish_reason,
    }


def choice_of_whole(history: list[Any]) -> Any:
    return client.chat.completions.create(**asking(history, "secretary", tools=[TOOL])).choices[0]


def choice_of_stream(history: list[Any]) -> Any:
    with client.chat.completions.stream(**asking(history, "secretary")) as stream:
        return stream.get_final_completion().choices[0]


def parts(kind: str, value: Any) -> list[Any]:
    return [{"type": "text", "text": "Look"}, {"type": kind, kind: value}]


def pictures() -> None:
    data = f"data:image/png;base64,{PICTURE}"
    tried("picture", lambda: whole(parts("image_url", {"url": data}), "memory")["text"])
    tried("picture_streamed", lambda: raw(parts("image_url", {"url": data}), "memory")["text"])
    tried("picture_url", lambda: whole(parts("image_url", {"url": "https://example.com/a.png"}), "memory")["text"])
    sound = {"data": SOUND, "format": "wav"}
    tried("sound", lambda: whole(parts("input_audio", sound), "memory")["text"])
    file = {"file_data": data, "filename": "a.png"}
    tried("file", lambda: whole(parts("file", file), "memory")["text"])


def models() -> None:
    tried("models", lambda: [model.id for model in client.models.list()])
    tried("model", lambda: client.models.retrieve("echo").owned_by)
    tried("no_model", lambda: client.models.retrieve("nobody").id)


def refused() -> None:
    tried("no_bot", lambda: whole("hello", "nobody"))
    tried("wrong_key", lambda: client.with_options(api_key="wrong").chat.completions.create(**asking("hello")))
    tried("two", lambda: whole("hello", n=2))
    tried("demanded_tool", lambda: whole("hello", tools=[TOOL], tool_choice="required"))
    tried("demanded_form", lambda: whole("hello", response_format=SCHEMA))


def broken() -> None:
    """All at once, as each waits for what realcoze tries before it gives up."""
    with ThreadPoolExecutor(8) as pool:
        for code in ORDERS["codes"]:
            text = f"hello [[fault code value={code}]]"
            pool.submit(tried, f"code {code}", partial(whole, text))
            pool.submit(tried, f"code {code} streamed", partial(raw, text))
        for fault in ORDERS["faults"]:
            text = f"one two three four five six [[fault {fault}]]"
            pool.submit(tried, f"{fault} whole", partial(whole, text))
            pool.submit(tried, f"{fault} raw", partial(raw, text))
            pool.submit(tried, f"{fault} helper", partial(streamed, text))


def ignored() -> dict[str, str | None]:
    response = client.chat.completions.with_raw_response.create(**asking("hello", tools=[TOOL], seed=1))
    return {"ignored": response.headers.get("x-realcoze-ignored"), "text": response.parse().choices[0].message.content}


def completed_in_pieces() -> list[Any]:
    """The text of a stream of the old kind, and how it ended."""
    chunks = list(client.completions.create(model="echo", prompt=["hello there"], stream=True))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return ["".join(choice.text for choice in choices), [each.finish_reason for each in choices if each.finish_reason]]


tried("whole", lambda: whole("hello there"))
tried("raw", lambda: raw("hello there"))
tried("usage", lambda: raw("hello there", stream_options={"include_usage": True}))
tried("helper", lambda: streamed("hello there"))
tried("extras", lambda: whole("hello there", "memory", extra_body={"coze": {"extras": True}})["more"])
tried("extras_streamed", lambda: raw("hello there", "memory", extra_body={"coze": {"extras": True}})["more"])
tried("ignored", ignored)
tried("completion", lambda: client.completions.create(model="echo", prompt="hello there").choices[0].text)
tried("completion_streamed", completed_in_pieces)
tried("at_once", lambda: asyncio.run(at_once(f"number {number}" for number in range(8))))
tried("tools", lambda: tools(choice_of_whole))
tried("tools_streamed", lambda: tools(choice_of_stream))
models()
pictures()
refused()
broken()
if "stop" in ORDERS:
    tried("stopped", stopped_in_the_middle)
    tried("stopped_whole", lambda: whole("hello there my friend [[fault deaf after=2]]", timeout=1.0))
sys.stdout.write(json.dumps(told))
