from realcoze.emulator.account import API_TOKEN
from realcoze.emulator.open_api.settings import SEEN, OpenSeen, OpenSettings, SeenCall, SeenEnd


def test_the_token_is_not_shown() -> None:
    settings = OpenSettings()
    assert settings.token == API_TOKEN
    assert API_TOKEN not in repr(settings)


def test_what_was_seen_stays_in_order_and_is_bounded() -> None:
    seen = OpenSeen()
    call, end = SeenCall("GET", "/v1/bots", {}, b""), SeenEnd("1", "left")
    seen.order += [end, call] * SEEN
    assert len(seen.order) == SEEN
    assert (seen.calls, seen.ends) == ([call] * (SEEN // 2), [end] * (SEEN // 2))
    assert (seen.count("/v1/bots"), seen.count("/v3/chat")) == (SEEN // 2, 0)
