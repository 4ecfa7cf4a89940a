"""The names of things, each its own type, so that they cannot be mixed up."""

from typing import NewType

BotName = NewType("BotName", str)
"""How a caller names a bot: the model name of the `bots` table."""

ANY_BOT = "bot-"
"""Before an id it makes the name of a bot that no table needs to list: `bot-7379462189365198898`."""

WORKFLOW, CHATFLOW = "workflow/", "chatflow/"
"""Before an id they do the same for a workflow and for a chatflow."""

ChatId = NewType("ChatId", str)
"""One turn, as the upstream names it."""

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
UserId = NewType("UserId", str)
CallerId = NewType("CallerId", str)
"""Whose key a request came with, as `gateway/access.py` names it; empty where no key is needed."""

RequestId = NewType("RequestId", str)
"""One request to one of our faces; in every error and log line."""
