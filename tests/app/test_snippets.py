import json
import shlex
import tomllib
from pathlib import Path

import pytest

from commands import run, shell
from houses import served
from realcoze.app.snippets import CLIENTS, Here, key_note, listing, snippet
from servers import Coze

KEY = "0123456789abcdef"
HERE = Here(base="http://127.0.0.1:8080", models=("coze", "other"))
LOCKED = Here(base="https://bots.example.org", models=("coze",), has_key=True)
ODD = Here(base="http://127.0.0.1:8080", models=('it\'s "odd" $HOME',))


@pytest.mark.parametrize("here", [HERE, LOCKED, ODD])
@pytest.mark.parametrize("name", CLIENTS)
def test_every_word_is_filled_in_and_the_address_is_there(name: str, here: Here) -> None:
    text = snippet(name, here)
    assert "@" not in text
    assert here.base in text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", CLIENTS)
def test_a_key_is_named_where_one_is_needed(name: str) -> None:
    assert "REALCOZE_KEY" in snippet(name, LOCKED)


def test_a_line_for_the_shell() -> None:
    assert snippet("curl", HERE) == (
        "curl -N http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\\n"
        """  -d '{"model": "coze", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'\n"""
    )
    assert "-H 'Content-Type: application/json' -H \"Authorization: Bearer $REALCOZE_KEY\" \\\n" in snippet(
        "curl", LOCKED
    )


def test_names_are_quoted_for_the_language_that_they_stand_in() -> None:
    body = json.loads(shlex.split(snippet("curl", ODD).replace("\\\n", ""))[-1])
    assert body["model"] == ODD.models[0]
    for name in ("openai-python", "anthropic", "langchain"):
        compile(snippet(name, ODD), name, "exec")
        assert r"model=" + json.dumps(ODD.models[0]) in snippet(name, ODD)
    assert shlex.split(snippet("llm", ODD).splitlines()[-1]) == ["llm", "-m", ODD.models[0], "Hello"]


@pytest.mark.parametrize("here", [HERE, LOCKED, ODD])
def test_the_settings_of_codex_are_toml(here: Here) -> None:
    settings = tomllib.loads(snippet("codex", here))
    provider = settings["model_providers"][settings["model_provider"]]
    assert (settings["model"], provider["base_url"]) == (here.models[0], f"{here.base}/v1")
    assert ("env_key" in provider) == here.has_key
    assert provider["stream_max_retries"] == 0


def test_the_models_of_llm_are_a_list() -> None:
    assert """
- model_id: "coze"
  model_name: "coze"
  api_base: "http://127.0.0.1:8080/v1"
  vision: true
  supports_tools: true
- model_id: "other"
""" in snippet("llm", HERE)
    assert "keys" not in snippet("llm", HERE)
    told = snippet("llm", LOCKED)
    assert (
        '  supports_tools: true\n  api_key_name: realcoze\nEND\nllm keys set realcoze --value "$REALCOZE_KEY"\n' in told
    )


def test_settings_of_other_programs_name_all_the_models() -> None:
    assert "CUSTOM_MODELS=-all,+coze,+other\n" in snippet("nextchat", HERE)
    assert "OPENAI_MODEL_LIST=-all,+coze,+other\n" in snippet("lobechat", HERE)
    assert "BASE_URL=http://127.0.0.1:8080\n" in snippet("nextchat", HERE)
    assert "OPENAI_PROXY_URL=http://127.0.0.1:8080/v1\n" in snippet("lobechat", HERE)
    assert "OPENAI_API_BASE_URL=http://127.0.0.1:8080/v1\nOPENAI_API_KEY=none\n" in snippet("open-webui", HERE)


@pytest.mark.parametrize("name", ["a,b", "a b", "a=b", "a<b", "a@b", "a\tb"])
def test_a_name_that_a_comma_list_cannot_hold_is_left_out_and_that_is_said(name: str) -> None:
    here = Here(base="http://127.0.0.1:8080", models=("coze", name, "other"))
    for client in ("nextchat", "lobechat", "cherry-studio"):
        assert name not in snippet(client, here)
        assert "Bots are left out" in snippet(client, here)
        assert "Bots are left out" not in snippet(client, HERE)
    assert "CUSTOM_MODELS=-all,+coze,+other\n" in snippet("nextchat", here)
    assert "VISION_MODELS=coze,other\n" in snippet("nextchat", here)
    first = Here(base="http://127.0.0.1:8080", models=(name, "coze"))
    assert "DEFAULT_MODEL=coze\n" in snippet("nextchat", first)
    assert "OPENAI_MODEL_LIST=-all,+coze,+other\n" in snippet("lobechat", here)


def test_a_program_of_anthropic_gets_the_address_without_a_path() -> None:
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:8080\n" in snippet("claude-code", HERE)
    assert 'export ANTHROPIC_AUTH_TOKEN="$REALCOZE_KEY"\n' in snippet("claude-code", LOCKED)
    assert 'base_url="https://bots.example.org"' in snippet("anthropic", LOCKED)


def test_the_list_names_everybody() -> None:
    assert [line.split()[0] for line in listing().splitlines()[2:]] == list(CLIENTS)


async def test_the_command_takes_what_the_settings_say(tmp_path: Path) -> None:
    told = await run("snippets", cwd=tmp_path)
    assert (told.code, told.out, told.err) == (0, f"{listing()}\n", "")
    bare = await run("snippets", "curl", cwd=tmp_path)
    assert (bare.code, bare.out) == (0, snippet("curl", Here(base=HERE.base, models=("coze",))))
    (tmp_path / "realcoze.toml").write_text("[server]\nhost = '::'\nport = 9000\n[bots.a]\n[bots.b]\n")
    (tmp_path / ".env").write_text(f"session_id=x\nREALCOZE_KEY={KEY}\n")
    (tmp_path / ".env").chmod(0o600)
    told = await run("snippets", "nextchat", cwd=tmp_path)
    assert told.out == snippet("nextchat", Here(base="http://[::1]:9000", models=("a", "b"), has_key=True))
    assert KEY not in told.out
    elsewhere = ("snippets", "langchain", "--url", "https://bots.example.org/v1/", "--model", "b")
    there = Here(base="https://bots.example.org", models=("b",), has_key=True)
    told = await run(*elsewhere, cwd=tmp_path, REALCOZE_KEY=KEY)
    assert told.out == snippet("langchain", there)
    told = await run(*elsewhere, cwd=tmp_path)
    assert told.out == f"# {key_note('REALCOZE_KEY')}\n{snippet('langchain', there)}"
    assert KEY not in told.out


def test_what_takes_the_key_from_the_environment_says_how_it_gets_there() -> None:
    noted = Here(base=LOCKED.base, models=LOCKED.models, has_key=True, key_note=key_note("REALCOZE_KEY"))
    for name in CLIENTS:
        bare, told = snippet(name, LOCKED), snippet(name, noted)
        if "PASTE-THE-VALUE" in bare:
            assert told == bare
        else:
            sign = "//" if name == "openai-node" else "#"
            assert told == f"{sign} {noted.key_note}\n{bare}"
    for name in ("openai-python", "anthropic", "langchain"):
        compile(snippet(name, noted), name, "exec")


@pytest.mark.parametrize("spelled", ["REALCOZE_KEY", "realcoze_key"])
async def test_with_the_key_in_env_what_it_prints_works_as_it_says(spelled: str, coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path / "house", key=KEY) as url:
        (tmp_path / ".env").write_text(f"# ours\n{spelled}={KEY}\n")
        (tmp_path / ".env").chmod(0o600)
        told = await run("snippets", "curl", "--url", url, "--model", "echo", cwd=tmp_path)
        assert (told.code, told.err) == (0, "")
        assert KEY not in told.out
        first, _, line = told.out.partition("\n")
        command = first.partition("in its folder: ")[2]
        without = await shell(line, tmp_path)
        answered = await shell(f"{command}\n{told.out}", tmp_path)
    assert "invalid_api_key" in without.out
    assert '"content":"Hello"' in answered.out
    assert first.startswith("# The key stands in .env, which the shell does not export; in its folder: set -a; ")


async def test_a_key_of_the_file_of_settings_is_to_be_exported_by_hand(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text(f'[server]\nkey = "{KEY}"\n')
    (tmp_path / "realcoze.toml").chmod(0o600)
    told = await run("snippets", "anthropic", cwd=tmp_path)
    assert told.out.startswith("# The key stands in realcoze.toml; first: export REALCOZE_KEY=PASTE-IT-HERE\n")
    assert KEY not in told.out


@pytest.mark.parametrize("line", ["REALCOZE_KEY = {}", "realcoze_key= {}"])
async def test_a_key_that_a_shell_would_not_read_is_to_be_exported_by_hand(line: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"session_id=x\n{line.format(KEY)}\n")
    (tmp_path / ".env").chmod(0o600)
    told = await run("snippets", "anthropic", cwd=tmp_path)
    assert told.out.startswith("# The key stands in .env; first: export REALCOZE_KEY=PASTE-IT-HERE\n")
    assert KEY not in told.out


async def test_another_spelling_in_the_environment_does_not_help_a_snippet(coze: Coze, tmp_path: Path) -> None:
    async with served(coze, tmp_path / "house", key=KEY) as url:
        told = await run("snippets", "curl", "--url", url, "--model", "echo", cwd=tmp_path, realcoze_key=KEY)
        first, _, line = told.out.partition("\n")
        answered = await shell(f"realcoze_key={KEY}\n{first.partition('first: ')[2]}\n{line}", tmp_path)
    assert first == '# The key is exported as realcoze_key; first: export REALCOZE_KEY="$realcoze_key"'
    assert '"content":"Hello"' in answered.out


async def test_where_only_coze_knows_the_bots_one_is_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text('[upstreams.coze]\nkind = "coze_open"\ndiscover = true\n')
    told = await run("snippets", "curl", cwd=tmp_path)
    assert told.code != 0
    assert "--model NAME" in told.err
    named = await run("snippets", "curl", "--model", "guide", cwd=tmp_path)
    assert named.out == snippet("curl", Here(base=HERE.base, models=("guide",)))
    assert (await run("snippets", cwd=tmp_path)).out == f"{listing()}\n"
