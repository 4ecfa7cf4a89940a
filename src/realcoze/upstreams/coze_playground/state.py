"""Two small files of ours: the device id of a worker, the launch data of an account.

Both are written whole (a temporary file, then a rename) with mode 0600 in a folder of mode 0700.
A file that cannot be read counts as absent; one that cannot be written is a warning, not a failure.
"""

import contextlib
import logging
import os
import tempfile
from pathlib import Path

import msgspec

from realcoze.dialects.coze_playground.launch import Launch
from realcoze.dialects.json_text import NotJson, read_json

log = logging.getLogger(__name__)


class _SavedLaunch(msgspec.Struct):
    saved_at: float
    launch: Launch


_SAVED_LAUNCH = msgspec.json.Decoder(_SavedLaunch)


def load_device_id(folder: Path, worker: str) -> str | None:
    """The worker's device id, decimal digits, or None when it has none yet."""
    text = _read(_device_path(folder, worker)).decode(errors="replace").strip()
    return text if text.isascii() and text.isdigit() else None


def save_device_id(folder: Path, worker: str, device_id: str) -> None:
    _write(_device_path(folder, worker), device_id.encode())


def load_launch(folder: Path, account: str, *, now: float, lifetime_s: float) -> Launch | None:
    """Launch data that is younger than `lifetime_s`; `now` is Unix time in seconds."""
    try:
        saved = read_json(_read(_launch_path(folder, account)), _SAVED_LAUNCH)
    except NotJson:
        return None
    return saved.launch if 0 <= now - saved.saved_at < lifetime_s else None


def save_launch(folder: Path, account: str, launch: Launch, *, now: float) -> None:
    _write(_launch_path(folder, account), msgspec.json.encode(_SavedLaunch(now, launch)))


def drop_launch(folder: Path, account: str) -> None:
    """Forget it: the key in it was refused."""
    with contextlib.suppress(OSError):
        _launch_path(folder, account).unlink()


def _device_path(folder: Path, worker: str) -> Path:
    return folder / f"device-{worker}"


def _launch_path(folder: Path, account: str) -> Path:
    return folder / f"launch-{account}.json"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(path: Path, content: bytes) -> None:
    temporary: Path | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # mkstemp makes the file with mode 0600.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        temporary.replace(path)
    except OSError as error:
        log.warning("%s cannot be written (%s); going on without it", path, error.strerror)
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
