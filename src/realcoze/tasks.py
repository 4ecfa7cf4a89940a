"""Tasks beside a block of code, and work beside the loop.  Below everything that runs tasks; above `leaving.py`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from realcoze.leaving import in_thread

T = TypeVar("T")

LARGE_BYTES = 1 << 20
"""What takes milliseconds to look through: everybody else's streams would stand still as long."""


@asynccontextmanager
async def background_tasks() -> AsyncIterator[TaskGroup]:
    """A task group whose tasks are stopped when the block ends.

    What the block raises comes out as it is, and not in an `ExceptionGroup` as from a plain task
    group; what one of the tasks raises comes in one, and stops the block.  When both raise, the group
    comes, with the block's own error as its cause.
    """
    failure: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            try:
                yield tasks
            except Exception as error:  # noqa: BLE001 - raised below, outside the task group
                failure = error
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if failure is None:
            raise
        raise group from failure
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # it holds this frame, and so all that the block was for


class SharedWork:
    """Work that one task does for all who wait for it; whoever leaves does not stop it, as it runs in `tasks`.

    `work` raises nothing that is not to stop all of `tasks`.
    """

    def __init__(self, tasks: TaskGroup, work: Callable[[], Awaitable[None]]) -> None:
        self._tasks = tasks
        self._work = work
        self._running: anyio.Event | None = None

    def begin(self) -> None:
        """Have it done, unless that is being done, or `tasks` is being closed."""
        if self._running is None and not self._tasks.cancel_scope.cancel_called:
            done = anyio.Event()
            self._tasks.start_soon(self._run, done)
            self._running = done

    async def wait(self) -> None:
        """Return when nobody is at it."""
        if self._running is not None:
            await self._running.wait()

    async def _run(self, done: anyio.Event) -> None:
        try:
            await self._work()
        finally:
            self._running = None
            done.set()


async def aside(work: Callable[[bytes], T], data: bytes) -> T:
    """`work(data)`, in a thread if `data` is large; who is cancelled then leaves when it is done.

    What is done in C, such as to decode JSON, holds up everybody all the same; what is done with it does not.
    """
    if len(data) <= LARGE_BYTES:
        return work(data)
    return await in_thread(partial(work, data))
