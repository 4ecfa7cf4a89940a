"""`realcoze snippets`: what to paste into a client, made of where the server is and what it serves.

Pure text, nothing is looked up.  A key is named and never shown.  What each client was seen to do stands in
docs/clients.md and on the pages that it names.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

KEY_NAME = "REALCOZE_KEY"

_UNLISTED = re.compile(r"[\s,=<>@]")
"""What means something else in the comma lists of NextChat and LobeChat, and which they have no quotes for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A server: its address without a path, its models (one at least), and whether it wants a key.

    `key_note` is what to do where the environment does not have that key.
    """

    base: str
    models: tuple[str, ...]
    has_key: bool = False
    key_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program and what it wants; `@words@` in the text are filled in, quoted for the language it is in.

    `comment` begins a comment of that language, where the text takes the key from the environment.
    """

    about: str
    text: str
    comment: str = ""


_CURL = """\
curl -N @v1:sh@/chat/completions -H 'Content-Type: application/json'@bearer@ \\
  -d @body:sh@
"""

_OPENAI_PYTHON = """\
# pip install openai
import os

from openai import OpenAI

client = OpenAI(base_url=@v1@, api_key=os.environ.get("REALCOZE_KEY", "none"))
messages = [{"role": "user", "content": "Hello"}]
for chunk in client.chat.completions.create(model=@model@, messages=messages, stream=True):
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()
"""

_OPENAI_NODE = """\
// npm install openai, and call this file hello.mjs
import OpenAI from "openai";

const client = new OpenAI({ baseURL: @v1@, apiKey: process.env.REALCOZE_KEY ?? "none" });
const messages = [{ role: "user", content: "Hello" }];
const stream = await client.chat.completions.create({ model: @model@, messages, stream: true });
for await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
"""

_ANTHROPIC = """\
# pip install anthropic
import os

from anthropic import Anthropic

client = Anthropic(base_url=@base@, api_key=os.environ.get("REALCOZE_KEY", "none"))
messages = [{"role": "user", "content": "Hello"}]
with client.messages.stream(model=@model@, max_tokens=4096, messages=messages) as stream:
    for text in stream.text_stream:
        print(text, end="", flush=True)
print()
"""

_LANGCHAIN = """\
# pip install langchain-openai
import os

from langchain_openai import ChatOpenAI

model = ChatOpenAI(base_url=@v1@, model=@model@, api_key=os.environ.get("REALCOZE_KEY", "none"))
for chunk in model.stream("Hello"):
    print(chunk.text, end="", flush=True)
print()
"""

_LLM = """\
# pip install llm; this adds the models to its list, once
cat >> "$(dirname "$(llm logs path)")/extra-openai-models.yaml" <<'END'
@llm models@
END
@llm key@llm -m @model:sh@ Hello
"""

_CLAUDE_CODE = """\
# Its tools are run where the bot has tools = "emulate" in realcoze.toml; else it only talks.
unset ANTHROPIC_API_KEY
export ANTHROPIC_BASE_URL=@base:sh@
export ANTHROPIC_AUTH_TOKEN=@key:sh@
export ANTHROPIC_MODEL=@model:sh@
export ANTHROPIC_DEFAULT_HAIKU_MODEL=@model:sh@
# A stream that fails is asked for again without one, unless told otherwise; that is another call of Coze.
export CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK=1
claude
"""

_CODEX = """\
# ~/.codex/config.toml.  Its tools are run where the bot has tools = "emulate" in realcoze.toml; else it only talks.
model = @model@
model_provider = "realcoze"

[model_providers.realcoze]
name = "realcoze"
base_url = @v1@
wire_api = "responses"
# A stream that fails is asked for five times more, unless told otherwise; each is another call of Coze.
stream_max_retries = 0
@codex key@"""

_N8N = """\
Credentials, OpenAI
API Key:  @key:line@
Base URL: @v1:line@
Node OpenAI, Message a Model: Model, By ID: @model:line@
"""

_OPEN_WEBUI = """\
# Environment of Open WebUI, or Admin Settings, Connections, OpenAI API.
# In a container 127.0.0.1 is the container: see docs/clients.md.
OPENAI_API_BASE_URL=@v1:line@
OPENAI_API_KEY=@key:line@
# It names the conversation, so that bots with history = "continue" go on with it:
ENABLE_FORWARD_USER_INFO_HEADERS=true
"""

_LOBECHAT = """\
# Environment of LobeChat, or Settings, AI Service Provider, OpenAI.
# In a container 127.0.0.1 is the container: see docs/clients.md.
OPENAI_PROXY_URL=@v1:line@
OPENAI_API_KEY=@key:line@
OPENAI_MODEL_LIST=-all@models:plus@@models:left out@
"""

_NEXTCHAT = """\
# Environment of NextChat; it adds /v1 itself.
# In a container 127.0.0.1 is the container: see docs/clients.md.
BASE_URL=@base:line@
OPENAI_API_KEY=@key:line@
CUSTOM_MODELS=-all@models:plus@
DEFAULT_MODEL=@model:line@
VISION_MODELS=@models:line@@models:left out@
"""

_CHERRY_STUDIO = """\
Settings, Model Provider, Add; Provider Type: OpenAI
API Key:  @key:line@
API Host: @base:line@
Models:   Manage, and add: @models:line@@models:left out@
"""

_LEFT_OUT = """
# Bots are left out whose names this list cannot hold; `aliases` in realcoze.toml give them others."""

CLIENTS: Mapping[str, Client] = MappingProxyType({
    "curl": Client(about="a line for the shell", text=_CURL, comment="#"),
    "openai-python": Client(about="OpenAI's package for Python", text=_OPENAI_PYTHON, comment="#"),
    "openai-node": Client(about="OpenAI's package for Node", text=_OPENAI_NODE, comment="//"),
    "anthropic": Client(about="Anthropic's package for Python", text=_ANTHROPIC, comment="#"),
    "langchain": Client(about="LangChain for Python", text=_LANGCHAIN, comment="#"),
    "llm": Client(about="the command llm", text=_LLM, comment="#"),
    "claude-code": Client(about="Claude Code on the terminal", text=_CLAUDE_CODE, comment="#"),
    "codex": Client(about="Codex on the terminal", text=_CODEX, comment="#"),
    "n8n": Client(about="n8n", text=_N8N),
    "open-webui": Client(about="Open WebUI", text=_OPEN_WEBUI),
    "lobechat": Client(about="LobeChat", text=_LOBECHAT),
    "nextchat": Client(about="NextChat", text=_NEXTCHAT),
    "cherry-studio": Client(about="Cherry Studio", text=_CHERRY_STUDIO),
})  # fmt: skip
"""Whom there is a text for."""


def snippet(name: str, here: Here) -> str:
    """What to paste into one of `CLIENTS`."""
    client = CLIENTS[name]
    text = f"{client.comment} {here.key_note}\n{client.text}" if here.key_note and client.comment else client.text
    for word, value in _words(here).items():
        text = text.replace(f"@{word}@", value)
    return text


def key_note(spelled: str) -> str:
    """How the key gets into the environment from `.env`, which we read and a shell does not export.

    `spelled` is its name there; the shell must read that line as we do.
    """
    renamed = "" if spelled == KEY_NAME else f' {KEY_NAME}="${spelled}";'
    return f"The key stands in .env, which the shell does not export; in its folder: set -a; . ./.env;{renamed} set +a"


def pasted_key_note(where: str) -> str:
    """The same, from a file that no shell reads."""
    return f"The key stands in {where}; first: export {KEY_NAME}=PASTE-IT-HERE"


def renamed_key_note(spelled: str) -> str:
    """The same, from another spelling of its name in the environment, which only we take for it."""
    return f'The key is exported as {spelled}; first: export {KEY_NAME}="${spelled}"'


def listing() -> str:
    """The clients, for people."""
    lines = ["realcoze snippets CLIENT prints what to paste, for:", ""]
    return "\n".join([*lines, *(f"  {name:14} {client.about}" for name, client in CLIENTS.items())])


def _words(here: Here) -> dict[str, str]:
    """Plain ones are literals of Python and JavaScript alike."""
    v1, model = f"{here.base}/v1", here.models[0]
    listed = [each for each in here.models if not _UNLISTED.search(each)]
    question = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    return {
        "base": _literal(here.base),
        "base:sh": shlex.quote(here.base),
        "base:line": here.base,
        "v1": _literal(v1),
        "v1:sh": shlex.quote(v1),
        "v1:line": v1,
        "model": _literal(model),
        "model:sh": shlex.quote(model),
        "model:line": listed[0] if listed else model,
        "models:line": ",".join(listed),
        "models:plus": "".join(f",+{each}" for each in listed),
        "models:left out": _LEFT_OUT if len(listed) < len(here.models) else "",
        "key:sh": '"$REALCOZE_KEY"' if here.has_key else "none",
        "key:line": "PASTE-THE-VALUE-OF-REALCOZE_KEY" if here.has_key else "none",
        "bearer": ' -H "Authorization: Bearer $REALCOZE_KEY"' if here.has_key else "",
        "body:sh": shlex.quote(_literal(question)),
        "codex key": 'env_key = "REALCOZE_KEY"\n' if here.has_key else "",
        "llm models": "\n".join(_llm_model(each, v1, has_key=here.has_key) for each in here.models),
        "llm key": 'llm keys set realcoze --value "$REALCOZE_KEY"\n' if here.has_key else "",
    }


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _llm_model(model: str, v1: str, *, has_key: bool) -> str:
    """An entry of the YAML file, whose strings may be written as those of JSON."""
    name = _literal(model)
    lines = [f"- model_id: {name}", f"  model_name: {name}", f"  api_base: {_literal(v1)}"]
    lines += ["  vision: true", "  supports_tools: true"]
    return "\n".join([*lines, *(["  api_key_name: realcoze"] if has_key else [])])
