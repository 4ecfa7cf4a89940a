from realcoze.emulator.open_api import issued as module
from realcoze.emulator.open_api.issued import Issued


def test_an_access_token_is_good_until_it_dies() -> None:
    issued = Issued()
    token = issued.access_token("czs_", 100)
    assert token.startswith("czs_")
    assert issued.is_good(token, 99)
    assert not issued.is_good(token, 100)
    assert not issued.is_good("czs_other", 0)


def test_a_refresh_token_is_good_once_and_for_its_app() -> None:
    issued = Issued()
    token = issued.refresh_token("1")
    assert not issued.use(token, "2")
    assert issued.use(token, "1")
    assert not issued.use(token, "1")
    assert not issued.use("", "")


def test_all_can_be_ended() -> None:
    issued = Issued()
    tokens = [issued.access_token("czu_", 100) for _ in range(3)]
    issued.end_all()
    assert not any(issued.is_good(token, 0) for token in tokens)


def test_only_so_many_are_remembered() -> None:
    issued = Issued()
    tokens = [(issued.access_token("czs_", 100), issued.refresh_token("1")) for _ in range(module.KEPT + 1)]
    assert [issued.is_good(tokens[at][0], 0) for at in (0, 1)] == [False, True]
    assert [issued.use(tokens[at][1], "1") for at in (0, 1)] == [False, True]
