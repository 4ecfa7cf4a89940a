"""Who answers, in a sentence; pure."""

from realcoze.domain.ids import BotName


def talking_to(bot: BotName, *, asked_for: BotName) -> str:
    """`bot` is who answers to the name `asked_for`, which may be empty."""
    if asked_for not in ("", bot):
        return f"Only one bot is configured; talking to {bot}."
    return f"Talking to {bot}."
