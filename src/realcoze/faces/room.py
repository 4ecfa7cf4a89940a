"""How many bytes of files may be on their way through this program at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from realcoze.errors import Overloaded


class Room:
    """`size_bytes` for all files together; one that is larger by itself goes alone."""

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._taken = 0

    @contextmanager
    def place(self, size_bytes: int) -> Iterator[None]:
        """Room for a file of this size for as long as the block lasts.  Raises `Overloaded`."""
        if self._taken and self._taken + size_bytes > self._size_bytes:
            raise Overloaded("Too many files are on their way.", hint="Try again shortly.", retry_after_s=1)
        self._taken += size_bytes
        try:
            yield
        finally:
            self._taken -= size_bytes
