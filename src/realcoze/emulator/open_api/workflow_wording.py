"""How coze.com and Coze Studio word what they say of workflows.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from typing import Any, ClassVar

import msgspec

from realcoze.dialects.coze_open.chatflow_encoder import ChatflowStreamEncoder, StudioChatflowStreamEncoder
from realcoze.dialects.coze_open.ending import NEXT_MESSAGE, REPLY_MESSAGE
from realcoze.dialects.coze_open.workflow import type_of
from realcoze.dialects.coze_open.workflow_encoder import StudioWorkflowStreamEncoder, WorkflowStreamEncoder
from realcoze.domain.event import Interrupt
from realcoze.emulator.open_api.personality import CozeCom, Refused, Reply, json_reply
from realcoze.emulator.open_api.workflow_run import WorkflowRun

UNCODED = 5000


class CozeWording:
    """coze.com and coze.cn."""

    encoder: ClassVar[type[WorkflowStreamEncoder]] = WorkflowStreamEncoder
    chatflow_encoder: ClassVar[type[ChatflowStreamEncoder]] = ChatflowStreamEncoder
    asks_by: ClassVar[str] = REPLY_MESSAGE
    """How a chatflow asks."""

    has_beats: ClassVar[bool] = True
    runs_askers_whole: ClassVar[bool] = True
    needs_a_conversation: ClassVar[bool] = False

    def name_of_question(self, chat_id: str) -> str:
        """What a chatflow's question is called."""
        return f"call_{chat_id}"

    def stream_refusal(self, personality: CozeCom, path: str, refused: Refused, logid: str) -> Reply:
        """An error before the first event of a stream."""
        return personality.refusal(path, refused, logid)

    def whole(self, run: WorkflowRun, logid: str) -> Reply:
        """The answer to a run that is not streamed: all is said."""
        if run.failure is not None:
            code, text = run.failure.upstream_code or UNCODED, run.failure.message
            return json_reply(code=code, msg=text, debug_url=run.debug_url, detail={"logid": logid})
        told: dict[str, Any] = {**_told(run), "usage": _counts(run)}
        if run.asks is not None:
            told["interrupt_data"] = _asked(run.asks)
        return json_reply(code=0, msg="", **told, detail={"logid": logid})

    def history(self, run: WorkflowRun, logid: str) -> Reply:
        """The answer about one run: a list of one."""
        failure = run.failure
        told = {
            "execute_id": run.id,
            "execute_status": "Fail" if failure else "Success" if run.output else "Running",
            "bot_id": "0",
            "connector_id": "1024",
            "connector_uid": "0",
            "run_mode": 1,
            "logid": logid,
            "create_time": run.created_at,
            "update_time": run.created_at,
            "output": run.output,
            "error_code": (failure.upstream_code or UNCODED) if failure else 0,
            "error_message": failure.message if failure else "",
            "debug_url": run.debug_url,
            "usage": _counts(run),
            "is_output_trimmed": False,
            "node_execute_status": {},
        }
        return json_reply(code=0, msg="", data=[told], detail={"logid": logid})


class StudioWording(CozeWording):
    """Coze Studio, mistakes included."""

    encoder: ClassVar[type[WorkflowStreamEncoder]] = StudioWorkflowStreamEncoder
    chatflow_encoder: ClassVar[type[ChatflowStreamEncoder]] = StudioChatflowStreamEncoder
    asks_by: ClassVar[str] = NEXT_MESSAGE
    has_beats: ClassVar[bool] = False
    runs_askers_whole: ClassVar[bool] = False
    needs_a_conversation: ClassVar[bool] = True

    def name_of_question(self, chat_id: str) -> str:  # noqa: ARG002 - what coze.com tells
        """It has no name."""
        return ""

    def stream_refusal(self, personality: CozeCom, path: str, refused: Refused, logid: str) -> Reply:  # noqa: ARG002 - what coze.com tells
        """The stream is already open when it fails, and what it was to say is lost."""
        return Reply(b"", 200)

    def whole(self, run: WorkflowRun, logid: str) -> Reply:  # noqa: ARG002 - what coze.com tells
        if run.failure is not None:
            code, text = run.failure.upstream_code or UNCODED, run.failure.message
            return json_reply(code=code, msg=text, debug_url=run.debug_url)
        return json_reply(code=0, msg=None, **_told(run), BaseResp=None)

    def history(self, run: WorkflowRun, logid: str) -> Reply:
        """Ids are numbers, and some fields have other names."""
        told = {
            "execute_id": int(run.id),
            "execute_status": "Fail" if run.failure else "Success" if run.output else "Running",
            "bot_id": 0,
            "connector_id": 1024,
            "run_mode": 1,
            "log_id": logid,
            "create_time": run.created_at,
            "update_time": run.created_at,
            "output": run.output,
            "error_msg": run.failure.message if run.failure else "",
            "token": run.usage.total,
            "cost": "0.00000",
            "debug_url": run.debug_url,
        }
        return json_reply(code=0, msg="", data=[told], BaseResp=None)


def _told(run: WorkflowRun) -> dict[str, Any]:
    return {
        "data": run.output,
        "debug_url": run.debug_url,
        "execute_id": run.id,
        "token": run.usage.total,
        "cost": "0.00000",
    }


def _counts(run: WorkflowRun) -> dict[str, int]:
    usage = run.usage
    return {"token_count": usage.total, "output_count": usage.output, "input_count": usage.input}


def _asked(interrupt: Interrupt) -> dict[str, Any]:
    data = interrupt.data.get("data", "")
    text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    return {"event_id": interrupt.event_id, "type": type_of(interrupt.kind), "data": text}
