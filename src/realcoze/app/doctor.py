"""`realcoze doctor`: looks for what stands between the settings and an answer, and says what to do.

What costs calls at Coze is named beforehand and asked for; the rest costs nothing.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import click

from realcoze.app.accounts import OpenUpstream, Upstream, Way
from realcoze.app.config import Bot, Settings, require_bots
from realcoze.app.wiring import open_settings
from realcoze.dialects.dates import unix_time
from realcoze.domain.ids import BotName
from realcoze.errors import BadRequest, Misconfigured, NotFound, RealcozeError
from realcoze.faces.terminal.keys import answer_prompt
from realcoze.faces.terminal.printable import one_line
from realcoze.transports.http import open_http
from realcoze.upstreams.coze_open.calls import Calls, Scope
from realcoze.upstreams.coze_open.upstream import open_coze

CLOCK_TOLERANCE_S = 120
SHOWN_BOTS = 5
REACH_S = 15.0
SCOPES: Mapping[Scope, str] = {
    "chat": "to talk",
    "cancelChat": "to stop an answer that nobody waits for",
    "uploadFile": "to show pictures and files",
}
WAYS: Mapping[Way, str] = {
    "token": "a token of the settings",  # nosec B105
    "jwt": "an OAuth app with a key of its own (JWT); its tokens are renewed",
    "login": "somebody who logged in with `realcoze login`; the tokens are renewed",
    "none": "nobody",
}
CLOCK_HINT = "Set this machine's clock; certificates and tokens are judged by it."
OTHER_BASE_HINT = "Look at the base address: https://api.coze.com, https://api.coze.cn, or http://HOST:8888 for Studio."


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found; `advice` is what to do about it, and after a last one others would find the same."""

    what: str
    is_well: bool
    advice: str = ""
    is_last: bool = False


Ask = Callable[[str], Awaitable[bool]]
"""Whether to go on, when something costs."""


Tell = Callable[[Finding], None]


async def examine(settings: Callable[[], Settings], ask: Ask) -> int:
    """Show every finding as it comes; the exit code is 1 when something is wrong."""
    wrong: list[Finding] = []

    def tell(finding: Finding) -> None:
        click.echo(f"{'ok  ' if finding.is_well else 'FAIL'}  {one_line(finding.what)}")
        if finding.advice:
            click.echo(f"      {one_line(finding.advice)}")
        if not finding.is_well:
            wrong.append(finding)

    await _look(settings, ask, tell)
    if wrong:
        click.echo(f"{len(wrong)} of these {'wants' if len(wrong) == 1 else 'want'} mending.")
    else:
        click.echo("Nothing is wrong that could be seen from here.")
    return int(bool(wrong))


async def _look(settings: Callable[[], Settings], ask: Ask, tell: Tell) -> None:
    try:
        loaded = settings()
        require_bots(loaded)
    except Misconfigured as error:
        tell(_failed("settings", error))
        return
    names = ", ".join([*list(loaded.bots)[:SHOWN_BOTS], *(["…"] if len(loaded.bots) > SHOWN_BOTS else [])])
    tell(Finding(what=f"settings: {len(loaded.bots)} bot(s){names and f', {names}'}", is_well=True))
    for name in sorted({*loaded.discovering, *(bot.upstream for bot in loaded.bots.values())}):
        upstream = loaded.upstreams[name]
        bots = {bot: each for bot, each in loaded.bots.items() if each.upstream == name}
        if await _is_reached(upstream, tell) and isinstance(upstream, OpenUpstream):
            await _look_at_account(upstream, bots, ask, tell)


async def _is_reached(upstream: Upstream, tell: Tell) -> bool:
    """Ask for nothing, without credentials: what stands between us and Coze, and what time it is there."""
    way = " through the proxy" if upstream.proxy else ""
    try:
        async with open_http(proxy=upstream.proxy or None, connect_s=5, tls_s=5) as http:
            answer = await http.call("GET", upstream.base, headers={"User-Agent": "realcoze"}, reply_s=REACH_S)
    except RealcozeError as error:
        tell(_failed(f"{upstream.base}{way}", error, advice=OTHER_BASE_HINT))
        return False
    tell(Finding(what=f"{upstream.base} answers{way}", is_well=True))
    if (skew_s := _skew_s(answer.headers.get("date", ""))) is not None:
        is_well = abs(skew_s) <= CLOCK_TOLERANCE_S
        told = f"the clock is {abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} Coze's"
        tell(Finding(what=told, is_well=is_well, advice="" if is_well else CLOCK_HINT))
    return True


async def _look_at_account(upstream: OpenUpstream, bots: dict[BotName, Bot], ask: Ask, tell: Tell) -> None:
    looked_at = sum(bot.kind == "bot" for bot in bots.values())
    count = 1 + len(SCOPES) + looked_at
    if not await ask(
        f"Checking the token, its permissions and {looked_at} bot(s) makes up to {count} calls to Coze; "
        "a free account has 500 in all."
    ):
        tell(Finding(what="token and bots: not checked", is_well=True, advice="`realcoze doctor --yes` checks them."))
        return
    async with AsyncExitStack() as stack:
        try:
            coze = await stack.enter_async_context(open_coze(open_settings(upstream, bots)))
        except RealcozeError as error:
            tell(_failed("the account", error))
            return
        tell(Finding(what=f"who we are to Coze: {WAYS[upstream.way]}", is_well=True))
        token, scopes = await _token(coze.calls)
        tell(token)
        if token.is_last:
            return
        of_scopes = [partial(_scope, coze.calls, scope, use) for scope, use in scopes.items()]
        of_bots = [partial(_bot, coze.calls, name, bot) for name, bot in bots.items()]
        for check in (*of_scopes, *of_bots):
            finding = await check()
            tell(finding)
            if finding.is_last:
                return


async def _token(calls: Calls) -> tuple[Finding, Mapping[Scope, str]]:
    """Whose it is, and the permissions that can be looked at."""
    try:
        user = await calls.me()
    except RealcozeError as error:
        if error.upstream_code != 404:
            return _failed("the token", error), SCOPES
        return Finding(what="the token: this server does not tell whose it is (Coze Studio)", is_well=True), {}
    return Finding(what=f"the token is {user.nick_name or user.user_name or 'somebody'}'s", is_well=True), SCOPES


async def _scope(calls: Calls, scope: Scope, use: str) -> Finding:
    try:
        await calls.probe(scope)
    except (BadRequest, NotFound):
        pass  # the call was made so that it cannot succeed
    except RealcozeError as error:
        return _failed(f"the permission {scope} ({use})", error)
    return Finding(what=f"the token has the permission {scope} ({use})", is_well=True)


async def _bot(calls: Calls, name: BotName, bot: Bot) -> Finding:
    what = f"the {bot.kind} {name!r} ({bot.known_as})"
    if bot.kind != "bot":
        return Finding(what=f"{what}: not checked, only to run it would tell", is_well=True)
    try:
        await calls.bot(bot.bot_id)
    except RealcozeError as error:
        if error.code == "upstream_forbidden":
            told = f"{what}: not checked, the token may not look at bots (getMetadata), which talking does not need"
            return Finding(what=told, is_well=True)
        return _failed(what, error)
    return Finding(what=f"{what} is published to the API", is_well=True)


def _failed(what: str, error: RealcozeError, *, advice: str = "") -> Finding:
    return Finding(
        what=f"{what}: {error.message}",
        is_well=False,
        advice=error.hint or advice,
        is_last=error.code == "upstream_auth",
    )


def _skew_s(date: str) -> float | None:
    """How far our clock is ahead of an HTTP date, in seconds; None where there is none."""
    told = unix_time(date)
    return None if told is None else time.time() - told


def answers(*, yes: bool, terminal: bool) -> Ask:
    """How to ask: not at all with --yes, and without a terminal nobody agrees."""

    async def ask(question: str) -> bool:
        if yes or not terminal:
            return yes
        try:
            said = await answer_prompt().prompt_async(f"{question} Go on? [y/N] ")
        except EOFError:
            return False
        return said.strip().lower() in ("y", "yes")

    return ask
