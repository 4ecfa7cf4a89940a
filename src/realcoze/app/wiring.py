"""Composition: settings → upstreams → gateway → faces → one ASGI application.  Plain calls."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec.structs import replace as replace_in_struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from realcoze.app import config, v1
from realcoze.app.accounts import OpenUpstream, PlaygroundUpstream, Upstream, credentials_of
from realcoze.app.config import Settings
from realcoze.app.description.route import describing
from realcoze.app.direct import Direct
from realcoze.app.server import is_loopback
from realcoze.app.store import open_memory
from realcoze.app.treatment import aliases_of, check_background, check_tools, policy_for_bot, policy_for_draft
from realcoze.dialects.coze_playground.execute import BotConfig, decode_config
from realcoze.dialects.openai_audio import VOICES as OPENAI_VOICES
from realcoze.domain.ids import BotName
from realcoze.domain.ports import Chats
from realcoze.errors import BadRequest, Internal, Misconfigured
from realcoze.faces.anthropic import AnthropicFace
from realcoze.faces.http import LOOPBACK_HOSTS, Guard, Refused
from realcoze.faces.manual import manual_routes
from realcoze.faces.native import NativeFace, refuse_error
from realcoze.faces.openai.answering import AnsweringFace
from realcoze.faces.openai.audio import AudioFace
from realcoze.faces.openai.chat import CHAT
from realcoze.faces.openai.completions import COMPLETIONS
from realcoze.faces.openai.files import FilesFace
from realcoze.faces.openai.images import ImagesFace
from realcoze.faces.openai.models import ModelsFace
from realcoze.faces.openai.responses import ResponsesFace
from realcoze.faces.page import page_routes
from realcoze.faces.paths import VERSIONED, TolerantPaths
from realcoze.faces.room import Room
from realcoze.faces.socket import SocketFace
from realcoze.faces.streamed import StreamTimes
from realcoze.gateway.access import Access
from realcoze.gateway.catalog import Discovery, Shelf
from realcoze.gateway.chat import Gateway
from realcoze.gateway.files import Files
from realcoze.gateway.instructions import Policy
from realcoze.gateway.route import Routes
from realcoze.gateway.unattended import Keeping, Unattended
from realcoze.stores.memory import MemoryStore
from realcoze.tasks import background_tasks
from realcoze.transports.fetch import open_fetcher
from realcoze.upstreams.coze_open.settings import Deadlines as OpenDeadlines
from realcoze.upstreams.coze_open.settings import OpenSettings, Target
from realcoze.upstreams.coze_open.upstream import CozeOpen, open_coze
from realcoze.upstreams.coze_playground.settings import Deadlines, PlaygroundSettings
from realcoze.upstreams.coze_playground.upstream import Playground, open_playground
from realcoze.upstreams.credentials import Secret, can_be_token

THERE_IS = (
    "GET /, POST /, POST /upload, POST /speech, POST /transcription, GET /health, GET /openapi.json, GET /docs and the "
    "websocket /ws, and under /v1 chat/completions, completions, responses, files, images/generations, audio/speech, "
    "audio/transcriptions, messages, messages/count_tokens and models"
)

UPLOADING_BYTES = 128 << 20
"""Files on their way at once, by their declared size; in memory each is there up to three times."""

PICTURES_BYTES = 160 << 20
"""Pictures that answers hold at once, until their readers have them."""

Health = Callable[[], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class House:
    """The gateway with its upstreams open."""

    gateway: Gateway
    health: Health
    keeping: Keeping | None = None
    """None where no response is kept."""
    files: Files = field(default_factory=lambda: Files(MemoryStore()))


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Open every upstream for as long as the block lasts; nothing is sent to Coze before a turn.

    Raises `Misconfigured`.
    """
    config.require_bots(settings)
    aliases = aliases_of({bot: b.aliases for bot, b in settings.bots.items()})
    backgrounds = _backgrounds(settings, aliases)
    for bot, each in settings.bots.items():
        check_tools(bot, each.tools, each.kind)
    policies = {bot: _policy(bot, b, settings.upstreams[b.upstream]) for bot, b in settings.bots.items()}
    async with AsyncExitStack() as stack:
        upstreams: dict[str, Playground | CozeOpen] = {}
        for name, upstream in settings.upstreams.items():
            bots = {bot: b for bot, b in settings.bots.items() if b.upstream == name}
            if bots or name in settings.discovering:
                upstreams[name] = await stack.enter_async_context(_opened(upstream, bots, settings.state_dir))
        chats: dict[BotName, Chats] = {bot: upstreams[b.upstream] for bot, b in settings.bots.items()}
        any_bot = next((upstream for upstream in upstreams.values() if _takes_any_bot(upstream)), None)
        histories = {bot: b.history for bot, b in settings.bots.items()}
        memory = await stack.enter_async_context(open_memory(settings.store, histories, settings.state_dir))
        gateway = Gateway(
            # Where other names mean bots too, one that means none is a mistake.
            Routes(
                chats,
                catches_all=settings.catches_all and not settings.discovering,
                any_bot=any_bot,
                aliases=aliases,
            ),
            continuity=memory.continuity,
            backgrounds=backgrounds,
            policies=policies,
            emulating=[bot for bot, b in settings.bots.items() if b.tools == "emulate"],
            discovery=await _discovery(settings, upstreams, {*chats, *aliases}, stack),
            fetches=await stack.enter_async_context(open_fetcher()) if settings.server.fetch_urls else None,
        )
        keeping = None
        if memory.kept is not None:
            # Entered last: what is made in the background ends before all that it needs is closed.
            keeping = Keeping(memory.kept, Unattended(await stack.enter_async_context(background_tasks())))
        yield House(
            gateway,
            lambda: {name: upstream.health() for name, upstream in upstreams.items()},
            keeping=keeping,
            files=memory.files,
        )


def open_alone(settings: Settings) -> AbstractAsyncContextManager[House]:
    """The same for who serves nobody: no response is kept, and nothing is made in the background."""
    return open_house(replace(settings, store=replace_in_struct(settings.store, responses_s=0)))


async def _discovery(
    settings: Settings, upstreams: Mapping[str, Playground | CozeOpen], names: set[BotName], stack: AsyncExitStack
) -> Discovery | None:
    """For as long as the stack lasts; None where no account is told to look its bots up."""
    accounts = {name: upstreams[name] for name in settings.discovering}
    if not accounts:
        return None
    tasks = await stack.enter_async_context(background_tasks())
    shelves = [Shelf(name, each, tasks) for name, each in accounts.items() if isinstance(each, CozeOpen)]
    ids = {bot.bot_id for bot in settings.bots.values() if bot.kind == "bot" and bot.bot_id}
    return Discovery(shelves, names=names, ids=ids)


def _opened(
    upstream: Upstream, bots: Mapping[BotName, config.Bot], state_dir: Path
) -> AbstractAsyncContextManager[Playground | CozeOpen]:
    if isinstance(upstream, OpenUpstream):
        return open_coze(open_settings(upstream, bots))
    configs = {name: _bot_config(Path(bot.config)) for name, bot in bots.items()}
    return open_playground(_playground_settings(upstream, configs, state_dir))


def _backgrounds(settings: Settings, aliases: Iterable[BotName]) -> dict[BotName, str]:
    names = (*settings.bots, *aliases)
    for bot, each in settings.bots.items():
        check_background(bot, each.background, names)
    return {bot: each.background for bot, each in settings.bots.items()}


def _policy(name: BotName, bot: config.Bot, upstream: Upstream) -> Policy:
    if isinstance(upstream, OpenUpstream):
        return policy_for_bot(name, bot.instructions, bot.kind)
    return policy_for_draft(name, bot.instructions)


def _takes_any_bot(upstream: Playground | CozeOpen) -> bool:
    return isinstance(upstream, CozeOpen) and upstream.takes_any_bot


def build_app(house: House, settings: Settings) -> ASGIApp:
    """All faces behind the guard.  Raises `Misconfigured` for a key that is too short or missing."""
    server = settings.server
    access = Access([server.key] if server.key else [])
    if access.is_open and not is_loopback(server.host):
        raise Misconfigured(
            f"{server.host} can be reached by others, and no key is set.",
            hint="Set REALCOZE_KEY to 16 characters at least, or listen on 127.0.0.1.",
        )
    if server.key and not can_be_token(server.key):
        raise Misconfigured("The key has a character that no header has.", hint="Take letters, digits and -_.~ alone.")
    times = StreamTimes(gate=server.gate_s, keepalive=server.keepalive_s, stall=server.stall_s)
    room, upload_bytes = Room(UPLOADING_BYTES), server.upload_bytes
    pictures = Room(PICTURES_BYTES, what="pictures")
    native = NativeFace(house.gateway, access, health=house.health, times=times, room=room, upload_bytes=upload_bytes)
    anthropic = AnthropicFace(house.gateway, access, times=times)
    socket = SocketFace(house.gateway, access, refuse=refuse_error, stall_s=server.stall_s)
    others = [
        *AnsweringFace(house.gateway, access, CHAT, times=times).routes(),
        *AnsweringFace(house.gateway, access, COMPLETIONS, times=times).routes(),
        *ResponsesFace(house.gateway, access, times=times, keeping=house.keeping).routes(),
        *FilesFace(house.gateway, access, house.files, room=room, upload_bytes=upload_bytes).routes(),
        *ImagesFace(house.gateway, access, room=pictures, stall_s=server.stall_s).routes(),
        *AudioFace(house.gateway, access, room=room, upload_bytes=upload_bytes).routes(),
        *anthropic.routes(),
        *v1.models_routes(ModelsFace(house.gateway, access), anthropic),
    ]
    described = describing([*native.routes(), *others], is_open=access.is_open)
    pages = [*page_routes(), *manual_routes()]
    ours = [*native.routes(), described, *pages, *socket.routes(), Route("/ws", _no_upgrade, methods=["GET"])]
    routes = [*ours, *v1.without_key(others), *others]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_refusal, Exception: _defect})
    app.router.default = _no_such_path
    hosts = {*LOOPBACK_HOSTS, *server.allowed_hosts}
    if server.host not in ("0.0.0.0", "::"):  # noqa: S104 - recognised, not bound
        hosts.add(server.host)
    guard = Guard(
        Direct(app, routes=routes, defect=_defect),
        allowed_hosts=hosts,
        allowed_origins=server.allowed_origins,
        open_to_all=None if access.is_open else VERSIONED,
        any_header=VERSIONED,
        refuse=v1.refuse_at_door,
    )
    return TolerantPaths(guard, paths=[*(route.path for route in others), *v1.ABSENT])


async def _no_such_path(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """For websockets too; Starlette (1.10) closes them without a word."""
    raise HTTPException(404)


async def _no_upgrade(_request: HttpRequest) -> Response:
    """The websocket's path, asked for as if it were a page."""
    raise HTTPException(426)


def _http_refusal(request: HttpRequest, error: Exception) -> Response:
    """No such path or method, or no upgrade, in the shape of all other errors."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405 and v1.absent(request.scope["path"]):
        status = 404  # the last word of the path passes for somebody's id
    code = {404: "no_such_path", 405: "method_not_allowed", 426: "upgrade_required"}.get(status, "bad_http")
    response = v1.refuse_at_door(request.scope, Refused(status, code, _no_such(request, status)))
    if status == 426:
        response.headers.update({"upgrade": "websocket", "connection": "upgrade"})  # RFC 9110, 7.8 and 15.5.22
    if status == 405:
        response.headers["allow"] = ", ".join(sorted(_methods_at(request)))
    return response


def _no_such(request: HttpRequest, status: int) -> str:
    """What there is in place of what was asked for."""
    path, method = request.scope["path"], request.scope.get("method", "websocket")[:20]
    if status == 405:
        methods = " or ".join(sorted(_methods_at(request) - {"HEAD", "OPTIONS"}))
        return f"It is {methods} {path[:80]!r}, not {method}."
    if status == 404 and (absent := v1.absent(path)):
        return absent
    return f"There is no {method} {path[:80]!r} here, but {THERE_IS}."


def _methods_at(request: HttpRequest) -> set[str]:
    """All that a path knows; Starlette (1.10) names those of its first route."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    return {
        method
        for route in routes
        if route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


def _defect(request: HttpRequest, _error: Exception) -> Response:
    """Ours; the log has the traceback."""
    return v1.refuse_error(request.scope, Internal("Something here is broken; the log has the details."))


def open_settings(upstream: OpenUpstream, bots: Mapping[BotName, config.Bot]) -> OpenSettings:
    """An account of the open API with these bots of it."""
    return OpenSettings(
        token=credentials_of(upstream),
        voice_id=upstream.voice_id,
        voices={**dict.fromkeys(OPENAI_VOICES, ""), **upstream.voices},
        bots={name: _target(bot, upstream) for name, bot in bots.items()},
        base=upstream.base,
        proxy=upstream.proxy or None,
        takes_any_bot=upstream.any_bot,
        saves_history=not upstream.private,
        recovery_calls=upstream.recovery_calls,
        upload_bytes=upstream.upload_bytes,
        max_turns=upstream.max_turns,
        max_queue=upstream.max_queue,
        deadlines=OpenDeadlines(first_event=upstream.first_event_s, idle=upstream.idle_s, queue=upstream.queue_s),
    )


def _target(bot: config.Bot, upstream: OpenUpstream) -> Target:
    is_private = upstream.private if bot.private is None else bot.private
    return Target(
        id=bot.known_as,
        kind=bot.kind,
        bot_id="" if bot.kind == "bot" else bot.bot_id,
        app_id=bot.app_id,
        input_name=bot.input,
        saves_history=not is_private,
    )


def _playground_settings(
    upstream: PlaygroundUpstream, bots: Mapping[BotName, BotConfig], state_dir: Path
) -> PlaygroundSettings:
    return PlaygroundSettings(
        session_id=Secret(upstream.session_id),
        bots=bots,
        state_dir=state_dir,
        base=upstream.base,
        proxy=upstream.proxy or None,
        ws_proxy=upstream.ws_proxy,
        cache_launch_s=upstream.cache_launch_s,
        upload_bytes=upstream.upload_bytes,
        max_turns=upstream.max_turns,
        max_queue=upstream.max_queue,
        deadlines=Deadlines(first_event=upstream.first_event_s, idle=upstream.idle_s, queue=upstream.queue_s),
    )


def _bot_config(path: Path) -> BotConfig:
    try:
        return decode_config(path.read_bytes())
    except OSError as error:
        raise Misconfigured(
            f"The bot configuration {path} cannot be read: {error.strerror}.",
            hint="Download config.json from the bot's page with the userscript (docs/userscript.md), "
            "or set bot_config_path to where it is.",
        ) from error
    except BadRequest as error:
        raise Misconfigured(f"{path}: {error.message}", hint=error.hint) from error
