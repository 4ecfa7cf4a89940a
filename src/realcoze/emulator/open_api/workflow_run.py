"""One run of a workflow, from call to call: what it said since it was last gone on with, and what it waits for.

Source: docs/protocol/openapi-v3.md §10.
"""

from collections.abc import Iterable, Sequence

from realcoze.dialects.coze_open.workflow_encoder import WorkflowStreamEncoder
from realcoze.dialects.coze_open.workflow_stream import PING
from realcoze.domain.event import Event, InputRequested, Interrupt, TurnFailed, Usage
from realcoze.emulator.account import SPACE_ID, EmulatedWorkflow
from realcoze.emulator.delivery import Pace
from realcoze.emulator.open_api.answer import Block, split
from realcoze.emulator.open_api.delivery import place_of
from realcoze.emulator.open_api.playback import Playback
from realcoze.emulator.workflow_script import Play, output_of
from realcoze.errors import RealcozeError


class WorkflowRun:
    """`id` is its execute_id; `created_at` in Unix seconds."""

    def __init__(self, execute_id: str, workflow: EmulatedWorkflow, play: Play, created_at: int) -> None:
        self.id = execute_id
        self.workflow = workflow
        self.play_of = play
        self.created_at = created_at
        self.events: tuple[Event, ...] = ()
        """What is said in this leg."""

        self.blocks: tuple[Block, ...] = ()
        self._playback = Playback(0)

    @property
    def debug_url(self) -> str:
        """Where its owner may look at it."""
        return (
            f"https://www.coze.com/work_flow?execute_id={self.id}&space_id={SPACE_ID}"
            f"&workflow_id={self.workflow.workflow_id}&execute_mode=2"
        )

    @property
    def has_said_all(self) -> bool:
        """All of this leg is out."""
        return self._playback.done >= self._playback.count

    @property
    def asks(self) -> Interrupt | None:
        """The question that it waits with."""
        end = self.events[-1]
        return end.interrupt if isinstance(end, InputRequested) and self.has_said_all else None

    @property
    def failure(self) -> RealcozeError | None:
        end = self.events[-1]
        return end.error if isinstance(end, TurnFailed) and self.has_said_all else None

    @property
    def output(self) -> str:
        """What it gives, as JSON text; empty while there is nothing."""
        return output_of(self.events) if self.has_said_all else ""

    @property
    def usage(self) -> Usage:
        """Its tokens."""
        counted = [event for event in self.events if isinstance(event, Usage)]
        return counted[-1] if counted else Usage(input=0, output=0, total=0)

    def begin_leg(
        self, events: Iterable[Event], encoder: WorkflowStreamEncoder, *, beat_s: float, stuck_after: int | None = None
    ) -> None:
        """What comes next, up to a question or the end.

        `beat_s` is the silence before a sign of life; with `stuck_after` no more comes after so many messages.
        """
        self.events = tuple(events)
        self.blocks = _blocks(self.events, encoder)
        pauses = {place: beat_s for place, block in enumerate(self.blocks, start=1) if block.name in PING}
        stuck_at = None if stuck_after is None else place_of(self.blocks, stuck_after)
        self._playback = Playback(len(self.blocks), stuck_at=stuck_at, pauses=pauses)

    async def play(self, pace: Pace | None) -> None:
        """Say it all, block by block."""
        await self._playback.play(pace, lambda: None)

    async def reached(self, count: int) -> None:
        """Return once so many blocks have come, or all; never where it is stuck before that."""
        await self._playback.reached(count)


def _blocks(events: Sequence[Event], encoder: WorkflowStreamEncoder) -> tuple[Block, ...]:
    return tuple(block for event in events for block in split(encoder.feed(event), 0))
