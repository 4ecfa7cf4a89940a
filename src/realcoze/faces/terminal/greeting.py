"""Who answers, in a sentence; pure."""

from realcoze.domain.ids import BotName


def talking_to(bot: BotName, *, asked_for: BotName, catch_all: BotName | None = None) -> str:
    """`bot` is who answers to the name `asked_for`, which may be empty; `catch_all` to every name."""
    if asked_for in ("", bot):
        return f"Talking to {bot}."
    if bot == catch_all:
        return f"Only one bot is configured; talking to {bot}."
    return f"Talking to {asked_for} ({bot})."
