"""`realcoze chat`: which gateway the terminal talks through."""

import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
import click

from realcoze.app.accounts import MOST_UPLOAD, OpenUpstream, Upstream
from realcoze.app.config import Settings
from realcoze.app.emulation import emulated_house
from realcoze.app.signals import unless_ended
from realcoze.app.wiring import House, open_alone
from realcoze.domain.ids import BotName
from realcoze.errors import BadRequest, NotFound
from realcoze.faces.terminal.greeting import talking_to
from realcoze.faces.terminal.pipe import answer_pipe, read_question
from realcoze.gateway.chat import Gateway
from realcoze.gateway.route import Onward
from realcoze.upstreams.credentials import Secret
from realcoze.upstreams.native import open_native


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the command line said."""

    bot: str
    url: str
    key: str = field(repr=False)
    demo: bool
    steps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """Whom we talk to; `state_dir` is where what was typed is kept.

    `url` is that of a server, which knows its bots itself; else `workflows` are those of them that are
    workflows or chatflows, and with `takes_ids` any other can be named by its id.
    """

    gateway: Gateway
    upload_bytes: int
    url: str = ""
    workflows: Sequence[BotName] = ()
    takes_ids: bool = False
    state_dir: Path | None = None


async def talk(opening: Opening, settings: Callable[[], Settings]) -> int:
    """Talk until the end; the exit code.  `settings` is only asked when they are needed."""
    return await unless_ended(partial(_talk, opening, settings))


async def _talk(opening: Opening, settings: Callable[[], Settings]) -> int:
    bot = BotName(opening.bot)
    async with partner(opening, settings) as found:
        greeting = await _greeting(bot, found)
        if sys.stdin.isatty() and sys.stdout.isatty():
            # A pipe needs none of it, and it takes a third of the start.
            from realcoze.faces.terminal.chat import Chat  # noqa: PLC0415

            return await Chat(
                found.gateway,
                bot=bot,
                greeting=greeting,
                upload_bytes=found.upload_bytes,
                show_steps=opening.steps,
                history_file=found.state_dir / "typed" if found.state_dir else None,
            ).run()
        question = read_question(await _piped())
        if bot and await found.gateway.find(bot) != bot:
            click.echo(greeting, err=True)
        return await answer_pipe(found.gateway, question, bot=bot, out=sys.stdout, err=sys.stderr)


@asynccontextmanager
async def partner(opening: Opening, settings: Callable[[], Settings]) -> AsyncIterator[Partner]:
    """Whom the command line means, for as long as the block lasts.  Raises a `RealcozeError`."""
    bot = BotName(opening.bot)
    if opening.url:
        async with open_native(opening.url, key=Secret(opening.key)) as upstream:
            # The server knows its bots, and what it takes.
            yield Partner(gateway=Gateway(Onward(upstream)), upload_bytes=MOST_UPLOAD, url=opening.url)
    elif opening.demo:
        async with emulated_house() as (house, made):
            yield await _to_house(house, bot, made)
    else:
        loaded = settings()
        async with open_alone(loaded) as house:
            yield replace(await _to_house(house, bot, loaded), state_dir=loaded.state_dir)


async def _to_house(house: House, bot: BotName, settings: Settings) -> Partner:
    ours = settings.bots.get(bot)
    with suppress(NotFound):  # which is for who asks to say
        ours = settings.bots.get(await house.gateway.find(bot))
    account = settings.upstreams[ours.upstream] if ours else _speaking_for_ids(settings)
    return Partner(
        gateway=house.gateway,
        upload_bytes=account.upload_bytes,
        workflows=[name for name, each in settings.bots.items() if each.workflow_id or each.chatflow_id],
        takes_ids=any(isinstance(each, OpenUpstream) and each.any_bot for each in settings.upstreams.values()),
    )


def _speaking_for_ids(settings: Settings) -> Upstream:
    """The account of bots that stand in no table."""
    accounts = list(settings.upstreams.values())
    return next((each for each in accounts if isinstance(each, OpenUpstream) and each.any_bot), accounts[0])


async def _greeting(bot: BotName, partner: Partner) -> str:
    """Raises `NotFound` at once for a name that no question could reach."""
    if partner.url:
        return f"Talking to {bot or 'the first bot'} at {partner.url}."
    answering = await partner.gateway.find(bot)
    others = [name for name in partner.gateway.bots if name != answering]
    more = f" Also here, by /bot NAME: {', '.join(others)}." if others else ""
    return talking_to(answering, asked_for=bot, catch_all=partner.gateway.catch_all) + more


async def _piped() -> bytes:
    """All of standard input.  Waiting for it can be cancelled, unlike a plain read."""
    descriptor = sys.stdin.fileno()
    pieces: list[bytes] = []
    while True:
        with suppress(OSError):
            # A file is no thing to be waited for; its bytes are always there.
            await anyio.wait_readable(descriptor)
        try:
            piece = os.read(descriptor, 1 << 16)
        except OSError as error:
            raise BadRequest(f"Standard input cannot be read: {error.strerror}.") from error
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
