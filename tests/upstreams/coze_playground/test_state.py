import errno
import fcntl
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from realcoze.dialects.coze_playground.launch import Launch
from realcoze.upstreams.coze_playground import state

LAUNCH = Launch(app_key="0123", app_id="513695", product_id="1234", domain="ws://127.0.0.1:1", message_service_id="2")
ACCOUNT = "an-account"


def test_what_was_saved_is_there_for_its_lifetime(tmp_path: Path) -> None:
    state.save_launch(tmp_path, ACCOUNT, LAUNCH, now=1000)
    for now, expected in ((1000, LAUNCH), (1059.9, LAUNCH), (1060, None), (999, None)):
        assert state.load_launch(tmp_path, ACCOUNT, now=now, lifetime_s=60) == expected
    assert state.load_launch(tmp_path, ACCOUNT, now=1000, lifetime_s=0) is None


def test_each_account_has_its_own(tmp_path: Path) -> None:
    state.save_launch(tmp_path, ACCOUNT, LAUNCH, now=0)
    assert state.load_launch(tmp_path, "another", now=1, lifetime_s=60) is None


def test_dropped_launch_data_is_gone(tmp_path: Path) -> None:
    state.save_launch(tmp_path, ACCOUNT, LAUNCH, now=0)
    state.drop_launch(tmp_path, ACCOUNT)
    assert state.load_launch(tmp_path, ACCOUNT, now=1, lifetime_s=60) is None
    state.drop_launch(tmp_path, ACCOUNT)
    assert list(tmp_path.iterdir()) == []


def test_weakness_16_files_are_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "state"
    state.save_launch(folder, ACCOUNT, LAUNCH, now=0)
    with state.device_id(folder, lambda: "44599647"):
        pass
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["device-0", f"launch-{ACCOUNT}.json"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    state.save_launch(tmp_path, ACCOUNT, LAUNCH, now=0)
    file = tmp_path / f"launch-{ACCOUNT}.json"
    file.chmod(0o644)
    state.save_launch(tmp_path, ACCOUNT, LAUNCH, now=1)
    assert state.load_launch(tmp_path, ACCOUNT, now=60.5, lifetime_s=60) == LAUNCH
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def device(folder: Path, rolled: str = "never") -> str:
    """The id that one gets who comes now, and leaves at once."""
    with state.device_id(folder, lambda: rolled) as device_id:
        return device_id


def test_an_id_is_rolled_once_and_kept(tmp_path: Path) -> None:
    assert device(tmp_path, "111") == "111"
    for _ in range(5):
        assert device(tmp_path) == "111"
    assert [file.name for file in tmp_path.iterdir()] == ["device-0"]


def test_nobody_gets_one_that_is_in_use_and_who_comes_later_the_first_that_is_free(tmp_path: Path) -> None:
    with state.device_id(tmp_path, lambda: "111") as first:
        with state.device_id(tmp_path, lambda: "222") as second, state.device_id(tmp_path, lambda: "333") as third:
            assert (first, second, third) == ("111", "222", "333")
        assert device(tmp_path) == "222"
    assert device(tmp_path) == "111"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["device-0", "device-1", "device-2"]


def test_an_id_is_free_again_when_its_program_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nfrom realcoze.upstreams.coze_playground import state\n"
        "with state.device_id(pathlib.Path(sys.argv[1]), lambda: '111') as device_id:\n"
        "    print(device_id, flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "111\n"
        assert device(tmp_path, "222") == "222"
        other.kill()
        other.wait()
        assert device(tmp_path) == "111"


@pytest.mark.parametrize("content", [b"", b"\n", b"12a", b"-5", b"\xff\xfe", "١٢".encode(), b"1 2"])
def test_a_device_file_that_holds_no_number_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "device-0").write_bytes(content)
    assert device(tmp_path, "5") == "5"
    assert (tmp_path / "device-0").read_bytes() == b"5"


def test_a_number_with_a_line_end_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "device-0").write_bytes(b"12345\n")
    assert device(tmp_path) == "12345"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"saved_at": "x"}',
        b'{"saved_at": 1, "launch": {}}',
        b'{"saved_at": 1, "launch": {"frontier_app_key": "\xff"}}',
        b"\xff\xfe\x00",
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_a_launch_file_that_cannot_be_read_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / f"launch-{ACCOUNT}.json").write_bytes(content)
    assert state.load_launch(tmp_path, ACCOUNT, now=2, lifetime_s=60) is None


def test_a_folder_in_the_place_of_a_file_counts_as_absent(tmp_path: Path) -> None:
    (tmp_path / f"launch-{ACCOUNT}.json").mkdir()
    assert state.load_launch(tmp_path, ACCOUNT, now=2, lifetime_s=60) is None
    state.drop_launch(tmp_path, ACCOUNT)


def test_what_cannot_be_written_is_a_warning_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    launch = tmp_path / f"launch-{ACCOUNT}.json"
    launch.mkdir()
    with caplog.at_level(logging.WARNING):
        state.save_launch(tmp_path, ACCOUNT, LAUNCH, now=0)
    assert "cannot be written" in caplog.text
    assert list(tmp_path.iterdir()) == [launch]


@pytest.mark.parametrize("way", ["a folder in its place", "a full disk", "no locks"])
def test_an_id_that_cannot_be_kept_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, way)

    if way == "a folder in its place":
        (tmp_path / "device-0").mkdir()
    else:
        target = (os, "pwrite") if way == "a full disk" else (fcntl, "flock")
        monkeypatch.setattr(*target, fail)
    with caplog.at_level(logging.WARNING):
        assert device(tmp_path, "7") == "7"
    assert "no device id can be kept" in caplog.text


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        state.save_launch(tmp_path / "file" / "state", ACCOUNT, LAUNCH, now=0)
    assert "cannot be written" in caplog.text
