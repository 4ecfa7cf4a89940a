"""Print an answer as it is written, with what the bot does on the way.  `make demo` installs realcoze into `.venv`.

`.venv/bin/python examples/stream.py "What is the weather in Paris?"` with the settings of this folder;
`.venv/bin/python examples/stream.py --demo` on an embedded Coze.
"""

import sys

import anyio

import realcoze
from realcoze.domain.event import Step, TextDelta, TurnFailed
from realcoze.errors import RealcozeError

is_demo = "--demo" in sys.argv
question = " ".join(word for word in sys.argv[1:] if word != "--demo") or "What is the weather?"


async def main() -> None:
    async with (
        realcoze.open(demo=is_demo) as coze,
        coze.say(question, bot="tools" if is_demo else "") as turn,
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


try:
    anyio.run(main)
except RealcozeError as error:
    raise SystemExit(f"{error.message} {error.hint or ''}") from None
