import traceback

import pytest

from realcoze.upstreams.credentials import Secret, can_be_cookie, can_be_token


def test_a_secret_shows_itself_to_reveal_only() -> None:
    secret = Secret("s3cret-cookie")
    assert secret.reveal() == "s3cret-cookie"
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}", "{} {!r}".format(*[secret] * 2)):
        assert "s3cret" not in shown


def test_a_secret_is_true_when_there_is_one() -> None:
    assert Secret("x")
    assert not Secret("")


def test_a_traceback_with_the_secret_in_it_does_not_show_it() -> None:
    secret = Secret("s3cret-cookie")
    try:
        raise ValueError(secret)
    except ValueError:
        assert "s3cret" not in traceback.format_exc()


@pytest.mark.parametrize("character", [chr(code) for code in range(0x100)])
def test_what_may_stand_in_a_cookie_and_in_a_token(character: str) -> None:
    is_visible = "!" <= character <= "~"
    assert can_be_cookie(f"a{character}b") == (is_visible and character not in '",;\\')
    assert can_be_token(f"a{character}b") == is_visible


def test_nothing_is_a_cookie_and_no_token() -> None:
    assert can_be_cookie("")
    assert not can_be_token("")
