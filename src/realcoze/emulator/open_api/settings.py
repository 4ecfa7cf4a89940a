"""What can be set of the emulated open API, and what it has seen."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from realcoze.dialects.coze_open.chat import ChatCall
from realcoze.dialects.coze_open.submission import Submission
from realcoze.dialects.coze_open.workflow import ChatflowCall, ResumeCall, RunCall
from realcoze.emulator.account import API_TOKEN

Personality = Literal["coze", "studio"]
Ending = Literal["whole", "left", "fault"]
SEEN = 10_000


class Limits(TypedDict):
    """What a plan allows; 0 for without a limit."""

    chats_per_s: int
    uploads_per_s: int
    calls_in_all: int


PLANS: Mapping[str, Limits] = {
    "free": Limits(chats_per_s=20, uploads_per_s=10, calls_in_all=500),
    "pro": Limits(chats_per_s=100, uploads_per_s=10, calls_in_all=0),
    "team": Limits(chats_per_s=200, uploads_per_s=20, calls_in_all=0),
    "enterprise": Limits(chats_per_s=500, uploads_per_s=20, calls_in_all=0),
    "none": Limits(chats_per_s=0, uploads_per_s=0, calls_in_all=0),
}
"""As documented for coze.cn, December 2025 (docs/protocol/openapi-v3.md §2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSettings:
    """`pace` in tokens a second, 0 for as fast as possible; the limits of a plan are 0 for none."""

    personality: Personality = "coze"
    token: str = field(default=API_TOKEN, repr=False)
    seed: int = 0
    pace: float = 40.0
    unpublished: frozenset[str] = frozenset()
    """Ids of bots that are not published to the channel API."""

    forbidden: frozenset[str] = frozenset()
    """Paths that the token has no permission for."""

    token_life_s: int = 86_399
    """The longest life of a token that is given out; people's get it whole."""

    device_interval_s: int = 5
    """How seldom a device may ask."""

    chats_per_s: int = 0
    uploads_per_s: int = 0
    calls_in_all: int = 0
    """After them every call is refused."""

    beats: int = 3
    """Signs of life of a workflow that has nothing to say."""

    beat_s: float = 0.0
    """The silence before each of them."""


@dataclass(frozen=True, slots=True)
class SeenCall:
    """One call, refused or not."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SeenEnd:
    """How a stream of a chat ended: all was written, its reader left, or a fault ended it."""

    chat_id: str
    how: Ending


@dataclass
class OpenSeen:
    """What tests count; of each only the newest."""

    order: deque[SeenCall | SeenEnd] = field(default_factory=lambda: deque(maxlen=SEEN))
    """Calls as they came and streams as they ended, in one order."""

    chats: deque[ChatCall] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The calls that began a chat."""

    submissions: deque[Submission] = field(default_factory=lambda: deque(maxlen=SEEN))
    """Results of tools that were taken."""

    runs: deque[RunCall] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The calls that ran a workflow, refused or not."""

    resumes: deque[ResumeCall] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The calls that answered a workflow's question, refused or not."""

    chatflows: deque[ChatflowCall] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The calls that talked with a chatflow, refused or not."""

    cancelled: deque[str] = field(default_factory=lambda: deque(maxlen=SEEN))
    """The id of each chat that was cancelled."""

    open_streams: int = 0

    @property
    def calls(self) -> list[SeenCall]:
        """Only the calls."""
        return [seen for seen in self.order if isinstance(seen, SeenCall)]

    @property
    def ends(self) -> list[SeenEnd]:
        """Only the ends of streams."""
        return [seen for seen in self.order if isinstance(seen, SeenEnd)]

    def count(self, path: str) -> int:
        """How often something was called."""
        return sum(call.path == path for call in self.calls)
