import msgspec
import pytest

from realcoze.dialects.coze_open.payload import is_whole, read_payload
from realcoze.errors import UpstreamFailed
from realcoze.framing.sse import ServerSentEvent

DECODER = msgspec.json.Decoder(dict[str, str])


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b'{"a": "b"}', {"a": "b"}),
        (b'{"a": "\\ud83d"}', {"a": "\ufffd"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
    ],
)
def test_what_can_be_made_out_is_read(data: bytes, read: dict[str, str]) -> None:
    assert read_payload(ServerSentEvent("x", data), DECODER) == read


@pytest.mark.parametrize("data", [b"", b"nonsense", b'{"a": 1}', b"[" * 100_000])
def test_what_cannot_is_an_error_that_names_the_event(data: bytes) -> None:
    with pytest.raises(UpstreamFailed, match=r"^An event x cannot be read: ") as caught:
        read_payload(ServerSentEvent("x", data), DECODER)
    assert caught.value.code == "upstream_protocol"


def test_what_an_end_of_input_may_have_cut_off_is_told_from_what_is_whole() -> None:
    said = ("{}", "1", "[DONE]", '{"a":', "[DON", "")
    assert [data for data in said if is_whole(data)] == ["{}", "1", "[DONE]"]
