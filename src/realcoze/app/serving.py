"""`realcoze serve`."""

import gc

import click

from realcoze.app.config import Server, Settings
from realcoze.app.server import listening
from realcoze.app.signals import STOP, told
from realcoze.app.wiring import House, build_app, open_house

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound
"""Addresses that stand for all of a machine's, and one of them that can be called."""


async def serve(settings: Settings) -> int:
    """Serve until stopped: a first signal lets answers in flight finish, a second one cuts them."""
    wished = settings.server
    # Who reads that we serve may tell us to stop at once.
    with told(*STOP) as signals:
        async with open_house(settings) as house:
            app = build_app(house, settings)
            async with listening(app, host=wished.host, port=wished.port, grace_s=wished.grace_s) as port:
                _relax_collector()
                announce(house, wished, port)
                await anext(signals)
    return 0


def _relax_collector() -> None:
    """Look for cycles seldom: what a turn makes holds none, and looking cost 4 % of a token (2026-11-22)."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def announce(house: House, server: Server, port: int) -> None:
    """What is served, and a line to try."""
    address = f"{_in_url(server.host)}:{port}"
    callable_at = f"{_in_url(EVERYWHERE.get(server.host, server.host))}:{port}"
    click.echo(f"Serving {', '.join(house.gateway.bots)} at http://{address}, until Ctrl-C.")
    click.echo(f"Open http://{callable_at}/ in a browser, or:")
    click.echo(f"  {curl_line(callable_at, has_key=bool(server.key))}")
    if server.host in EVERYWHERE and not server.allowed_hosts:
        click.echo("Other machines are refused until server.allowed_hosts in realcoze.toml lists a name of this one.")


def curl_line(address: str, *, has_key: bool = False) -> str:
    """A line that gets an answer as it comes; a key is named, not shown."""
    key = '-H "Authorization: Bearer $REALCOZE_KEY" ' if has_key else ""
    return (
        f"curl -N 'http://{address}/?stream=true' -H 'Accept: text/event-stream' {key}"
        """-d '{"messages": [{"role": 2, "content": "Hello"}]}'"""
    )


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
