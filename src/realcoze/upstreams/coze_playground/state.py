"""Small files of ours: the device ids of this installation, the launch data of an account.

Device ids are a pool: `device-0`, `device-1`, …, each locked by the one who uses it, for no two may
have the same at once.  Launch data is written whole (a temporary file, then a rename).  All have mode
0600, in a folder of mode 0700.  A file that cannot be read counts as absent; one that cannot be
written is a warning, not a failure.
"""

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from realcoze.dialects.coze_playground.launch import Launch
from realcoze.dialects.json_text import NotJson, read_json

log = logging.getLogger(__name__)


class _SavedLaunch(msgspec.Struct):
    saved_at: float
    launch: Launch


_SAVED_LAUNCH = msgspec.json.Decoder(_SavedLaunch)


@contextmanager
def device_id(folder: Path, roll: Callable[[], str]) -> Iterator[str]:
    """The first device id, decimal digits, that nobody else uses, and nobody will while the block lasts.

    `roll` makes one that is not there yet.  The system frees it when the program dies, however it does.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor = _lock_first(folder)
            stack.callback(os.close, descriptor)
            held = _known(descriptor) or _keep(descriptor, roll())
        except OSError as error:
            log.warning("no device id can be kept in %s (%s); going on without it", folder, error.strerror)
            held = roll()
        yield held


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


def _lock_first(folder: Path) -> int:
    """The descriptor of the first file of the pool that nobody has locked; closing it frees the file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number = 0
    while True:
        descriptor = os.open(folder / f"device-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError):
                raise
        else:
            return descriptor
        number += 1


def _known(descriptor: int) -> str | None:
    text = os.pread(descriptor, 64, 0).decode(errors="replace").strip()
    return text if text.isascii() and text.isdigit() else None


def _keep(descriptor: int, device_id: str) -> str:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, device_id.encode(), 0)
    return device_id


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
