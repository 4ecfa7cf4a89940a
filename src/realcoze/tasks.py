"""Tasks beside a block of code, and work beside the loop.  Below everything that runs tasks; above only anyio."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

T = TypeVar("T")

LARGE_BYTES = 1 << 20
"""What takes milliseconds to read: everybody else's streams would stand still as long."""


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
        raise failure


async def aside(work: Callable[[bytes], T], data: bytes) -> T:
    """`work(data)`, in a thread if `data` is large; who is cancelled then leaves when it is done."""
    if len(data) <= LARGE_BYTES:
        return work(data)
    return await anyio.to_thread.run_sync(work, data)
