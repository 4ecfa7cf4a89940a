import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from realcoze.dialects.openai_responses.building import (
    BUILT_ON,
    REFERENCE_BYTES,
    REFERRED_BYTES,
    Building,
    begin_building,
    response_id_of,
)
from realcoze.dialects.openai_responses.kept import Record
from realcoze.errors import BadRequest, NotFound, TooLarge


def items(*ids: str, **more: Any) -> list[msgspec.Raw]:
    return [msgspec.Raw(json.dumps({"id": each, **more}).encode()) for each in ids]


def record(*sent: str, output: str, status: str = "completed", **more: Any) -> Record:
    response = {"status": status, "background": False, "output": [{"id": output}]}
    return Record(msgspec.Raw(json.dumps(response).encode()), items(*sent, **more))


FIRST = record("msg_aa8001", output="msg_aa0001")
SECOND = record("msg_aa8001", "msg_aa0001", "msg_bb8001", output="msg_bb0001")


def begun(asked: Any, **members: Any) -> Building:
    return begin_building(json.dumps({"input": asked, **members}).encode())


def references(*ids: str | None) -> list[Any]:
    return [{"type": "item_reference", "id": each} for each in ids]


def given(building: Building, records: Mapping[str, Record]) -> list[str]:
    """Which were wanted."""
    wanted = []
    while (each := building.wanted) is not None:
        wanted.append(each)
        building.add(each, records.get(each))
    return wanted


def ids_of(sent: list[msgspec.Raw]) -> list[Any]:
    return [json.loads(bytes(each)).get("id") for each in sent]


def test_a_request_that_says_everything_builds_on_nothing() -> None:
    for building in (begun("Hi"), begun([{"role": "user", "content": "Hi"}]), begun([])):
        assert (building.is_needed, building.wanted) == (False, None)
        assert building.said().earlier == []
    assert json.loads(bytes(begun("Hi").said().new[0])) == {"role": "user", "content": "Hi"}


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b'{"input": 1}', b'{"previous_response_id": 1}', b"\xff"])
def test_a_request_that_cannot_be_read_builds_on_nothing(sent: bytes) -> None:
    """`decode_request` says what is wrong with it."""
    assert not begin_building(sent).is_needed


def test_a_request_goes_on_with_all_of_a_response() -> None:
    building = begun("And?", previous_response_id="resp_bb")
    assert given(building, {"resp_bb": SECOND}) == ["resp_bb"]
    assert ids_of(building.said().earlier) == ["msg_aa8001", "msg_aa0001", "msg_bb8001", "msg_bb0001"]


def test_a_reference_is_the_item_that_it_names() -> None:
    """So the history is sent by programs on Vercel's AI SDK: one record has all of it."""
    names = ["msg_aa8001", "msg_aa0001", "msg_bb8001", "msg_bb0001", "msg_bb0001"]
    building = begun([*references(*names), {"role": "user", "content": "Who am I?"}])
    assert given(building, {"resp_aa": FIRST, "resp_bb": SECOND}) == ["resp_bb"]
    assert ids_of(building.said().new) == [*names, None]


def test_records_are_wanted_until_all_items_are_found() -> None:
    building = begun(references("msg_aa0001", "msg_cc0001"), previous_response_id="resp_bb")
    alone = record(output="msg_cc0001")
    assert given(building, {"resp_aa": FIRST, "resp_bb": SECOND, "resp_cc": alone}) == ["resp_bb", "resp_cc"]
    building = begun(references("msg_aa0001", "msg_cc0001"))
    assert given(building, {"resp_aa": FIRST, "resp_cc": alone}) == ["resp_cc", "resp_aa"]
    assert ids_of(building.said().new) == ["msg_aa0001", "msg_cc0001"]


@pytest.mark.parametrize("item_id", ["msg_aa0002", "msg_cc0001", "msg", "", None])
def test_a_reference_to_what_is_not_kept_is_not_found(item_id: str | None) -> None:
    building = begun(references(item_id))
    given(building, {"resp_aa": FIRST})
    with pytest.raises(NotFound, match="Item with id"):
        building.said()


def test_what_is_not_kept_cannot_be_gone_on_with() -> None:
    building = begun("Hi", previous_response_id="resp_aa")
    assert given(building, {}) == ["resp_aa"]
    with pytest.raises(NotFound, match="Previous response with id 'resp_aa' not found") as caught:
        building.said()
    assert caught.value.code == "previous_response_not_found"


def test_what_came_to_nothing_cannot_be_gone_on_with() -> None:
    building = begun("Hi", previous_response_id="resp_aa")
    given(building, {"resp_aa": record(output="msg_aa0001", status="failed")})
    with pytest.raises(BadRequest, match="'resp_aa' is failed"):
        building.said()


def test_a_request_needs_so_many_records_and_no_more() -> None:
    names = [f"msg_{number:x}0001" for number in range(BUILT_ON + 1)]
    assert len(given(begun(references(*names[1:])), {})) == BUILT_ON
    with pytest.raises(BadRequest, match=f"more than {BUILT_ON}"):
        given(begun(references(*names)), {})


def test_the_same_item_is_put_in_so_often_and_no_more() -> None:
    long = record("msg_aa8001", output="msg_aa0001", text="x" * (REFERRED_BYTES // 4))
    for times, is_fine in ((3, True), (4, False)):
        building = begun(references(*["msg_aa8001"] * times))
        given(building, {"resp_aa": long})
        if is_fine:
            assert len(building.said().new) == times
        else:
            with pytest.raises(TooLarge, match="more than 1 MiB"):
                building.said()


def test_what_is_too_long_for_a_reference_is_none() -> None:
    long = {"type": "item_reference", "id": "msg_aa0001", "more": "x" * REFERENCE_BYTES}
    building = begun([long])
    assert not building.is_needed
    assert json.loads(bytes(building.said().new[0])) == long


def test_an_item_is_of_the_response_that_its_id_holds() -> None:
    assert response_id_of("msg_aa8001") == "resp_aa"
    assert response_id_of("none") == ""
