import traceback

from realcoze.upstreams.credentials import Secret


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
