"""How many bytes of files may be on their way through this program at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from realcoze.errors import Overloaded


class Room:
    """`size_bytes` for all files together, or what else is held there; one that is larger by itself goes alone."""

    def __init__(self, size_bytes: int, *, what: str = "files") -> None:
        self._size_bytes = size_bytes
        self._what = what
        self._taken = 0

    @contextmanager
    def place(self, size_bytes: int) -> Iterator[None]:
        """Room for a file of this size for as long as the block lasts.  Raises `Overloaded`."""
        if self._taken and self._taken + size_bytes > self._size_bytes:
            raise Overloaded(f"Too many {self._what} are on their way.", hint="Try again shortly.", retry_after_s=1)
        self._taken += size_bytes
        try:
            yield
        finally:
            self._taken -= size_bytes
