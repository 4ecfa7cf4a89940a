"""`realcoze demo`: everything at work on an embedded Coze, with what goes over the wire."""

from contextlib import AsyncExitStack
from functools import partial

import click
from starlette.types import ASGIApp

from realcoze.app.config import Settings
from realcoze.app.emulation import emulated_settings
from realcoze.app.invocation import our_command
from realcoze.app.server import listening
from realcoze.app.serving import announce
from realcoze.app.signals import STOP, told, unless_ended
from realcoze.app.wiring import build_app, open_house
from realcoze.domain.event import Step, Suggestion, TextDelta, TextReplaced, TurnFailed
from realcoze.domain.fold import Fold
from realcoze.domain.ids import BotName
from realcoze.domain.message import Message, say
from realcoze.domain.request import Request, Wants
from realcoze.emulator.account import SESSION_ID
from realcoze.emulator.playground import PlaygroundSettings
from realcoze.emulator.server import emulating
from realcoze.emulator.wire import WireNote
from realcoze.errors import Misconfigured
from realcoze.faces.terminal.exits import OK
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Routes
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import open_native

QUESTIONS = (
    ("memory", "My name is Ada, and I like the sea."),
    ("memory", "Do you remember what I said?"),
    ("tools", "北京的天气怎么样？"),
)


async def demonstrate(settings: Settings, *, once: bool) -> int:
    """Serve on `server_port`, talk to it over real HTTP, and serve on until stopped, or not."""
    wire = _Wire()
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(
            emulating(PlaygroundSettings(session_id=SESSION_ID), listener=wire.note)
        )
        click.echo(f"The embedded Coze listens at {emulator.base}")
        made = await stack.enter_async_context(emulated_settings(emulator))
        house = await stack.enter_async_context(open_house(made))
        app = build_app(house, made)
        port = await _listen(stack, app, 0 if once else settings.server.port)
        url = f"http://127.0.0.1:{port}"
        click.echo(f"realcoze serves its bots at {url}\n")
        talk = await stack.enter_async_context(open_native(url, key=Secret("")))
        gateway = Gateway(Routes({BotName("memory"): talk, BotName("tools"): talk}))
        code = await unless_ended(partial(_converse, gateway, wire))
        if code == OK and not once:
            with told(*STOP) as signals:
                announce(house, made.server, port)
                click.echo(f"Or talk to it:\n  {our_command()} chat --url {url} --bot markdown")
                await anext(signals)
    return code


async def _listen(stack: AsyncExitStack, app: ASGIApp, port: int) -> int:
    """Listen on this port, or on a free one when it is taken."""
    try:
        return await stack.enter_async_context(listening(app, host="127.0.0.1", port=port, grace_s=1))
    except Misconfigured as taken:
        click.echo(f"{taken.message} Taking a free port instead.")
        return await stack.enter_async_context(listening(app, host="127.0.0.1", port=0, grace_s=1))


async def _converse(gateway: Gateway, wire: "_Wire") -> int:
    history: dict[str, list[Message]] = {}
    for bot, question in QUESTIONS:
        messages = history.setdefault(bot, [])
        messages.append(say("user", question))
        click.secho(f"Me> {question}", bold=True)
        request = Request(
            messages=tuple(messages), bot=BotName(bot), wants=Wants(suggestions=True, usage=True, steps=True)
        )
        reply = await _stream(gateway, request, bot)
        messages.append(say("assistant", reply))
        wire.sum_up()
    return OK


async def _stream(gateway: Gateway, request: Request, bot: str) -> str:
    """Print one answer as it comes; its text."""
    fold = Fold()
    begun = False
    async with gateway.say(request) as turn:
        async for event in turn:
            fold.feed(event)
            match event:
                case Step():
                    click.secho(f"  [{event.kind}] {event.title} {event.body}", dim=True)
                case TextDelta() | TextReplaced():
                    click.echo(("" if begun else f"{bot}> ") + event.text, nl=False)
                    begun = True
                case Suggestion():
                    click.secho(f"\n  [suggestion] {event.text}", dim=True, nl=False)
                case TurnFailed():
                    raise event.error
    click.echo()
    return fold.finish().text


class _Wire:
    """Prints what the emulator saw; frames are counted and summed up after each answer."""

    def __init__(self) -> None:
        self._frames = 0
        self._bytes = 0

    def note(self, note: WireNote) -> None:
        match note.kind:
            case "frame":
                self._frames += 1
                self._bytes += note.size
            case "launch":
                click.secho(f"  ⇄ launch   {note.detail}, {note.size} bytes of keys and addresses", dim=True)
            case "socket":
                click.secho(f"  ⇄ socket   websocket open for {note.detail}", dim=True)
            case "execute":
                click.secho(f"  → execute  {note.detail}, {note.size} bytes", dim=True)
            case "upload":
                click.secho(f"  → upload   {note.detail}", dim=True)
            case "lost":
                click.secho(f"  ✗ lost     {note.size} bytes had no websocket to go to", dim=True)

    def sum_up(self) -> None:
        click.secho(f"  ← frames   {self._frames} frames, {self._bytes} bytes\n", dim=True)
        self._frames = self._bytes = 0
