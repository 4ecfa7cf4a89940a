"""What OpenAI's official Python SDK does with responses that are kept: what each of its calls comes to.

Called as `kept.py BASE KEY PICTURE SLOW`: a picture in base64, and a question whose answer does not come by itself.
Prints one JSON object: call → what it gave, or how it failed.
"""

import json
import sys
from typing import Any

import openai  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
from outcomes import told, tried  # type: ignore[import-not-found, unused-ignore]  # beside it

BASE, KEY, PICTURE, SLOW = sys.argv[1:5]
LOOKS = 1000

client = openai.OpenAI(base_url=BASE, api_key=KEY, max_retries=0)
responses = client.responses


def ask(asked: Any, **more: Any) -> Any:
    return responses.create(**{"model": "memory", "input": asked, **more})


def chain() -> dict[str, Any]:
    first = ask("My name is Ada.")
    second = ask("I like tea.", previous_response_id=first.id)
    third = ask("Who am I?", previous_response_id=second.id)
    return {
        "text": third.output_text,
        "store": third.store,
        "previous": third.previous_response_id == second.id,
        "again": responses.retrieve(third.id).model_dump() == third.model_dump(),
    }


def streamed() -> str:
    """Going on at once, with what the last event of a stream told."""
    events = list(ask("My name is Ada.", stream=True))
    with responses.stream(model="memory", input="Who am I?", previous_response_id=events[-1].response.id) as stream:
        return str(stream.get_final_response().output_text)


def listed() -> dict[str, Any]:
    first = ask("One")
    second = ask("Two", previous_response_id=first.id)
    newest = list(responses.input_items.list(second.id))
    pages = list(responses.input_items.list(second.id, order="asc", limit=1))
    return {
        "newest": [item.content[0].text for item in newest],
        "roles": [item.role for item in newest],
        "by_pages": [item.id for item in pages] == [item.id for item in reversed(newest)],
    }


def seen() -> list[str]:
    """What is kept of a picture."""
    url = f"data:image/png;base64,{PICTURE}"
    picture = {"type": "input_image", "detail": "auto", "image_url": url}
    first = ask([{"role": "user", "content": [{"type": "input_text", "text": "Look"}, picture]}])
    [item] = responses.input_items.list(first.id)
    return [part.text for part in item.content]


def tools() -> str:
    called = ask("remind me at 10:30 of the weather", model="secretary")
    calls = [item for item in called.output if item.type == "function_call"]
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": call.name} for call in calls]
    return str(ask(results, model="secretary", previous_response_id=called.id).output_text)


def referred() -> str:
    """The history by the ids of its items, as some agents send it."""
    first = ask("My name is Ada.")
    [question] = responses.input_items.list(first.id)
    references = [{"type": "item_reference", "id": item.id} for item in (question, *first.output)]
    return str(ask([*references, {"role": "user", "content": "Who am I?"}]).output_text)


def deleted() -> Any:
    first = ask("Hello")
    responses.delete(first.id)
    return responses.retrieve(first.id)


def unkept() -> Any:
    return responses.retrieve(ask("Hello", store=False).id)


def until_over(response: Any) -> Any:
    """As OpenAI's guide to the background has it."""
    for _ in range(LOOKS):
        if response.status not in ("queued", "in_progress"):
            return response
        response = responses.retrieve(response.id)
    raise TimeoutError(response.status)


def behind() -> list[str]:
    begun = ask("hello there", model="echo", background=True)
    over = until_over(begun)
    return [begun.status, over.status, over.output_text]


def behind_streamed() -> dict[str, Any]:
    events = list(ask("hello there", model="echo", background=True, stream=True))
    last = events[-1].response
    return {
        "first": [event.type for event in events[:3]],
        "last": events[-1].type,
        "text": last.output_text,
        "kept": responses.retrieve(last.id).status,
    }


def stopped() -> list[str]:
    begun = ask(SLOW, model="echo", background=True)
    cancelled = responses.cancel(begun.id)
    return [begun.status, cancelled.status, responses.retrieve(begun.id).status, responses.cancel(begun.id).status]


def stopped_in_vain() -> Any:
    return responses.cancel(ask("Hello").id)


for each in (
    chain, streamed, listed, seen, tools, referred, deleted, unkept, behind, behind_streamed, stopped, stopped_in_vain
):  # fmt: skip
    tried(each.__name__, each)
tried("nowhere", lambda: ask("Hello", previous_response_id="resp_nowhere"))
tried("both", lambda: ask("Hello", previous_response_id=ask("Hello").id, conversation="7"))
tried("no_order", lambda: list(responses.input_items.list("resp_nowhere", order="random")))
tried("streamed_again", lambda: list(responses.retrieve("resp_nowhere", stream=True)))
sys.stdout.write(json.dumps(told))
