import logging
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
    state.save_device_id(folder, "0", "44599647")
    assert folder.stat().st_mode & 0o777 == 0o700
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["device-0", f"launch-{ACCOUNT}.json"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    state.save_device_id(tmp_path, "0", "1")
    (tmp_path / "device-0").chmod(0o644)
    state.save_device_id(tmp_path, "0", "22")
    assert (tmp_path / "device-0").read_bytes() == b"22"
    assert (tmp_path / "device-0").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["device-0"]


def test_each_worker_has_a_device_of_its_own(tmp_path: Path) -> None:
    state.save_device_id(tmp_path, "0", "111")
    state.save_device_id(tmp_path, "1", "222")
    assert state.load_device_id(tmp_path, "0") == "111"
    assert state.load_device_id(tmp_path, "1") == "222"
    assert state.load_device_id(tmp_path, "2") is None


@pytest.mark.parametrize("content", [b"", b"\n", b"12a", b"-5", b"\xff\xfe", "١٢".encode(), b"1 2"])
def test_a_device_file_that_holds_no_number_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "device-0").write_bytes(content)
    assert state.load_device_id(tmp_path, "0") is None


def test_a_number_with_a_line_end_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "device-0").write_bytes(b"12345\n")
    assert state.load_device_id(tmp_path, "0") == "12345"


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
    (tmp_path / "device-0").mkdir()
    (tmp_path / f"launch-{ACCOUNT}.json").mkdir()
    assert state.load_device_id(tmp_path, "0") is None
    assert state.load_launch(tmp_path, ACCOUNT, now=2, lifetime_s=60) is None
    state.drop_launch(tmp_path, ACCOUNT)


def test_what_cannot_be_written_is_a_warning_and_leaves_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "device-0").mkdir()
    with caplog.at_level(logging.WARNING):
        state.save_device_id(tmp_path, "0", "1")
    assert "cannot be written" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["device-0"]


def test_a_folder_that_cannot_be_made_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        state.save_launch(tmp_path / "file" / "state", ACCOUNT, LAUNCH, now=0)
    assert "cannot be written" in caplog.text
