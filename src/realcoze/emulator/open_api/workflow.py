"""The calls of workflows: run one, streamed or whole, answer what it asks, look at a run.

Source: docs/protocol/openapi-v3.md §10; docs/protocol/studio-web.md §5.5.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from aiohttp import web

from realcoze.dialects.coze_open import workflow as calls
from realcoze.dialects.coze_open.objects import number_of, text_of
from realcoze.emulator.account import WORKFLOW_OF_ID, WORKFLOWS, EmulatedWorkflow
from realcoze.emulator.fault import Fault, find_fault
from realcoze.emulator.open_api.desk import LOGID, Desk
from realcoze.emulator.open_api.exchange import now
from realcoze.emulator.open_api.fault import WORKFLOW_FAULTS
from realcoze.emulator.open_api.personality import Refused, Reply
from realcoze.emulator.open_api.retelling import retold
from realcoze.emulator.open_api.stage import Stage
from realcoze.emulator.open_api.workflow_run import WorkflowRun
from realcoze.emulator.open_api.workflow_wording import CozeWording
from realcoze.emulator.wire import WireNote
from realcoze.emulator.workflow_script import CAN_ASK, Play, perform
from realcoze.errors import BadRequest

RUNS = 2_000
HISTORY_PATH = "/v1/workflows/{id}/run_histories/{execute_id}"
STUDIO_HISTORY_PATH = "/v1/workflow/get_run_history"
UNKNOWN = "Requested resource workflow_id={} does not exist, or it is not published."


@dataclass(frozen=True, slots=True)
class _Leg:
    """What is to be played of a run, which knows nothing of it until nothing refuses it any more."""

    run: WorkflowRun
    play: Play
    fault: Fault | None


Asked = Callable[[web.Request], Awaitable[_Leg]]


class OpenWorkflows:
    """Routes for one aiohttp application."""

    def __init__(self, desk: Desk, stage: Stage, wording: CozeWording) -> None:
        self._desk = desk
        self._stage = stage
        self._wording = wording
        self._runs: OrderedDict[str, WorkflowRun] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        guarded = self._desk.guarded
        return [
            web.post(calls.RUN_PATH, guarded(self._run)),
            web.post(calls.STREAM_PATH, guarded(self._stream_run)),
            web.post(calls.RESUME_PATH, guarded(self._stream_resume)),
            web.get(STUDIO_HISTORY_PATH, guarded(self._old_history)),
        ]

    def more_routes(self) -> list[web.RouteDef]:
        """Those that Studio has not."""
        guarded = self._desk.guarded
        return [
            web.post(calls.WHOLE_RESUME_PATH, guarded(self._resume)),
            web.get(HISTORY_PATH, guarded(self._history)),
        ]

    async def _run(self, request: web.Request) -> Reply | web.StreamResponse:
        return await self._whole(request, self._new)

    async def _resume(self, request: web.Request) -> Reply | web.StreamResponse:
        return await self._whole(request, self._resumed)

    async def _stream_run(self, request: web.Request) -> Reply | web.StreamResponse:
        return await self._streamed(request, self._new)

    async def _stream_resume(self, request: web.Request) -> Reply | web.StreamResponse:
        return await self._streamed(request, self._resumed)

    async def _history(self, request: web.Request) -> Reply:
        return self._found(request.match_info["execute_id"], request.match_info["id"], request[LOGID])

    async def _old_history(self, request: web.Request) -> Reply:
        query = request.query
        return self._found(query.get("execute_id", ""), query.get("workflow_id", ""), request[LOGID])

    async def _whole(self, request: web.Request, asked: Asked) -> Reply | web.StreamResponse:
        leg = await asked(request)
        if (early := await self._stage.instead(request, leg.fault)) is not None:
            return early
        run = leg.run
        if run.workflow.name in CAN_ASK and not self._wording.runs_askers_whole:
            raise Refused(6039, "The workflow can be interrupted, and cannot run synchronously.")
        self._play(leg)
        await run.reached(len(run.blocks))
        return self._wording.whole(run, request[LOGID])

    async def _streamed(self, request: web.Request, asked: Asked) -> Reply | web.StreamResponse:
        try:
            leg = await asked(request)
        except Refused as refused:
            return self._refused(request, refused)
        except BadRequest as error:
            return self._refused(request, Refused(4000, error.message))
        if (early := await self._stage.instead(request, leg.fault)) is not None:
            return early
        self._play(leg)
        return await self._stage.stream(request, leg.run, leg.run.blocks, leg.fault)

    def _refused(self, request: web.Request, refused: Refused) -> Reply:
        return self._wording.stream_refusal(self._desk.personality, request.path, refused, request[LOGID])

    async def _new(self, request: web.Request) -> _Leg:
        """A new run; its fault is a mark in any of its parameters."""
        call = calls.decode_run(await request.read())
        self._desk.seen.runs.append(call)
        if call.bot_id and call.app_id:
            raise Refused(4000, "bot_id and app_id cannot both be given")
        if call.is_async:
            raise Refused(6003, "Only a paid plan runs workflows asynchronously.")
        workflow, given = self._workflow(text_of(call.workflow_id)), call.given()
        execute_id = next(self._desk.state.ids)
        play = Play(
            given=given,
            event_id=f"{execute_id}/{next(self._desk.state.ids)}",
            beats=self._desk.settings.beats if self._wording.has_beats else 0,
            find_file=self._desk.state.find_file,
        )
        run = WorkflowRun(execute_id, workflow, play, now())
        return _Leg(run, play, find_fault(" ".join(_texts(given)), WORKFLOW_FAULTS))

    async def _resumed(self, request: web.Request) -> _Leg:
        """A run that waits, with one more answer; its fault is a mark in that."""
        call = calls.decode_resume(await request.read())
        self._desk.seen.resumes.append(call)
        workflow = self._workflow(text_of(call.workflow_id))
        run = self._runs.get(call.event_id.partition("/")[0])
        asks = run.asks if run else None
        if run is None or asks is None or run.workflow != workflow or asks.event_id != call.event_id:
            raise Refused(4000, "event_id is invalid: no run of this workflow waits with it")
        if calls.type_of(asks.kind) != number_of(call.interrupt_type):
            raise Refused(4000, "interrupt_type is not that of the event")
        if len(run.play_of.answers) >= calls.MOST_RESUMES:
            raise Refused(4000, f"The workflow was resumed {calls.MOST_RESUMES} times, which is the limit.")
        answers = (*run.play_of.answers, call.resume_data)
        play = replace(run.play_of, answers=answers, event_id=f"{run.id}/{next(self._desk.state.ids)}")
        return _Leg(run, play, find_fault(call.resume_data, WORKFLOW_FAULTS))

    def _play(self, leg: _Leg) -> None:
        run, fault, run.play_of = leg.run, leg.fault, leg.play
        self._keep(run)
        run.begin_leg(
            retold(perform(run.workflow.name, run.play_of), fault),
            self._wording.encoder(debug_url=run.debug_url),
            beat_s=self._desk.settings.beat_s,
            stuck_after=fault.after if fault and fault.name == "stuck" else None,
        )
        self._stage.play(run.play(self._stage.pace()))

    def _keep(self, run: WorkflowRun) -> None:
        if run.id in self._runs:
            return
        self._runs[run.id] = run
        while len(self._runs) > RUNS:
            self._runs.popitem(last=False)
        self._desk.note(WireNote("call", f"workflow {run.workflow.name}", 0, run.id))

    def _workflow(self, workflow_id: str) -> EmulatedWorkflow:
        workflow = WORKFLOW_OF_ID.get(workflow_id)
        if workflow not in WORKFLOWS or workflow_id in self._desk.settings.unpublished:
            raise Refused(4200, UNKNOWN.format(workflow_id[:40]))
        return workflow

    def _found(self, execute_id: str, workflow_id: str, logid: str) -> Reply:
        run = self._runs.get(execute_id)
        if run is None or run.workflow.workflow_id != workflow_id:
            raise Refused(4314, f"There is no record of a run {execute_id[:40]}.")
        return self._wording.history(run, logid)


def _texts(given: dict[str, object]) -> Iterator[str]:
    """The parameters that are text."""
    return (value for value in given.values() if isinstance(value, str))
