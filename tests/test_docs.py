"""The documentation knows every setting, route, error, record, name, fault and exit code that there is."""

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from starlette.routing import Route, WebSocketRoute

import realcoze
from realcoze import client, errors
from realcoze.app import accounts, config, snippets, store, websocket
from realcoze.app.description.route import describing
from realcoze.app.v1 import models_routes
from realcoze.dialects.native import records
from realcoze.dialects.native.socket import UUID_CHARACTERS
from realcoze.domain.event import Event
from realcoze.domain.fold import Reply
from realcoze.domain.request import Wants
from realcoze.emulator import fault
from realcoze.faces.anthropic import AnthropicFace
from realcoze.faces.manual import FILES as MANUAL_FILES
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
from realcoze.faces.page import FILES, page_routes
from realcoze.faces.room import Room
from realcoze.faces.socket import TURNS, SocketFace
from realcoze.faces.streamed import StreamTimes
from realcoze.faces.terminal import exits
from realcoze.gateway.access import Access
from realcoze.gateway.chat import Gateway
from realcoze.gateway.files import Files
from realcoze.gateway.route import Routes
from realcoze.stores.memory import MemoryStore

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "realcoze"
PAGES = sorted(str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))


def _calls(kind: type) -> list[Callable[..., object]]:
    return [call for name, call in vars(kind).items() if inspect.isfunction(call) and not name.startswith("_")]


def doc(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "struct", [config.Server, accounts.PlaygroundUpstream, accounts.OpenUpstream, config.Bot, store.Store]
)
def test_every_setting_of_the_file_is_described(struct: type[msgspec.Struct]) -> None:
    missing = [name for name in struct.__struct_fields__ if f"`{name}`" not in doc("settings.md")]
    assert missing == []


def test_every_class_of_error_is_described() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    classes = {kind.__name__ for kind in kinds if not kind.__subclasses__()}
    assert {name for name in classes if name not in doc("errors.md")} == set()


def test_every_code_of_an_error_is_described() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in SOURCES.rglob("*.py"))
    found = re.findall(r'\bcode="(\w+)"|default_code = "(\w+)"|Refused\(\d+, "(\w+)"|"code":"(\w+)"', sources)
    codes = {code for match in found for code in match if code} | {
        "no_such_path",
        "method_not_allowed",
        "upgrade_required",
    }
    assert {"upload_failed", "wrong_host", "bad_http", "bad_request"} <= codes
    assert {code for code in codes if not re.search(rf"\b{code}\b", doc("errors.md"))} == set()


def test_every_route_is_described() -> None:
    gateway, access = Gateway(Routes({})), Access()
    native = NativeFace(gateway, access, health=dict, times=StreamTimes(), room=Room(1), upload_bytes=1)
    socket = SocketFace(gateway, access, refuse=refuse_error, stall_s=1)
    told = doc("native-api.md")
    described = describing([], is_open=True)
    for route in [*native.routes(), described, *page_routes(), *manual_routes(), *socket.routes()]:
        if isinstance(route, Route) and route.path.removeprefix("/") not in FILES + MANUAL_FILES:
            methods = (route.methods or set()) - {"HEAD"}
            assert [method for method in methods if f"| `{method} {route.path}` |" not in told] == []
        elif isinstance(route, WebSocketRoute):
            assert re.search(rf"\| websocket on .*`{route.path}`.* \|", told)


@pytest.mark.parametrize("name", snippets.CLIENTS)
def test_every_snippet_is_described(name: str) -> None:
    here = snippets.Here(base="http://127.0.0.1:8080", models=("memory",))
    page = f"clients/{name}.md"
    told = doc(page if (ROOT / "docs" / page).exists() else "clients.md")
    assert f"\n{snippets.snippet(name, here)}```\n" in told


def test_every_page_of_a_client_is_listed() -> None:
    pages = {path.name for path in (ROOT / "docs" / "clients").glob("*.md")}
    assert pages == set(re.findall(r"\]\(clients/([\w-]+\.md)\)", doc("clients.md")))


def test_every_route_of_other_apis_is_described() -> None:
    gateway, access = Gateway(Routes({})), Access()
    times = StreamTimes()
    openai = [
        *AnsweringFace(gateway, access, CHAT, times=times).routes(),
        *AnsweringFace(gateway, access, COMPLETIONS, times=times).routes(),
        *ResponsesFace(gateway, access, times=times, keeping=None).routes(),
        *FilesFace(gateway, access, Files(MemoryStore()), room=Room(1), upload_bytes=1).routes(),
        *ImagesFace(gateway, access, room=Room(1), stall_s=1).routes(),
        *AudioFace(gateway, access, room=Room(1), upload_bytes=1).routes(),
    ]
    anthropic = AnthropicFace(gateway, access, times=times)
    both = models_routes(ModelsFace(gateway, access), anthropic)
    for page, routes in (("openai-api.md", [*openai, *both]), ("anthropic-api.md", [*anthropic.routes(), *both])):
        for route in routes:
            methods = (route.methods or set()) - {"HEAD"}
            told = [f"| `{method} {route.path.replace(':path', '')}` |" for method in methods]
            assert [line for line in told if line not in doc(page)] == []


def test_the_limits_of_the_websocket_are_as_described() -> None:
    told = " ".join(doc("native-api.md").split())
    assert f"turns at once on one socket | {TURNS};" in told
    assert f"16 MiB, {websocket.FRAGMENTS} fragments" in told
    assert f"1 to {UUID_CHARACTERS} characters" in told


def test_every_name_of_the_python_api_is_described() -> None:
    ours = {name for name, value in vars(client).items() if getattr(value, "__module__", "") == client.__name__}
    public = {name for name in ours | set(realcoze.__all__) if not name.startswith("_")} | {"Question"}
    told = doc("python.md")
    assert {name for name in public if not re.search(rf"`[^`]*\b{name}\b[^`]*`", told)} == set()


@pytest.mark.parametrize(
    "call", [realcoze.open, realcoze.open_sync, *_calls(realcoze.Coze), *_calls(realcoze.SyncCoze)]
)
def test_every_argument_of_the_python_api_is_described(call: Callable[..., object]) -> None:
    arguments = set(inspect.signature(call).parameters) - {"self"} | set(client.Options.__annotations__)
    told = doc("python.md")
    assert {name for name in {*arguments, call.__name__} if not re.search(rf"`[^`]*\b{name}\b[^`]*`", told)} == set()


@pytest.mark.parametrize("kind", [*typing.get_args(Event), Reply, Wants])
def test_every_event_and_field_of_the_python_api_is_described(kind: type) -> None:
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else msgspec.structs.fields(kind)
    names = {kind.__name__, *(field.name for field in fields)}
    told = doc("python.md")
    assert {name for name in names if not re.search(rf"`[^`]*\b{name}\b[^`]*`", told)} == set()


def test_every_record_is_described() -> None:
    tags = {kind.__struct_config__.tag for kind in typing.get_args(records.Record)}
    assert {tag for tag in tags if f"`{tag}`" not in doc("native-api.md")} == set()


def test_every_exit_code_is_described() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", doc("command.md"), re.MULTILINE)}
    known = {
        exits.OK,
        exits.BROKE_OFF,
        exits.WAITING,
        exits.UNWRITABLE,
        exits.STOPPED,
        exits.READER_LEFT,
        exits.TERMINATED,
        *exits._CODES.values(),
    }
    assert known | {2} == told


def test_every_fault_has_a_description() -> None:
    assert all(fault.FAULTS.values())


def test_both_readmes_have_the_same_commands() -> None:
    blocks = [re.findall(r"```(?:sh|ini|python)\n(.*?)```", text, re.DOTALL) for text in readmes()]
    english, chinese = ([re.sub(r"\"[^\"]*\"|=.*", "", block) for block in each] for each in blocks)
    assert english == chinese


@pytest.mark.parametrize("page", PAGES)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", (ROOT / page).read_text(encoding="utf-8")):
        path, _, anchor = (target[0] or target[1]).partition("#")
        if not path.startswith(("http:", "https:")):
            there = (ROOT / page).parent / path if path else ROOT / page
            assert there.exists(), target
            assert not anchor or anchor in headings(there), target


@pytest.mark.parametrize("record", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda path: str(path.stem))
def test_a_decision_has_its_form(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    parts = [text.find(f"**{part}**") for part in ("Question.", "Choice.", "Refused.", "What would change it.")]
    assert parts == sorted(parts)
    assert parts[0] > 0
    assert len(text.splitlines()) <= 40


def headings(page: Path) -> set[str]:
    """What a link may name after `#`."""
    lines = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def readmes() -> list[str]:
    return [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
