"""`realcoze serve`."""

import click

from realcoze.app.config import Settings
from realcoze.app.server import listening
from realcoze.app.signals import until_stopped
from realcoze.app.wiring import House, build_app, open_house


async def serve(settings: Settings) -> int:
    """Serve until stopped: a first signal lets answers in flight finish, a second one cuts them."""
    async with open_house(settings) as house:
        app = build_app(house, settings)
        wished = settings.server
        async with listening(app, host=wished.host, port=wished.port, grace_s=wished.grace_s) as port:
            announce(house, wished.host, port)
            await until_stopped()
    return 0


def announce(house: House, host: str, port: int) -> None:
    """What is served, and a line to try."""
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Serving {', '.join(house.gateway.bots)} at http://{shown}:{port}, until Ctrl-C. Try:")
    click.echo(f"  {curl_line(shown, port)}")


def curl_line(host: str, port: int) -> str:
    """A line that gets an answer as it comes."""
    return (
        f"curl -N 'http://{host}:{port}/?stream=true' -H 'Accept: text/event-stream' "
        """-d '{"messages": [{"role": 2, "content": "Hello"}]}'"""
    )
