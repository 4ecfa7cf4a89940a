"""Name, `aliases`, `instructions`, `tools` and `background` of a bot: how it answers programs that know nothing of it.

Described for its users in docs/settings.md and docs/conversations.md.
"""

import re
from collections.abc import Collection, Mapping
from typing import Literal

from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.background import LOCAL, PASS
from realcoze.gateway.instructions import WAYS, Parameter, Policy, Variable
from realcoze.upstreams.coze_open.settings import Kind

Tools = Literal["own", "emulate"]
"""Those that the bot was built with, or also those of a request, told to it in words (`gateway/tools.py`)."""

_TOOLS: tuple[Tools, ...] = ("own", "emulate")
_NO_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_VARIABLE = re.compile(r"variable:\s*(\S.*)")


def tools_of(text: str) -> Tools:
    """What REALCOZE_TOOLS says.  Raises `Misconfigured`."""
    for tools in _TOOLS:
        if text.strip().lower() == tools:
            return tools
    raise Misconfigured(f"REALCOZE_TOOLS is {text[:40]!r}.", hint=f"It is one of: {', '.join(_TOOLS)}.")


def check_name(name: str) -> None:
    """Raise `Misconfigured` for what cannot stand in a line, or would not be seen there."""
    if not name.strip() or _NO_NAME.search(name):
        raise Misconfigured(f"{name[:40]!r} is no name of a bot.", hint="Callers write it as the model.")


def check_tools(bot: BotName, tools: Tools, kind: Kind) -> None:
    """Raise `Misconfigured` for a workflow that is to be told of tools."""
    if tools == "emulate" and kind == "workflow":
        raise Misconfigured(
            f'The bot {bot!r} is a workflow and has tools = "emulate".',
            hint="It has no history for what came of a call; a bot and a chatflow have.",
        )


def aliases_of(aliases: Mapping[BotName, Collection[str]]) -> dict[BotName, BotName]:
    """Each further name, and the bot that it reaches.  Raises `Misconfigured` for a name that is there twice."""
    found: dict[BotName, BotName] = {}
    for bot, names in aliases.items():
        for name in map(BotName, names):
            if not name or name in aliases or name in found:
                raise Misconfigured(
                    f"The bot {bot!r} has the alias {name!r}, and that is "
                    + (f"the bot {found.get(name, name)!r} already." if name else "no name."),
                    hint="A name reaches one bot; leave it out of one of the two.",
                )
            found[name] = bot
    return found


def check_background(bot: BotName, background: str, names: Collection[str]) -> None:
    """Raise `Misconfigured` unless that says who answers background requests."""
    if background not in (LOCAL, PASS, *names):
        raise Misconfigured(
            f"The bot {bot!r} has background = {background[:80]!r}, and there is no such bot.",
            hint=f'It is "{LOCAL}", "{PASS}", or one of the bots: {", ".join(names)}.',
        )


def policy_for_bot(bot: BotName, text: str, kind: Kind) -> Policy:
    """What `instructions` says for a bot of the open API.  Raises `Misconfigured`."""
    if kind == "workflow" and text == "prefix":
        raise Misconfigured(
            f"The bot {bot!r} is a workflow and has instructions = {text!r}.",
            hint='It has no history to put them in. Leave it out, or write "variable:" and the name of a parameter.',
        )
    if not text:
        return "drop" if kind == "workflow" else "prefix"
    return _policy(bot, text, Variable if kind == "bot" else Parameter)


def policy_for_draft(bot: BotName, text: str) -> Policy:
    """The same for a bot on the playground, which has no variables.  Raises `Misconfigured`."""
    policy = _policy(bot, text or "prefix", Variable)
    if isinstance(policy, Variable):
        raise Misconfigured(
            f"The bot {bot!r} has instructions = {text[:80]!r}, and the playground cannot carry variables.",
            hint='Leave it out: they are put in front of the first message. Or write "drop".',
        )
    return policy


def _policy(bot: BotName, text: str, named: type[Variable | Parameter]) -> Policy:
    for way in WAYS:
        if text == way:
            return way
    if found := _VARIABLE.fullmatch(text.strip()):
        return named(name=found[1])
    raise Misconfigured(
        f"The bot {bot!r} has instructions = {text[:80]!r}.",
        hint='It is "prefix", "drop", or "variable:" and a name.',
    )
