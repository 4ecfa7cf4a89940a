"""A file that somebody names at the prompt: found, read, and described in one line."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.filesize import decimal

from realcoze.domain.media import Media, media_of
from realcoze.errors import BadRequest, NotFound, TooLarge
from realcoze.faces.terminal.command import spellings
from realcoze.faces.terminal.printable import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """`name` is without its folder."""

    name: str
    data: bytes = field(repr=False)
    media: Media

    @property
    def about(self) -> str:
        """What it is, for people: name, type, pixels, size."""
        size_px = self.media.size_px
        pixels = f", {size_px[0]} × {size_px[1]} pixels" if size_px else ""  # noqa: RUF001 - not the letter
        return f"{one_line(self.name)}: {self.media.content_type}{pixels}, {decimal(len(self.data))}"


def read_file(typed: str, max_bytes: int) -> Attachment:
    """What lies at a path, as it was typed.  Raises a `CallerFault`; may block as long as the disk does."""
    shown = one_line(typed)
    try:
        path, status = _found(typed)
        if stat.S_ISDIR(status.st_mode):
            raise BadRequest(f"{shown} is a folder.", hint="Name a file in it.")
        if not stat.S_ISREG(status.st_mode):
            # A pipe would be waited for, and a device may never end.
            raise BadRequest(f"{shown} is no regular file.")
        if status.st_size > max_bytes:
            raise TooLarge(f"{shown} has {status.st_size} bytes; {max_bytes} is the most.")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise NotFound(f"{shown} cannot be read: {error.strerror}.") from error
    except (RuntimeError, ValueError) as error:
        raise BadRequest(f"{shown} is no name for a file: {str(error).removesuffix('.')}.") from error
    if len(data) > max_bytes:
        raise TooLarge(f"{shown} has more than {max_bytes} bytes.")
    if not data:
        raise BadRequest(f"{shown} is empty.")
    return Attachment(name=path.name, data=data, media=media_of(data, path.name))


def read_picture(typed: str, max_bytes: int) -> Attachment:
    """The same for what must be a picture, by its bytes."""
    attachment = read_file(typed, max_bytes)
    if not attachment.media.is_picture:
        raise BadRequest(
            f"{one_line(typed)} is no picture: its bytes are no PNG, JPEG, GIF, WebP or BMP.",
            hint="/file takes any file.",
        )
    return attachment


def _found(typed: str) -> tuple[Path, os.stat_result]:
    """The first spelling that stands for something.  Raises as the last one does: `OSError` and its like."""
    *others, last = spellings(typed)
    for spelling in others:
        with suppress(OSError, RuntimeError, ValueError):
            return _looked_at(spelling)
    return _looked_at(last)


def _looked_at(spelling: str) -> tuple[Path, os.stat_result]:
    path = Path(spelling).expanduser()
    return path, path.stat()
