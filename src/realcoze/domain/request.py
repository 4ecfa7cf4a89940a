"""What a caller wants of a bot, in no dialect."""

from collections.abc import Mapping, Sequence

import msgspec

from realcoze.domain.ids import BotName, CallerId, ChatId, ConversationId, UserId
from realcoze.domain.message import Message
from realcoze.domain.tool import Form, Offer, ToolResult

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """Which events beside the answer and its end the caller can use; the others are not waited for."""

    reasoning: bool = False
    steps: bool = False
    suggestions: bool = False
    usage: bool = False


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """Which question of a workflow the last message answers; both are those of its `Interrupt`."""

    event_id: str
    kind: str


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation by the caller's own name for it.

    `is_whole` says that the caller always sends the whole history with it; else it may send what is new.
    """

    id: str
    is_whole: bool


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One turn asked for.

    `bot` may be empty: the only bot there is.  `messages` is the whole history, oldest first, the
    last one the user's.  What an upstream's protocol cannot carry it refuses by name; it never
    drops it.  `custom_variables` to `shortcut_command` are Coze's own (open API v3, chat).

    `instructions` is what system and developer messages say; the gateway gives it to the bot by its policy.

    `tool_results` and `resume` go on with a turn that waits for them, which `conversation_id` and
    `chat_id` name; with `tool_results` there need be no messages.  They carry the results, or the
    answer in the last message, and nothing else: the turn that waits has the rest.

    `offer` and `form` are what no protocol of Coze's has: tools that the request brings, and the form that its
    answer must have.  For bots that are not to emulate them (`gateway/tools.py`) the gateway passes over the
    first, and refuses what is demanded.

    `thread` is the caller's own name of the conversation, `caller` who that is; both are for the
    gateway, and no upstream is told.
    """

    messages: tuple[Message, ...]
    bot: BotName = BotName("")
    instructions: str = ""
    conversation_id: ConversationId | None = None
    user_id: UserId | None = None
    custom_variables: Mapping[str, str] = {}
    parameters: Mapping[str, Json] = {}
    meta_data: Mapping[str, str] = {}
    extra_params: Mapping[str, str] = {}
    shortcut_command: Mapping[str, Json] = {}
    chat_id: ChatId | None = None
    tool_results: tuple[ToolResult, ...] = ()
    offer: Offer | None = None
    form: Form | None = None
    resume: Resume | None = None
    thread: Thread | None = None
    caller: CallerId = CallerId("")
    wants: Wants = Wants()

    @property
    def is_awaited(self) -> bool:
        """A turn waits for what it brings."""
        return bool(self.tool_results or self.resume)
