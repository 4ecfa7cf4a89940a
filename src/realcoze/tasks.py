"""Tasks beside a block of code.  Below everything that runs tasks; above only anyio."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


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
