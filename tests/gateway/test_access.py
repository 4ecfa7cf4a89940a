import hmac

import pytest

from realcoze.errors import Misconfigured, Unauthorized
from realcoze.gateway.access import CALLER_CHARACTERS, KEY_CHARACTERS, Access

KEY, OTHER = "k" * KEY_CHARACTERS, "o" * KEY_CHARACTERS


@pytest.mark.parametrize("presented", [[], [""], ["anything"], ["a", "b"]])
def test_without_a_key_everybody_may_ask(presented: list[str]) -> None:
    access = Access()
    assert access.is_open
    assert access.authenticate(presented) == ""


@pytest.mark.parametrize("presented", [[KEY], [OTHER], [KEY, KEY], (KEY,)])
def test_a_known_key_is_accepted_however_often_it_is_given(presented: list[str]) -> None:
    access = Access([KEY, OTHER])
    assert not access.is_open
    access.authenticate(presented)


def test_a_caller_has_a_name_that_is_not_its_key() -> None:
    access = Access([KEY, OTHER])
    names = [access.authenticate([key]) for key in (KEY, KEY, OTHER)]
    assert names[0] == names[1] != names[2]
    assert {len(name) for name in names} == {CALLER_CHARACTERS}
    assert not any(key in name for name in names for key in (KEY, OTHER))
    assert Access([KEY]).authenticate([KEY]) == names[0]


@pytest.mark.parametrize(
    ("presented", "message"),
    [
        ([], "wants a key"),
        ([""], "not known"),
        (["wrong"], "not known"),
        ([KEY + " "], "not known"),
        ([KEY[:-1]], "not known"),
        ([KEY.upper()], "not known"),
        (["\ud800"], "not known"),
        (["ключ"], "not known"),
        ([KEY, OTHER], "two different keys"),
        ([KEY, "wrong"], "two different keys"),
    ],
)
def test_anything_else_is_refused_and_told_how_to_send_a_key(presented: list[str], message: str) -> None:
    with pytest.raises(Unauthorized, match=message) as caught:
        Access([KEY, OTHER]).authenticate(presented)
    assert caught.value.code == "invalid_api_key"
    assert "Authorization: Bearer" in (caught.value.hint or "")
    assert not any(key in caught.value.message for key in presented if key)


def test_what_is_no_key_may_stand_beside_one() -> None:
    assert Access([KEY]).authenticate([KEY, ""]) == Access([KEY]).authenticate([KEY])
    with pytest.raises(Unauthorized, match="two different keys"):
        Access([KEY, OTHER]).authenticate(["", KEY, OTHER])


@pytest.mark.parametrize("key", ["", "short", "k" * (KEY_CHARACTERS - 1)])
def test_a_key_that_is_too_short_is_no_setting(key: str) -> None:
    with pytest.raises(Misconfigured, match="fewer than 16 characters") as caught:
        Access([KEY, key])
    assert "secrets.token_urlsafe" in (caught.value.hint or "")


def test_keys_are_compared_in_constant_time_and_by_their_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(one: bytes, two: bytes) -> bool:
        compared.append((one, two))
        return compare(one, two)

    monkeypatch.setattr(hmac, "compare_digest", note)
    Access([KEY]).authenticate([KEY])
    assert len(compared) == 1
    assert [len(digest) for digest in compared[0]] == [32, 32]
    assert KEY.encode() not in compared[0]


def test_the_key_itself_is_not_kept() -> None:
    assert KEY not in repr(vars(Access([KEY])))
