"""Time as a test wants it."""


class Clock:
    """Called for the time, in seconds; it goes by when `now` is set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
