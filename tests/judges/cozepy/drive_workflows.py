"""The official Python SDK and tools, workflows and chatflows: what each of its calls comes to.

Called as `drive_workflows.py BASE TOKEN BOT POEM QUIZ QUIET BROKEN CHATFLOW`, the ids of those; prints one JSON
object, call → what it gave, or how it failed.
"""

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from cozepy import (  # type: ignore[import-not-found, unused-ignore]  # it has an environment of its own
    ChatEventType,
    Coze,
    Message,
    TokenAuth,
    ToolOutput,
    WorkflowEventType,
)
from telling import tell, tried  # type: ignore[import-not-found, unused-ignore]  # beside this

BASE, TOKEN, SECRETARY, POEM, QUIZ, QUIET, BROKEN, CHATFLOW = sys.argv[1:]

coze = Coze(auth=TokenAuth(TOKEN), base_url=BASE)
runs = coze.workflows.runs


def read(events: Iterable[Any]) -> dict[str, Any]:
    """What a workflow says, and how it ends."""
    found: dict[str, Any] = {"names": [], "text": ""}
    for event in events:
        found["names"].append(event.event.value)
        found["ids"] = event.id
        if event.event == WorkflowEventType.MESSAGE:
            found["text"] += event.message.content
        if event.event == WorkflowEventType.INTERRUPT:
            data = event.interrupt.interrupt_data
            found["asked"] = {"event_id": data.event_id, "interrupt_type": data.type}
        if event.event == WorkflowEventType.ERROR:
            found["code"] = event.error.error_code
    return found


def spoken(events: Iterable[Any]) -> dict[str, Any]:
    """What a chat says, and its last event."""
    found: dict[str, Any] = {"text": ""}
    for event in events:
        if event.event == ChatEventType.CONVERSATION_MESSAGE_DELTA:
            found["text"] += event.message.content
        if event.chat is not None:
            found |= {
                "last": event.event.value,
                "conversation_id": event.chat.conversation_id,
                "chat_id": event.chat.id,
            }
            action = event.chat.required_action
            found["calls"] = [call.id for call in action.submit_tool_outputs.tool_calls] if action else []
    return found


def resumed(answer: dict[str, Any]) -> dict[str, Any]:
    return read(runs.resume(**answer))


def chatted(call: dict[str, Any]) -> dict[str, Any]:
    return spoken(coze.chat.stream(**call))


def whole() -> None:
    ran = tried("run", lambda: runs.create(workflow_id=POEM, parameters={"input": "the sea"}).model_dump())
    name = ran["execute_id"] if ran else "1"
    record = runs.run_histories
    tried("history", lambda: record.retrieve(workflow_id=POEM, execute_id=name).execute_status.value)
    tried("run_quiz", lambda: runs.create(workflow_id=QUIZ).model_dump())
    tried("run_broken", lambda: runs.create(workflow_id=BROKEN).model_dump())
    tried("run_unknown", lambda: runs.create(workflow_id="1").model_dump())


def streamed() -> None:
    tried("stream", lambda: read(runs.stream(workflow_id=POEM, parameters={"input": "the sea"})))
    tried("quiet", lambda: read(runs.stream(workflow_id=QUIET)))
    tried("broken", lambda: read(runs.stream(workflow_id=BROKEN)))
    tried("unknown", lambda: read(runs.stream(workflow_id="1")))
    asked = tried("asked", lambda: read(runs.stream(workflow_id=QUIZ)))
    for number in range(2):
        if asked:
            answer = {"workflow_id": QUIZ, **asked["asked"], "resume_data": "8"}
            asked = tried(f"resumed_{number}", partial(resumed, answer))


def submitted(prefix: str, asked: dict[str, Any] | None) -> None:
    """The chat goes on with what the user said or the tools gave."""
    if not asked or not asked["calls"]:
        return
    ids = {"conversation_id": asked["conversation_id"], "chat_id": asked["chat_id"]}
    outputs = [ToolOutput(tool_call_id=call, output=f"number {at}") for at, call in enumerate(asked["calls"])]
    submit = coze.chat.submit_tool_outputs
    tried(f"{prefix}_partly", lambda: submit(**ids, tool_outputs=outputs[:-1], stream=False).id)
    tried(f"{prefix}_submit", lambda: spoken(submit(**ids, tool_outputs=outputs, stream=True)))
    tried(f"{prefix}_again", lambda: submit(**ids, tool_outputs=outputs, stream=False).id)


def tools() -> None:
    for name, text in (("tools", "weather and reminder"), ("words", "ask me")):
        question = [Message.build_user_question_text(text)]
        conversation = coze.conversations.create(meta_data={"for": "the judge"}).id
        chat = {"bot_id": SECRETARY, "user_id": "u", "additional_messages": question, "conversation_id": conversation}
        submitted(name, tried(name, partial(chatted, chat)))


def chatflows() -> None:
    def talked(text: str, **more: Any) -> dict[str, Any]:
        question = [Message.build_user_question_text(text)]
        return spoken(coze.workflows.chat.stream(workflow_id=CHATFLOW, additional_messages=question, **more))

    first = tried("chatflow", lambda: talked("hello", parameters={"CONVERSATION_NAME": "n"}))
    conversation = first["conversation_id"] if first else "1"
    tried("chatflow_more", lambda: talked("and again", conversation_id=conversation))
    submitted("chatflow", tried("chatflow_asks", lambda: talked("ask me", conversation_id=conversation)))


whole()
streamed()
tools()
chatflows()
tell()
