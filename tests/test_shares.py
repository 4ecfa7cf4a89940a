import anyio
import pytest

from realcoze.domain.ids import CallerId
from realcoze.errors import Overloaded
from realcoze.shares import RETRY_AFTER_S, Shares

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("nothing_left")]


def shares(*, wait_s: float = 0.05) -> Shares:
    return Shares(3, share=2, wait_s=wait_s, what="files are being read", hint="Wait.")


async def refusal(of: Shares, caller: str) -> Overloaded:
    with pytest.raises(Overloaded) as refused:
        async with of.place(CallerId(caller)):
            raise AssertionError("there was a place")
    return refused.value


async def test_one_caller_has_a_share_and_all_have_the_rest() -> None:
    ours = shares()
    async with ours.place(CallerId("one")), ours.place(CallerId("one")):
        error = await refusal(ours, "one")
        assert error.message == "2 files are being read for one caller, and no place was free for 0.05 seconds."
        assert (error.hint, error.retry_after_s) == ("Wait.", RETRY_AFTER_S)
        async with ours.place(CallerId("another")):
            assert (await refusal(ours, "a third")).message.startswith("3 files are being read, and")
    async with ours.place(CallerId("one")):
        pass


async def test_who_has_no_name_may_have_all() -> None:
    ours, nobody = shares(), CallerId("")
    async with ours.place(nobody), ours.place(nobody), ours.place(nobody):
        assert (await refusal(ours, "")).message.startswith("3 files are being read, and")


async def test_who_waits_is_next() -> None:
    ours, waited = shares(wait_s=60), anyio.Event()

    async def wait() -> None:
        async with ours.place(CallerId("one")):
            waited.set()

    async with anyio.create_task_group() as tasks:
        async with ours.place(CallerId("one")), ours.place(CallerId("one")):
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert not waited.is_set()
        await waited.wait()
