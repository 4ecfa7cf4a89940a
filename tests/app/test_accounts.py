from pathlib import Path

import pytest

from realcoze.app.accounts import (
    OpenUpstream,
    PlaygroundUpstream,
    credentials_of,
    require_id,
    require_session,
    require_token,
)
from realcoze.app.config import load_settings, require_bots
from realcoze.dialects.coze_open.oauth import Grant
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.upstreams.coze_open.login import LoginFile
from realcoze.upstreams.coze_open.settings import JwtCredentials, LoginCredentials

TOKEN = {"COZE_API_TOKEN": "pat_1", "COZE_BOT_ID": "7"}
SESSION = {"session_id": "abc"}


def test_the_three_names_of_the_official_examples_are_enough(tmp_path: Path) -> None:
    settings = load_settings(folder=tmp_path, environment=TOKEN)
    require_bots(settings)
    assert settings.upstreams == {"coze": OpenUpstream(token="pat_1")}
    assert [(bot.upstream, bot.bot_id) for bot in settings.bots.values()] == [("coze", "7")]
    assert settings.catches_all
    studio = load_settings(folder=tmp_path, environment={**TOKEN, "COZE_API_BASE": "http://localhost:8888"})
    assert studio.upstreams["coze"].base == "http://localhost:8888"
    assert load_settings(folder=tmp_path, environment={**TOKEN, "COZE_API_BASE": ""}) == settings


def test_with_two_accounts_the_open_api_is_taken_and_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(folder=tmp_path, environment={**TOKEN, **SESSION})
    assert [bot.upstream for bot in settings.bots.values()] == ["coze"]
    assert len(caplog.records) == 1
    assert "--upstream" in caplog.text
    for name in ("coze", "playground"):
        chosen = load_settings(folder=tmp_path, environment={**TOKEN, **SESSION}, overrides={"realcoze_upstream": name})
        assert [bot.upstream for bot in chosen.bots.values()] == [name]
    assert len(caplog.records) == 1


def test_an_account_that_is_not_there_cannot_be_chosen(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="'else', and the upstreams are: coze"):
        load_settings(folder=tmp_path, environment=TOKEN, overrides={"realcoze_upstream": "else"})


def test_a_file_may_name_both_kinds(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text(
        """
[upstreams.coze]
kind = "coze_open"
token_file = "token"
private = true
[upstreams.playground]
session_id = "abc"
[bots.one]
bot_id = "12"
[bots.two]
config = "two.json"
"""
    )
    (tmp_path / "realcoze.toml").chmod(0o600)
    (tmp_path / "token").write_text("pat_file\n")
    (tmp_path / "token").chmod(0o600)
    settings = load_settings(folder=tmp_path, environment={})
    require_bots(settings)
    assert settings.upstreams["coze"] == OpenUpstream(token="pat_file", token_file="token", private=True)
    assert settings.bots[BotName("one")].upstream == "coze"
    assert settings.bots[BotName("two")].upstream == "playground"


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    environment = {"COZE_API_TOKEN_FILE": "nowhere", "COZE_BOT_ID": "7"}
    with pytest.raises(Misconfigured, match="nowhere"):
        load_settings(folder=tmp_path, environment=environment)


def test_a_chosen_account_has_its_own_bots_only(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text('[bots.one]\nbot_id = "12"\n[bots.two]\nconfig = "two.json"\n')
    both = {**TOKEN, **SESSION}
    assert list(load_settings(folder=tmp_path, environment=both).bots) == ["one", "two"]
    chosen = load_settings(folder=tmp_path, environment=both, overrides={"realcoze_upstream": "playground"})
    assert list(chosen.bots) == ["two"]
    with pytest.raises(Misconfigured, match="'else'"):
        load_settings(folder=tmp_path, environment=both, overrides={"realcoze_upstream": "else"})


@pytest.mark.parametrize(
    ("bot_id", "said"),
    [
        ("https://www.coze.com/space/123/bot/456?x=7", "of the bot's page: 456."),
        ("x" * 41, f"is '{'x' * 40}'…. It is the number behind /bot/ in the address of the bot's page."),
    ],
)
def test_what_was_copied_wrong_is_told(bot_id: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        require_id(bot_id, bot="x")
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_blanks_around_what_was_exported_do_not_count(tmp_path: Path) -> None:
    names = {"COZE_API_TOKEN": " pat_1\t", "COZE_BOT_ID": " 7 ", "COZE_API_BASE": " https://api.coze.cn\n"}
    settings = load_settings(folder=tmp_path, environment=names)
    require_bots(settings)
    assert settings.upstreams["coze"] == OpenUpstream(token="pat_1", base="https://api.coze.cn")
    assert [bot.bot_id for bot in settings.bots.values()] == ["7"]


def test_of_two_accounts_it_says_how_to_take_the_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_settings(folder=tmp_path, environment={**TOKEN, **SESSION})
    assert "the open API is taken; --upstream playground takes the other" in caplog.text


@pytest.mark.parametrize(
    ("name", "kind", "environment"), [("coze", "coze_playground", TOKEN), ("playground", "coze_open", SESSION)]
)
def test_a_table_of_the_other_kind_cannot_take_their_place(
    tmp_path: Path, name: str, kind: str, environment: dict[str, str]
) -> None:
    (tmp_path / "realcoze.toml").write_text(f'[upstreams.{name}]\nkind = "{kind}"\n')
    with pytest.raises(Misconfigured, match="is not of the kind"):
        load_settings(folder=tmp_path, environment=environment)


def test_what_is_missing_is_said_with_how_to_write_it() -> None:
    with pytest.raises(Misconfigured, match="no token for the bot 'x'") as caught:
        require_token(OpenUpstream(), whose="the bot 'x'", where="here")
    assert all(
        way in str(caught.value.hint) for way in ("write it here", "`realcoze login`", "the key of an OAuth app")
    )
    with pytest.raises(Misconfigured, match="without the word Bearer") as caught:
        require_token(OpenUpstream(token="bearer x"), whose="the bot 'x'", where="here")
    assert str(caught.value.hint).endswith("here")
    with pytest.raises(Misconfigured, match="no session for the bot 'x'"):
        require_session(PlaygroundUpstream(), bot="x", where="here")


def test_accounts_can_be_printed_without_their_secrets() -> None:
    shown = f"{OpenUpstream(token='canary')} {PlaygroundUpstream(session_id='canary')}"
    assert "canary" not in shown
    assert (OpenUpstream(token="canary").secret, PlaygroundUpstream(session_id="canary").secret) == ("canary", "canary")


APP = {
    "COZE_JWT_OAUTH_CLIENT_ID": "42",
    "COZE_JWT_OAUTH_PUBLIC_KEY_ID": "fingerprint",
    "COZE_JWT_OAUTH_PRIVATE_KEY": r"first line\ncanary\nlast line",
    "COZE_BOT_ID": "7",
}


def test_an_oauth_app_is_named_as_in_the_official_examples(tmp_path: Path) -> None:
    settings = load_settings(folder=tmp_path, environment=APP)
    require_bots(settings)
    upstream = settings.upstreams["coze"]
    assert isinstance(upstream, OpenUpstream)
    found = credentials_of(upstream)
    assert isinstance(found, JwtCredentials)
    assert (upstream.way, found.client_id, found.key_id, found.life_s) == ("jwt", "42", "fingerprint", 900)
    assert found.private_key.reveal().splitlines()[1] == "canary"
    assert "canary" not in f"{upstream!r}{found!r}{settings!r}"


def test_a_key_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("canary\n")
    (tmp_path / "key.pem").chmod(0o600)
    names = {name: value for name, value in APP.items() if not name.endswith("PRIVATE_KEY")}
    names |= {"COZE_JWT_OAUTH_PRIVATE_KEY_FILE_PATH": "key.pem"}  # pragma: allowlist secret
    upstream = load_settings(folder=tmp_path, environment=names).upstreams["coze"]
    assert isinstance(upstream, OpenUpstream)
    found = credentials_of(upstream)
    assert isinstance(found, JwtCredentials)
    assert (found.private_key.reveal(), found.key_name) == ("canary", f"The file {tmp_path / 'key.pem'}")
    (tmp_path / "key.pem").unlink()
    with pytest.raises(Misconfigured, match=r"The file of a private key, .*key\.pem, cannot be read"):
        load_settings(folder=tmp_path, environment=names)


def test_a_key_file_that_others_can_read_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "key.pem").write_text("canary\n")
    (tmp_path / "key.pem").chmod(0o644)
    names = {"COZE_JWT_OAUTH_PRIVATE_KEY_FILE_PATH": "key.pem"}  # pragma: allowlist secret
    load_settings(folder=tmp_path, environment=names)
    assert "key.pem holds secrets" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("name", [name for name in APP if "JWT" in name])
def test_what_is_missing_of_an_app_is_named(tmp_path: Path, name: str) -> None:
    settings = load_settings(folder=tmp_path, environment={key: value for key, value in APP.items() if key != name})
    if name.endswith("CLIENT_ID"):
        expected = "client_id (COZE_JWT_OAUTH_CLIENT_ID)"
    else:
        expected = "key_id (COZE" if name.endswith("KEY_ID") else "private_key_file (COZE"
    with pytest.raises(Misconfigured) as caught:
        require_bots(settings)
    assert expected in caught.value.message
    assert caught.value.message.count("COZE_") == 1
    assert "docs/oauth.md" in str(caught.value.hint)


def test_a_token_counts_more_than_an_app(tmp_path: Path) -> None:
    upstream = load_settings(folder=tmp_path, environment={**APP, **TOKEN}).upstreams["coze"]
    assert isinstance(upstream, OpenUpstream)
    assert upstream.way == "token"


def test_a_login_is_found_by_its_base_where_nothing_else_is_set(tmp_path: Path) -> None:
    kept = Grant(access_token="canary", expires_at=1, life_s=1, refresh_token="r")
    LoginFile(tmp_path / "state" / "login.json").keep("https://api.coze.cn", "1", kept)
    names = {"COZE_BOT_ID": "7", "temp_path": "state", "COZE_API_BASE": "https://api.coze.cn/"}
    settings = load_settings(folder=tmp_path, environment=names)
    require_bots(settings)
    upstream = settings.upstreams["coze"]
    assert isinstance(upstream, OpenUpstream)
    assert credentials_of(upstream) == LoginCredentials(file=tmp_path / "state" / "login.json")
    for more in ({"COZE_API_BASE": ""}, {"COZE_JWT_OAUTH_CLIENT_ID": "2"}):
        other = load_settings(folder=tmp_path, environment={**names, **more}).upstreams["coze"]
        assert isinstance(other, OpenUpstream)
        assert other.way == "none"
    token = load_settings(folder=tmp_path, environment={**names, **TOKEN}).upstreams["coze"]
    assert token.secret == TOKEN["COZE_API_TOKEN"]


def test_a_login_file_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "realcoze.toml").write_text('[upstreams.coze]\nkind = "coze_open"\nlogin_file = "mine.json"\n')
    upstream = load_settings(folder=tmp_path, environment={}).upstreams["coze"]
    assert isinstance(upstream, OpenUpstream)
    assert credentials_of(upstream) == LoginCredentials(file=tmp_path / "mine.json")
