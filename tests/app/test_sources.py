import logging
import os
from pathlib import Path

import msgspec
import pytest

from realcoze.app.sources import (
    a_shell_reads,
    check_mode,
    converted,
    path_in,
    read_names,
    read_secret,
    read_toml,
    spelled_in_env,
)
from realcoze.errors import Misconfigured

SECRET = "canary-4711"


def foreign(path: Path) -> None:
    """Somebody else's file."""
    try:
        os.chown(path, 65534, 65534)
    except PermissionError:
        pytest.skip("only root can give a file away")


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("a=env file\nB=env file\nc=env file\n")
    names = read_names(tmp_path, {"A": "environment", "b": "environment"}, {"a": 1, "b": None})
    assert names == {"a": "1", "b": "environment", "c": "env file"}


def test_without_a_file_there_is_the_environment(tmp_path: Path) -> None:
    assert read_names(tmp_path, {"PROXY": "x"}, {}) == {"proxy": "x"}


def test_weakness_26_temp_path_and_tmp_path_are_the_same(tmp_path: Path) -> None:
    """A stronger source wins by either name; within one source the first name does."""
    env = tmp_path / ".env"
    for in_file, in_environment, found in [
        ("tmp_path=a", {}, "a"),
        ("temp_path=a", {}, "a"),
        ("tmp_path=a\ntemp_path=b", {}, "b"),
        ("temp_path=a", {"TMP_PATH": "b"}, "b"),
        ("tmp_path=a", {"temp_path": "b"}, "b"),
    ]:
        env.write_text(in_file)
        assert read_names(tmp_path, in_environment, {})["temp_path"] == found


def test_an_env_file_is_read_as_node_reads_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(
        b'\xef\xbb\xbf# from the Node program\nSESSION_ID="a b"\nproxy = socks5://x:1 # note\n'
        b"export server_port=1\r\nempty=\nnothing\nprice='$HOME'\n"
    )
    (tmp_path / ".env").chmod(0o600)
    names = read_names(tmp_path, {}, {})
    assert names == {
        "session_id": "a b",
        "proxy": "socks5://x:1",
        "server_port": "1",
        "empty": "",
        "price": "$HOME",
    }


def test_an_env_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"\.env is not UTF-8"):
        read_names(tmp_path, {}, {})


def test_an_env_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Even root gets an error from the first bytes of this one."""
    (tmp_path / ".env").symlink_to("/proc/self/mem")
    with pytest.raises(Misconfigured, match=r"\.env cannot be read: Input/output error\."):
        read_names(tmp_path, {}, {})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"x\.toml cannot be read: No such file or directory\."):
        read_toml(tmp_path / "x.toml")


@pytest.mark.parametrize("content", [b"[server\n", b"\xff", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.toml").write_bytes(content)
    with pytest.raises(Misconfigured, match=r"x\.toml is no TOML: "):
        read_toml(tmp_path / "x.toml")


class Pot(msgspec.Struct, forbid_unknown_fields=True):
    tea: int = 1
    names: list[str] = []


def test_a_table_is_what_it_should_be() -> None:
    assert converted({"tea": 2}, Pot, path=Path("x.toml"), at="$.pots.big") == Pot(2)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"coffee": 1}, "x.toml: `$.pots.big.coffee` is no setting."),
        ({"tea": "green"}, "x.toml: `$.pots.big.tea`: Expected `int`, got `str`."),
        ({"names": ["a", 1]}, "x.toml: `$.pots.big.names[1]`: Expected `str`, got `int`."),
        (3, "x.toml: `$.pots.big`: Expected `object`, got `int`."),
    ],
)
def test_a_mistake_is_named_by_its_path(table: object, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        converted(table, Pot, path=Path("x.toml"), at="$.pots.big")
    assert caught.value.message == said
    assert caught.value.hint == "docs/settings.md lists every setting."


def test_a_private_file_is_as_it_should_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "x"
    file.touch(0o600)
    check_mode(file, [SECRET])
    file.chmod(0o644)
    check_mode(file, ["", None])
    assert caplog.records == []


def test_our_own_file_that_others_can_read_is_worth_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    env = tmp_path / ".env"
    env.write_text(f"Session_Id={SECRET}\n")
    env.chmod(0o644)
    read_names(tmp_path, {}, {})
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.messages == [f"{env} holds secrets and can be read by others; chmod 600 makes it private"]


def test_somebody_elses_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(f"REALCOZE_KEY={SECRET}\n")
    env.chmod(0o604)
    foreign(env)
    with pytest.raises(Misconfigured, match="belongs to somebody else") as caught:
        read_names(tmp_path, {}, {})
    assert caught.value.hint == "Make it yours and private: chown $USER .env && chmod 600 .env"
    env.chmod(0o600)
    assert read_names(tmp_path, {}, {}) == {"realcoze_key": SECRET}


def test_a_secret_that_cannot_be_read_is_told_by_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"The file of a private key, .*nothing, cannot be read"):
        read_secret(tmp_path / "nothing", what="a private key")
    path = tmp_path / "secret"
    path.write_text(f"\ufeff {SECRET}\n")
    path.chmod(0o600)
    assert read_secret(path, what="a token") == SECRET


def test_how_a_name_is_spelled_in_the_env_file_is_told_without_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert spelled_in_env(tmp_path, "realcoze_key") == ""
    (tmp_path / ".env").write_text(f"Realcoze_Key={SECRET}\nproxy\n")
    assert spelled_in_env(tmp_path, "realcoze_key") == "Realcoze_Key"
    assert spelled_in_env(tmp_path, "proxy") == ""
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("line", "is_read"),
    [
        ("KEY=a1", True),
        ("export KEY=a1", True),
        ("KEY='a $1'", True),
        ('KEY="a 1"  # ours', True),
        ("KEY=old\nKEY=a1", True),
        ("KEY = a1", False),
        ("KEY =a1", False),
        ("KEY= a1", False),
        ("KEY=a 1", False),
        ('KEY="a$1"', False),
        ("KEY=a$1", False),
        ("KEY=a1\r", False),
        ("KEY=old\nKEY = a1", False),
        ("\ufeffKEY=a1", False),
        ("KEYS=a1", False),
    ],
)
def test_which_lines_a_shell_reads_as_we_do(tmp_path: Path, line: str, *, is_read: bool) -> None:
    assert not a_shell_reads(tmp_path, "KEY")
    (tmp_path / ".env").write_bytes(f"a=1\n{line}\n".removeprefix("a=1\n" if "\ufeff" in line else "").encode())
    assert a_shell_reads(tmp_path, "KEY") is is_read


@pytest.mark.parametrize(
    ("name", "path"), [("a/b", "here/a/b"), ("/a", "/a"), ("~/a", "/home/ada/a"), ("~", "/home/ada"), ("a~", "here/a~")]
)
def test_a_path_counts_from_its_folder_unless_it_says_otherwise(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert path_in(Path("here"), name) == Path(path)


def test_somebody_who_has_no_folder_is_told() -> None:
    with pytest.raises(Misconfigured, match="Which folder `~` is"):
        path_in(Path("here"), "~nobody-of-this-name/a")
