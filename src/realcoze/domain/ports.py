"""The ports: what the gateway needs of the world, and what the world calls back.

Events are pushed.  A transport hands bytes to a dialect, the dialect's events go straight into a
`Sink`, and nothing is awaited for a token; one task per turn waits for its end.  A sink that
cannot keep up says so through the `Flow` it was given.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

from realcoze.domain.content import MediaPart
from realcoze.domain.event import Event
from realcoze.domain.ids import BotName, CallerId
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A bot of an account: its id there, and the name that its maker gave it, which may be any text."""

    id: str
    name: str


class Catalog(Chats, Protocol):
    """An upstream that can say which bots its account has; each is reached as `bot-<id>` from then on."""

    async def published(self) -> Sequence[Published]:
        """All that can be talked with.  Raises a `RealcozeError`."""


@runtime_checkable
class Uploads(Protocol):
    """An upstream whose bots can be shown files."""

    async def upload(self, data: bytes, name: str, bot: BotName) -> MediaPart:
        """Put a file where this bot can see it; the part to say it with.

        What it is, is read from its bytes; `name` may be empty.  Raises a `RealcozeError`.
        """


@runtime_checkable
class UploadsOnly(Uploads, Protocol):
    """An upstream that follows no URL: what stands at one must be uploaded before its bots see it."""

    follows_urls: ClassVar[Literal[False]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What stood at a URL; `name` is what its path calls it, and may be empty."""

    data: bytes = field(repr=False)
    name: str = ""


class Fetches(Protocol):
    """The public web, from where only what anybody could get is fetched."""

    def fetched(self, url: str, *, caller: CallerId) -> AbstractAsyncContextManager[Fetched]:
        """What stands at a URL, for a caller.  It counts as being in memory until the block ends.

        Raises a `CallerFault`: a URL that must not be fetched, or cannot be, is the fault of who names it.
        Raises `Overloaded` where too much is being fetched, or in memory, for all callers or for this one.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Something spoken; `content_type` says how it is encoded."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """A text to be spoken.

    `voice` is the upstream's id of a voice, or empty for that of the settings, `format` one of wav, pcm, ogg_opus
    and mp3, `speed` a factor.
    """

    text: str
    voice: str = ""
    format: str = "mp3"
    speed: float = 1.0


@runtime_checkable
class Speaks(Protocol):
    """An upstream that can read a text aloud."""

    async def speak(self, speech: Speech, bot: BotName) -> Sound:
        """The text, spoken, on the account of this bot.  Raises a `RealcozeError`."""


@runtime_checkable
class Transcribes(Protocol):
    """An upstream that can write down what is spoken."""

    async def transcribe(self, data: bytes, name: str, bot: BotName) -> str:
        """The text of a recording; `name` may be empty.  Raises a `RealcozeError`."""


class Store(Protocol):
    """Small values under keys, for a while.  Several values may stand under one key.

    A `shelf` is a kind of thing that is kept, and is bounded for itself: where one is full, its own oldest values go.
    Every call raises `Internal` (code `store_failed`) when the store cannot do its part; losing what is kept must
    cost no more than a turn's memory.
    """

    async def put(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """Add a value; it is gone after `keep_s` seconds."""

    async def take(self, shelf: str, key: str) -> bytes | None:
        """Remove the newest value and give it to nobody else; None where there is none."""

    async def get(self, shelf: str, key: str) -> bytes | None:
        """The newest value, which stays; None where there is none."""

    async def replace(self, shelf: str, key: str, value: bytes, *, keep_s: float) -> None:
        """Add a value in the stead of all under its key, at once: nobody sees neither."""

    async def each(self, shelf: str, key: str) -> Sequence[bytes]:
        """All values under a key, the newest first; they stay."""

    async def remove(self, shelf: str, key: str, value: bytes) -> bool:
        """Remove this value from under a key, as often as it stands there; False where it does not."""
