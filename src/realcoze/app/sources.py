"""Where settings are read from: the environment, `.env`, `realcoze.toml`; not what they mean.

A file with secrets that others can read is worth a warning if it is ours, and is refused if it is
somebody else's.
"""

import io
import logging
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from dotenv import dotenv_values

from realcoze.errors import Misconfigured

log = logging.getLogger(__name__)

T = TypeVar("T")

_SECRETS = ("session_id", "realcoze_key", "coze_api_token", "coze_jwt_oauth_private_key")
_ALIASES = {"tmp_path": "temp_path"}
"""The Node program's example said one, its code read the other."""

_SHELL_VALUE = r"""(?:[\w.+/:@%,=-]+|"[\w.+/:@%,= -]+"|'[^']+')(?:[ \t]+#.*|[ \t]*)"""
"""What a shell and dotenv read alike; a carriage return would be part of it for the one only."""

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")


def path_in(folder: Path, name: str) -> Path:
    """A path of the settings: it counts from `folder`, and `~` is the user's own.  Raises `Misconfigured`."""
    try:
        return folder / Path(name).expanduser()
    except RuntimeError as error:
        raise Misconfigured(f"Which folder `~` is in {name[:80]!r} is not known.", hint="Write it out.") from error


def read_names(folder: Path, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> dict[str, str]:
    """The flat names in lower case: of `.env`, over them the environment's, over them the command line's."""
    sources = (
        _read_env(folder / ".env"),
        environment,
        {name: str(value) for name, value in overrides.items() if value is not None},
    )
    names: dict[str, str] = {}
    for source in sources:
        lower = {name.lower(): value for name, value in source.items()}
        names |= {_ALIASES[name]: value for name, value in lower.items() if name in _ALIASES}
        names |= lower
    return names


def spelled_in_env(folder: Path, name: str) -> str:
    """How `.env` writes a name of ours, in whatever letter case; empty where it does not stand there."""
    found = [each for each in _values(folder / ".env") if each.lower() == name]
    return found[-1] if found else ""


def a_shell_reads(folder: Path, spelled: str) -> bool:
    """Whether a shell takes the line of `.env` with this name as we do: spaces around `=` are an error to it."""
    name = rf"[ \t]*(?:export[ \t]+)?{re.escape(spelled)}"
    lines = [line for line in _text(folder / ".env").split("\n") if re.match(rf"{name}\b", line)]
    return bool(lines) and re.fullmatch(rf"{name}={_SHELL_VALUE}", lines[-1]) is not None


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.  Raises `Misconfigured`."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is no TOML: {error}.") from error


def read_secret(path: Path, *, what: str) -> str:
    """A secret from a file that holds nothing else; `what` is for the error.  Raises `Misconfigured`."""
    try:
        secret = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"The file of {what}, {path}, cannot be read: {error}.") from error
    check_mode(path, [secret])
    return secret


def converted(value: object, kind: type[T], *, path: Path, at: str) -> T:
    """A value of a TOML file as what it should be; `at` is where it stands, like `$.server`.

    Raises `Misconfigured`, which names the very setting: msgspec's own paths say `[...]` for the
    name of a table.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        said, _, inner = str(error).partition(" - at `$")
        at += inner.rstrip("`")
        unknown = _UNKNOWN.fullmatch(said)
        what = f"`{at}.{unknown[1]}` is no setting" if unknown else f"`{at}`: {said}"
        raise Misconfigured(f"{path}: {what}.", hint="docs/settings.md lists every setting.") from error


def shortened(value: str, most: int = 40) -> str:
    """A value of a setting, quoted, for an error."""
    return repr(value) if len(value) <= most else f"{value[:most]!r}…"


def check_mode(path: Path, secrets: Iterable[str | None]) -> None:
    """Look at who can read a file that holds these secrets, if there are any."""
    if not any(secrets):
        return
    found = path.stat()
    if not stat.S_IMODE(found.st_mode) & (stat.S_IRGRP | stat.S_IROTH):
        return
    if found.st_uid != os.getuid():
        raise Misconfigured(
            f"{path} holds secrets, can be read by others and belongs to somebody else.",
            hint=f"Make it yours and private: chown $USER {path.name} && chmod 600 {path.name}",
        )
    log.warning("%s holds secrets and can be read by others; chmod 600 makes it private", path)


def _read_env(path: Path) -> dict[str, str]:
    values = _values(path)
    check_mode(path, [value for name, value in values.items() if name.lower() in _SECRETS])
    return values


def _values(path: Path) -> dict[str, str]:
    found = dotenv_values(stream=io.StringIO(_text(path).removeprefix("\ufeff")), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _text(path: Path) -> str:
    """As it stands there, with the mark that some editors begin a file with; empty without a file."""
    if not path.is_file():
        return ""
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path} is not UTF-8: {error.reason}.") from error
