"""The pictures of OpenAI's official Python SDK against a server: what each of its calls comes to.

Called as `images.py BASE KEY`.  Prints one JSON object: call → what it gave, or how it failed.
"""

import json
import sys
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=2)

TWO = "![a](https://example.com/a.png) and ![b](https://example.com/b.png)"


def drawn(prompt: str, model: str = "echo", **more: Any) -> Any:
    return client.images.generate(model=model, prompt=prompt, **more)


def urls(prompt: str, **more: Any) -> list[str]:
    return [each.url for each in drawn(prompt, **more).data]


def facts() -> list[Any]:
    answer = drawn("Draw a cat", model="pictures")
    usage = answer.usage
    return [answer.created > 0, usage.total_tokens - usage.output_tokens == usage.input_tokens > 0]


tried("drawn", lambda: urls("Draw a cat", model="pictures"))
tried("facts", facts)
tried("two", lambda: urls(TWO, n=1, response_format="url"))
tried("workflow", lambda: urls('{"output": "https:\\/\\/s.coze.cn\\/t\\/abc\\/"}'))
tried("dressed", lambda: urls(TWO, size="1024x1024", quality="high", background="transparent", output_format="png"))
tried(
    "ignored",
    lambda: client.images.with_raw_response.generate(model="echo", prompt=TWO, size="auto", style="vivid").headers[
        "x-realcoze-ignored"
    ],
)
tried("words", lambda: urls("No picture at all"))
tried("several", lambda: urls(TWO, n=2))
tried("bytes", lambda: urls(TWO, response_format="b64_json"))
tried("streamed", lambda: [event.type for event in drawn(TWO, stream=True)])
tried("nobody", lambda: urls(TWO, model="nobody"))
sys.stdout.write(json.dumps(told))
