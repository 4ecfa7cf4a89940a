from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from realcoze.app.accounts import OpenUpstream, PlaygroundUpstream
from realcoze.app.config import Bot, Server, Settings, load_settings, require_bots
from realcoze.app.wiring import open_settings
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.upstreams.coze_open.settings import Target

SEED_ENV = """\
session_id=0123456789abcdef0123456789abcdef
proxy=socks5://127.0.0.1:1080
server_port=8181
temp_path=./temp
bot_config_path=./bots/atri.json
"""
"""The names and the form of the Node program's `.env` (docs/settings.md)."""


def load(
    folder: Path,
    *,
    env: str = "",
    toml: str = "",
    environment: Mapping[str, str] | None = None,
    **overrides: Any,
) -> Settings:
    for name, content in ((".env", env), ("realcoze.toml", toml)):
        (folder / name).write_text(content)
        (folder / name).chmod(0o600)
    if not toml:
        (folder / "realcoze.toml").unlink()
    return load_settings(folder=folder, environment=environment or {"HOME": "/home/ada"}, overrides=overrides)


def refused(folder: Path, **sources: Any) -> str:
    """What is said of settings that are wrong."""
    with pytest.raises(Misconfigured) as caught:
        require_bots(load(folder, **sources))
    return f"{caught.value.message} {caught.value.hint}".replace(f"{folder}/", "")


def test_the_env_file_of_the_node_program_works_as_it_is(tmp_path: Path) -> None:
    settings = load(tmp_path, env=SEED_ENV)
    require_bots(settings)
    assert settings == Settings(
        server=Server(port=8181),
        upstreams={
            "playground": PlaygroundUpstream(
                session_id="0123456789abcdef0123456789abcdef",
                base="https://www.coze.com",
                proxy="socks5://127.0.0.1:1080",
                ws_proxy=None,
            )
        },
        bots={BotName("coze"): Bot(upstream="playground", config=str(tmp_path / "bots/atri.json"))},
        catches_all=True,
        state_dir=tmp_path / "temp",
        folder=tmp_path,
    )


@pytest.mark.parametrize("written", [str.upper, str.title, str.swapcase])
def test_the_letter_case_of_a_name_does_not_matter(tmp_path: Path, written: Any) -> None:
    env = "\n".join(
        written(name) + "=" + value for name, _, value in (line.partition("=") for line in SEED_ENV.splitlines())
    )
    other = tmp_path / "other"
    other.mkdir()
    a, b = load(tmp_path, env=SEED_ENV), load(other, env=env)
    assert a.server == b.server
    assert a.upstreams == b.upstreams
    assert b.bots[BotName("coze")].config == str(other / "bots/atri.json")


def test_the_environment_may_say_it_all(tmp_path: Path) -> None:
    environment = {
        "SESSION_ID": "abc",
        "COZE_PLAYGROUND_BASE": "http://127.0.0.1:1",
        "PROXY": "http://p:1",
        "ws_proxy": "",
        "TMP_PATH": "/var/tmp/x",
        "REALCOZE_KEY": "k" * 16,
        "SERVER_HOST": "::1",
        "SERVER_PORT": "0",
        "BOT_CONFIG_PATH": "/etc/bot.json",
        "UNKNOWN": "is no mistake here",
    }
    settings = load(tmp_path, environment=environment)
    assert settings.server == Server(host="::1", port=0, key="k" * 16)
    assert settings.upstreams["playground"] == PlaygroundUpstream(
        session_id="abc", base="http://127.0.0.1:1", proxy="http://p:1", ws_proxy=""
    )
    assert settings.bots[BotName("coze")].config == "/etc/bot.json"
    assert settings.state_dir == Path("/var/tmp/x")


def test_the_first_source_that_names_a_setting_wins(tmp_path: Path) -> None:
    toml = '[server]\nport = 1\nhost = "localhost"\n[upstreams.playground]\nsession_id = "toml"\nbase = "http://toml"\n'
    assert load(tmp_path, toml=toml).server.port == 1
    assert load(tmp_path, toml=toml, env="server_port=2").server.port == 2
    environment = {"SERVER_PORT": "3", "HOME": "/"}
    assert load(tmp_path, toml=toml, env="server_port=2", environment=environment).server.port == 3
    last = load(tmp_path, toml=toml, env="server_port=2", environment=environment, server_port=4, server_host=None)
    assert last.server == Server(port=4, host="localhost")
    upstream = load(tmp_path, toml=toml, env="session_id=env").upstreams["playground"]
    assert isinstance(upstream, PlaygroundUpstream)
    assert (upstream.session_id, upstream.base) == ("env", "http://toml")


def test_nothing_is_fetched_unless_the_file_says_so(tmp_path: Path) -> None:
    assert not load(tmp_path, toml="[server]\nport = 1\n").server.fetch_urls
    assert load(tmp_path, toml="[server]\nfetch_urls = true\n").server.fetch_urls


def test_a_file_may_be_named(tmp_path: Path) -> None:
    for name, port in (("a.toml", 1), ("b.toml", 2), ("c.toml", 3)):
        (tmp_path / name).write_text(f"[server]\nport = {port}\n")
    by_env = "realcoze_config=a.toml"
    assert load(tmp_path, env=by_env, toml="[server]\nport = 9\n").server.port == 1
    assert load(tmp_path, env=by_env, environment={"REALCOZE_CONFIG": "b.toml", "HOME": "/"}).server.port == 2
    toml = tmp_path / "c.toml"
    environment = {"REALCOZE_CONFIG": "b.toml", "HOME": "/"}
    assert load_settings(folder=tmp_path, environment=environment, toml=toml).server.port == 3


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    said = refused(tmp_path, environment={"REALCOZE_CONFIG": "nowhere.toml", "HOME": "/"})
    assert said.startswith("nowhere.toml cannot be read: No such file or directory.")


def test_paths_in_the_file_are_relative_to_it(tmp_path: Path) -> None:
    elsewhere = tmp_path / "etc"
    elsewhere.mkdir()
    (elsewhere / "x.toml").write_text(
        'temp_path = "state"\n[upstreams.playground]\nsession_id = "a"\n[bots.atri]\nconfig = "atri.json"\n[bots.b]\n'
    )
    (elsewhere / "x.toml").chmod(0o600)
    settings = load_settings(folder=tmp_path, environment={}, toml=elsewhere / "x.toml")
    assert settings.state_dir == elsewhere / "state"
    assert [bot.config for bot in settings.bots.values()] == [
        str(elsewhere / "atri.json"),
        str(elsewhere / "config.json"),
    ]
    with_env = load_settings(folder=tmp_path, environment={"temp_path": "t"}, toml=elsewhere / "x.toml")
    assert with_env.state_dir == tmp_path / "t"


def test_several_bots_on_several_accounts(tmp_path: Path) -> None:
    toml = """
    [upstreams.playground]
    base = "http://a"
    [upstreams.second]
    session_id = "two"
    proxy = "socks5h://p:1"
    max_turns = 3
    [bots.atri]
    [bots.helper]
    upstream = "second"
    """
    settings = load(tmp_path, env="session_id=one", toml=toml)
    require_bots(settings)
    assert list(settings.bots) == ["atri", "helper"]
    assert not settings.catches_all
    assert [settings.upstreams[bot.upstream].secret for bot in settings.bots.values()] == ["one", "two"]
    assert settings.upstreams["second"].max_turns == 3


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[server]\nprot = 1", "`$.server.prot` is no setting"),
        ("[sever]\nport = 1", "`$.sever` is no setting"),
        ("[upstreams.second]\nbas = 1", "`$.upstreams.second.bas` is no setting"),
        ("[bots.a]\nconfg = 1", "`$.bots.a.confg` is no setting"),
        ("[server]\nport = 65536", "`$.server.port`: Expected `int` <= 65535"),
        ("[server]\nport = -1", "`$.server.port`: Expected `int` >= 0"),
        ("[server]\nport = '8080'", "`$.server.port`: Expected `int`, got `str`"),
        ("[server]\nkeepalive_s = 0", "`$.server.keepalive_s`: Expected `float` > 0.0"),
        ("[upstreams.second]\nidle_s = 0", "`$.upstreams.second.idle_s`: Expected `float` > 0.0"),
        ("[server]\nfetch_urls = 1", "`$.server.fetch_urls`: Expected `bool`, got `int`"),
        ("[server]\ngate_s = -1", "`$.server.gate_s`: Expected `float` >= 0.0"),
        ("[upstreams.x]\nmax_turns = 0", "`$.upstreams.x.max_turns`: Expected `int` >= 1"),
        ("[upstreams.x]\nkind = 'coze'", "`$.upstreams.x.kind`: Invalid value 'coze'"),
        ("bots = 3", "`$.bots`: Expected `object`, got `int`"),
        ("[bots]\na = 3", "`$.bots.a`: Expected `object`, got `int`"),
    ],
)
def test_the_file_refuses_what_it_does_not_know(tmp_path: Path, toml: str, said: str) -> None:
    assert refused(tmp_path, toml=toml) == f"realcoze.toml: {said}. docs/settings.md lists every setting."


def test_a_setting_of_the_open_api_without_a_kind_says_which_kind_is_missing(tmp_path: Path) -> None:
    assert refused(tmp_path, toml='[upstreams.coze]\ntoken = "x"\nrecovery_calls = 0') == (
        "realcoze.toml: `$.upstreams.coze.token` is no setting. Without `kind` the table is a coze_playground; "
        'for `recovery_calls` it wants the line: kind = "coze_open"'
    )


@pytest.mark.parametrize(
    ("sources", "said", "todo"),
    [
        ({}, "No bot is configured.", "realcoze chat --demo"),
        ({"env": "proxy=x"}, "No bot is configured.", "into .env, a line each; or, for the web playground, session_id"),
        ({"env": "session_id="}, "There is no session for the bot 'coze'", "into the file .env: session_id=VALUE"),
        ({"env": "session_id=a; Path=/"}, "The session_id for the bot 'coze' holds characters that no cookie", "copy"),
        ({"env": "session_id=ö"}, "The session_id for the bot 'coze' holds characters that no cookie can have", "copy"),
        ({"env": "session_id='a\nb'"}, "The session_id for the bot 'coze' holds characters that no cookie", "copy"),
        ({"env": "COZE_PLAYGROUND_BASE=http://x"}, "There is no session for the bot 'coze'", ".env"),
        (
            {"toml": "[upstreams.two]\n[bots.b]\nupstream = 'two'"},
            "There is no session for the bot 'b'",
            'into the table [upstreams.two] of realcoze.toml: session_id = "VALUE"',
        ),
        (
            {"env": "session_id=a", "toml": "[bots.b]\nupstream = 'two'"},
            "bots.b.upstream names 'two', and the upstreams are: playground.",
            "Add a table [upstreams.two], or name one that there is.",
        ),
        (
            {"toml": "[bots.b]"},
            "bots.b.upstream names 'playground', and the upstreams are: none.",
            "[upstreams.playground]",
        ),
        ({"env": "server_port=http"}, "server_port is 'http'; it must be a number from 0 to 65535.", ""),
        ({"env": "server_port=65536"}, "server_port is '65536'; it must be a number from 0 to 65535.", ""),
        ({"env": "server_port=-1"}, "server_port is '-1'", ""),
        ({"env": "server_port=²"}, "server_port is '²'", ""),
        ({"env": f"server_port={'9' * 5000}"}, f"server_port is '{'9' * 40}'…; it must", ""),
        ({"env": "server_port="}, "server_port is ''", ""),
        ({"env": "REALCOZE_KEY="}, "REALCOZE_KEY is empty.", "16 characters at least"),
    ],
)
def test_a_sentence_says_what_to_do(tmp_path: Path, sources: dict[str, str], said: str, todo: str) -> None:
    told = refused(tmp_path, **sources)
    assert told.startswith(said)
    assert todo in told


@pytest.mark.parametrize(
    ("environment", "state_dir"),
    [
        ({"HOME": "/home/ada"}, "/home/ada/.local/state/realcoze"),
        ({"HOME": "/home/ada", "XDG_STATE_HOME": "/state"}, "/state/realcoze"),
        ({}, str(Path("~").expanduser() / ".local/state/realcoze")),
    ],
)
def test_small_files_go_where_a_users_state_belongs(
    tmp_path: Path, environment: dict[str, str], state_dir: str
) -> None:
    settings = load_settings(folder=tmp_path, environment=environment)
    assert settings.state_dir == Path(state_dir)


def test_a_file_is_looked_at_only_when_it_holds_secrets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "realcoze.toml"
    for toml, warnings in (
        ("[server]\nport = 1\n", 0),
        ('[upstreams.playground]\nsession_id = "a"\n', 1),
        (f'[server]\nkey = "{"k" * 16}"\n', 2),
    ):
        file.write_text(toml)
        file.chmod(0o644)
        load_settings(folder=tmp_path, environment={})
        assert len(caplog.messages) == warnings
    assert caplog.messages[-1] == f"{file} holds secrets and can be read by others; chmod 600 makes it private"


def test_settings_can_be_printed_without_their_secrets(tmp_path: Path) -> None:
    environment = {"SESSION_ID": "canary", "REALCOZE_KEY": "canary" * 3, "PROXY": "http://u:canary@p:1"}
    shown = repr(load(tmp_path, environment=environment))
    assert "canary" not in shown
    assert "port=8080" in shown
    assert "PlaygroundUpstream(base=" in shown


KINDS = """
[upstreams.coze]
kind = "coze_open"
token = "pat_0123456789"
private = true

[bots.report]
workflow_id = " 7400000000000000001 "
bot_id = "1"
input = "topic"
private = false

[bots.guide]
chatflow_id = "7400000000000000002"
app_id = "2"
private = false
"""


def test_a_workflow_and_a_chatflow_are_bots_of_the_open_api(tmp_path: Path) -> None:
    settings = load(tmp_path, toml=KINDS)
    require_bots(settings)
    report, guide = settings.bots.values()
    assert [bot.kind for bot in (report, guide, Bot())] == ["workflow", "chatflow", "bot"]
    assert {report.upstream, guide.upstream} == {"coze"}
    assert (report.known_as, report.bot_id, report.input) == ("7400000000000000001", "1", "topic")
    assert (guide.known_as, guide.app_id, guide.private) == ("7400000000000000002", "2", False)
    told = open_settings(settings.upstreams["coze"], settings.bots).bots  # type: ignore[arg-type]
    assert list(told.values()) == [
        Target(id="7400000000000000001", kind="workflow", bot_id="1", input_name="topic"),
        Target(id="7400000000000000002", kind="chatflow", app_id="2"),
    ]


def test_a_chatflow_of_a_private_account_says_that_it_is_not(tmp_path: Path) -> None:
    settings = load(tmp_path, toml=KINDS.removesuffix("private = false\n"))
    with pytest.raises(Misconfigured, match="The bot 'guide' cannot be private"):
        require_bots(settings)


def test_a_workflow_may_stand_in_place_of_the_only_bot(tmp_path: Path) -> None:
    named = "COZE_API_TOKEN=pat_0123456789\nCOZE_WORKFLOW_ID=7\n"
    [bot] = load(tmp_path, env=named).bots.values()
    assert (bot.known_as, bot.workflow_id) == ("7", "7")
    [bot] = load(tmp_path, env=f"{named}COZE_BOT_ID=8\n").bots.values()
    assert (bot.known_as, bot.workflow_id) == ("8", "")


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ('workflow_id = "1"\nchatflow_id = "2"', "a workflow and a chatflow at once"),
        ('workflow_id = "1"\nbot_id = "2"\napp_id = "3"', "has a bot_id and an app_id"),
        ('workflow_id = "my flow"', "has no id"),
    ],
)
def test_ids_that_exclude_each_other_are_refused(tmp_path: Path, ids: str, said: str) -> None:
    toml = f'[upstreams.coze]\nkind = "coze_open"\ntoken = "pat_0123456789"\n[bots.x]\nupstream = "coze"\n{ids}\n'
    with pytest.raises(Misconfigured, match=said):
        require_bots(load(tmp_path, toml=toml))


DISCOVERING = '[upstreams.coze]\nkind = "coze_open"\ndiscover = true\n'


def test_who_has_bots_looked_up_need_name_none(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text(DISCOVERING)
    settings = load_settings(folder=tmp_path, environment={"COZE_API_TOKEN": "pat_1"})
    require_bots(settings)
    assert (dict(settings.bots), list(settings.discovering)) == ({}, ["coze"])
    named = load_settings(folder=tmp_path, environment={"COZE_API_TOKEN": "pat_1", "COZE_BOT_ID": "7"})
    assert [bot.bot_id for bot in named.bots.values()] == ["7"]
    assert list(named.discovering) == ["coze"]


def test_an_account_whose_bots_are_looked_up_needs_a_token(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text(DISCOVERING.replace("coze]", "two]"))
    with pytest.raises(Misconfigured, match="no token for the account 'two'") as caught:
        require_bots(load_settings(folder=tmp_path, environment={}))
    assert "into the table [upstreams.two] of realcoze.toml" in str(caught.value.hint)


def test_nothing_is_looked_up_unless_told_and_only_of_the_chosen_account(tmp_path: Path) -> None:
    assert not load_settings(folder=tmp_path, environment={"COZE_API_TOKEN": "t", "COZE_BOT_ID": "7"}).discovering
    two = '[upstreams.two]\nkind = "coze_open"\ntoken = "t"\n[bots.a]\nupstream = "two"\nbot_id = "1"\n'
    (tmp_path / "realcoze.toml").write_text(DISCOVERING + two)
    (tmp_path / "realcoze.toml").chmod(0o600)
    settings = load_settings(folder=tmp_path, environment={}, overrides={"realcoze_upstream": "two"})
    assert (list(settings.bots), dict(settings.discovering)) == (["a"], {})


def test_hosts_and_origins_as_requests_have_them_are_taken(tmp_path: Path) -> None:
    hosts, origins = ["*", "x.example", "10.0.0.5", "::1"], ["https://x.example", "chrome-extension://abc"]
    server = load(tmp_path, toml=f"[server]\nallowed_hosts = {hosts}\nallowed_origins = {origins}").server
    assert (server.allowed_hosts, server.allowed_origins) == (hosts, origins)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[server]\nallowed_origins = ['x.example']", "'x.example' among `allowed_origins` is none"),
        ("[server]\nallowed_origins = ['*']", "write it like https://x.example"),
        ("[server]\nallowed_hosts = ['http://x.example']", "'http://x.example' among `allowed_hosts` is no host name"),
        ("[server]\nallowed_hosts = ['x.example:80']", "write it like x.example"),
        ("[server]\nallowed_hosts = ['*.example']", "is no host name"),
        ("[bots.'']\nbot_id = '1'", "'' is no name of a bot"),
        ('[bots."a\\nb"]\nbot_id = "1"', "is no name of a bot"),
        ("[upstreams.second]\nbase = 'api.coze.com'", "(base) cannot be called"),
        ("[upstreams.second]\nbase = 'https://'", "The address of the account 'second' (base) cannot be called"),
        ("[upstreams.second]\nbase = 'http://x:99999'", "(base) cannot be called"),
        ("[upstreams.second]\nbase = 'http://exa mple.com'", "(base) cannot be called"),
        ("[upstreams.second]\nbase = 'https://u:pw@x.example'", "(base) cannot be called"),  # pragma: allowlist secret
    ],
)
def test_what_would_never_work_is_refused_at_once(tmp_path: Path, toml: str, said: str) -> None:
    told = refused(tmp_path, toml=toml)
    assert said in told
    assert "pw" not in told


@pytest.mark.parametrize(
    ("bot", "upstreams", "expected"),
    [
        ("", ["[upstreams.mine]"], "mine"),
        ("", ["[upstreams.mine]", "[upstreams.playground]"], "playground"),
        ("bot_id = '1'", ["[upstreams.mine]\nkind = 'coze_open'"], "mine"),
        ("bot_id = '1'", ["[upstreams.mine]\nkind = 'coze_open'", "[upstreams.playground]"], "mine"),
        ("bot_id = '1'", ["[upstreams.mine]\nkind = 'coze_open'", "[upstreams.coze]\nkind = 'coze_open'"], "coze"),
    ],
)
def test_a_bot_need_not_name_the_only_account_it_can_be_on(
    tmp_path: Path, bot: str, upstreams: list[str], expected: str
) -> None:
    (tmp_path / "realcoze.toml").write_text("\n".join([*upstreams, "[bots.b]", bot]))
    assert load_settings(folder=tmp_path, environment={}).bots[BotName("b")].upstream == expected


@pytest.mark.parametrize(("bot", "wanted"), [("bot_id = '1'", "coze"), ("", "playground")])
def test_where_a_bot_could_be_on_several_or_none_the_usual_account_is_missed(
    tmp_path: Path, bot: str, wanted: str
) -> None:
    (tmp_path / "realcoze.toml").write_text(f"[upstreams.one]\n[upstreams.two]\n[bots.b]\n{bot}")
    with pytest.raises(Misconfigured, match=f"bots.b.upstream names '{wanted}'"):
        load_settings(folder=tmp_path, environment={})


def test_paths_of_env_may_begin_with_the_users_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text("pat_1")
    (tmp_path / ".env").write_text("COZE_API_TOKEN_FILE=~/token\nCOZE_BOT_ID=1\ntemp_path=~/state\n")
    settings = load_settings(folder=tmp_path, environment={})
    assert settings.state_dir == tmp_path / "home" / "state"
    [account] = settings.upstreams.values()
    assert isinstance(account, OpenUpstream)
    assert account.token == "pat_1"


def test_a_bot_with_an_id_is_on_no_playground(tmp_path: Path) -> None:
    toml = "[upstreams.playground]\nsession_id = 'a'\n[bots.b]\nupstream = 'playground'\nbot_id = '1'"
    (tmp_path / "realcoze.toml").write_text(toml)
    with pytest.raises(Misconfigured, match="'b' has an id, and 'playground' is a playground"):
        require_bots(load_settings(folder=tmp_path, environment={}))
