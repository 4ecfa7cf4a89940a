"""The ports: what the gateway needs of the world, and what the world calls back.

Events are pushed.  A transport hands bytes to a dialect, the dialect's events go straight into a
`Sink`, and nothing is awaited for a token; one task per turn waits for its end.  A sink that
cannot keep up says so through the `Flow` it was given.
"""

from typing import Protocol, runtime_checkable

from realcoze.domain.content import File, Image
from realcoze.domain.event import Event
from realcoze.domain.ids import BotName
from realcoze.domain.request import Request


class Flow(Protocol):
    """How a sink slows its upstream down.  Both calls may be repeated and come at any time."""

    def pause(self) -> None:
        """Hold events back from now on, in bounded room: stop reading, or keep the newest only."""

    def resume(self) -> None:
        """Go on; what was held back is fed at once, before this returns."""


class Sink(Protocol):
    """Where the events of one turn go.  Neither call may block or raise."""

    def open(self, flow: Flow) -> None:
        """Called once, before the first event."""

    def feed(self, event: Event) -> None:
        """Take one event."""


class Chats(Protocol):
    """An upstream that can hold a conversation."""

    async def converse(self, request: Request, sink: Sink) -> None:
        """Run one turn to its end and feed its events to `sink`.

        Returns when an event that ends the turn was fed; raises a `RealcozeError` when the turn
        fails, before its first event or after.  Cancelling it means that the caller left: the
        upstream is told so where it can be told, and every resource is given back.
        """


@runtime_checkable
class Uploads(Protocol):
    """An upstream whose bots can be shown files."""

    async def upload(self, data: bytes, name: str, bot: BotName) -> Image | File:
        """Put a file where this bot can see it; the part to say it with.

        What it is, is read from its bytes; `name` may be empty.  Raises a `RealcozeError`.
        """
