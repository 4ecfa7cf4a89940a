"""`realcoze serve`."""

import contextlib
import gc
import logging
import resource
import shlex

import click

from realcoze.app.address import EVERYWHERE, callable_at, in_url
from realcoze.app.config import Server, Settings
from realcoze.app.invocation import our_command
from realcoze.app.server import listening
from realcoze.app.signals import STOP, told
from realcoze.app.wiring import House, build_app, open_house

log = logging.getLogger(__name__)

SOME_FILES = 10_240
"""How many to wish for where the system names no number that it takes."""

FIRST_CLIENT = "openai-python"
"""Whom the line about snippets is for, until another name is put there."""


async def serve(settings: Settings) -> int:
    """Serve until stopped: a first signal lets answers in flight finish, a second one cuts them."""
    wished = settings.server
    # Who reads that we serve may tell us to stop at once.
    with told(*STOP) as signals:
        async with open_house(settings) as house:
            app = build_app(house, settings)
            async with listening(app, host=wished.host, port=wished.port, grace_s=wished.grace_s) as port:
                _relax_collector()
                allow_files()
                announce(house, wished, port)
                await anext(signals)
    return 0


def _relax_collector() -> None:
    """Look for cycles seldom: what a turn makes holds none, and looking cost 4 % of a token (2026-11-22)."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def allow_files() -> None:
    """Have as many files open as the system lets us: a stream is two, and the usual 1,024 are soon used up."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wished in (most, SOME_FILES):  # macOS says "any number", and takes no such wish
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wished, most))
            return
    log.warning("no more than %d files can be open, which is enough for half as many streams", soft)


def announce(house: House, server: Server, port: int) -> None:
    """What is served, for which clients, and a line to try."""
    address = callable_at(server.host, port)
    bots = house.gateway.bots
    click.echo(
        f"Serving {', '.join(bots) or 'the published bots'} at http://{in_url(server.host)}:{port}, until Ctrl-C."
    )
    click.echo(f"Base URL of OpenAI clients: http://{address}/v1, of Anthropic clients: http://{address}.")
    click.echo("They need the key of the settings (REALCOZE_KEY)." if server.key else "No key is needed.")
    model = shlex.quote(bots[0]) if bots else "NAME"
    click.echo("What to paste into one of them (`snippets` alone lists them):")
    click.echo(f"  {our_command()} snippets {FIRST_CLIENT} --url http://{address} --model {model}")
    click.echo(f"Open http://{address}/ in a browser, or:")
    click.echo(f"  {curl_line(address, has_key=bool(server.key))}")
    if server.host in EVERYWHERE and not server.allowed_hosts:
        click.echo("Other machines are refused until server.allowed_hosts in realcoze.toml lists a name of this one.")


def curl_line(address: str, *, has_key: bool = False) -> str:
    """A line that gets an answer as it comes; a key is named, not shown."""
    key = '-H "Authorization: Bearer $REALCOZE_KEY" ' if has_key else ""
    return (
        f"curl -N 'http://{address}/?stream=true' -H 'Accept: text/event-stream' {key}"
        """-d '{"messages": [{"role": 2, "content": "Hello"}]}'"""
    )
