"""Print an answer as it is written, with what the bot does on the way."""

import sys

import anyio

import realcoze
from realcoze.domain.event import Step, TextDelta, TurnFailed


async def main() -> None:
    async with (
        realcoze.open(demo="--demo" in sys.argv) as coze,
        coze.say("What is the weather?", bot="tools") as turn,
    ):
        async for event in turn:
            match event:
                case Step():
                    print(f"[{event.kind}] {event.title} {event.body}")
                case TextDelta():
                    print(event.text, end="", flush=True)
                case TurnFailed():
                    raise event.error
    print()


anyio.run(main)
