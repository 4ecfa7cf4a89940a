"""What becomes of a response as a whole stands in test_responses.py and test_background.py."""

import json
from dataclasses import replace

import msgspec

from realcoze.dialects.openai_responses.request import Asked
from realcoze.domain.fold import Reply
from realcoze.domain.ids import RequestId
from realcoze.domain.message import say
from realcoze.domain.request import Request
from realcoze.faces.openai.draft import Draft
from realcoze.gateway.kept import RECORD_BYTES, Kept
from realcoze.stores.memory import MemoryStore

ASKED = Asked(request=Request(messages=(say("user", "Hi"),)), model="bot", is_kept=True)


def draft(kept: Kept | None) -> Draft:
    return Draft(asked=ASKED, request_id=RequestId("req_1"), created=7, key="k", size_bytes=9, items=[], kept=kept)


async def test_what_is_announced_can_be_found_and_is_stored_then() -> None:
    store = MemoryStore()
    kept = Kept(store)
    one = draft(kept)
    assert one.announce(one.begun("in_progress"))
    assert len(store) == 0
    assert one.announce(one.replied(Reply(text="Hello")))
    await one.keep()
    found = await kept.find("k")
    assert found is not None
    assert (json.loads(found)["response"]["status"], len(store)) == ("completed", 1)


async def test_what_becomes_too_long_is_not_there_any_more() -> None:
    kept = Kept(MemoryStore())
    one = draft(kept)
    assert one.announce(one.begun("in_progress"))
    assert not one.announce(one.replied(Reply(text="x" * RECORD_BYTES)))
    assert await kept.find("k") is None


async def test_who_comes_later_for_what_became_too_long_is_told_so() -> None:
    kept = Kept(MemoryStore())
    one = replace(draft(kept), asked=msgspec.structs.replace(ASKED, is_background=True))
    assert not one.announce(one.replied(Reply(text="x" * RECORD_BYTES)))
    response = json.loads(await kept.find("k") or b"")["response"]
    assert (response["status"], response["output"]) == ("failed", [])
    assert "longer than 1 MiB and was not kept" in response["error"]["message"]


async def test_what_is_withdrawn_is_not_stored() -> None:
    kept = Kept(MemoryStore())
    one = draft(kept)
    one.announce(one.begun("in_progress"))
    one.withdraw()
    await one.keep()
    assert await kept.find("k") is None


async def test_where_nothing_is_kept_nothing_is_announced() -> None:
    one = draft(None)
    assert not one.announce(one.begun("in_progress"))
    one.withdraw()
    await one.keep()
