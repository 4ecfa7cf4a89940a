import pytest

from realcoze.domain.ids import BotName
from realcoze.errors import NotFound
from realcoze.gateway.route import MOST_TOLD, ONLY_BOT, Onward, Routes, can_be_found, can_be_name
from servers import Failing

CAT, DOG = Failing(), Failing()
BOTS = {BotName("cat"): CAT, BotName("dog"): DOG}


def test_a_name_of_the_table_is_that_bot() -> None:
    assert Routes(BOTS).route(BotName("dog")) == ("dog", DOG)


def test_no_name_is_the_first_bot() -> None:
    assert Routes(BOTS).route(BotName("")) == ("cat", CAT)


@pytest.mark.parametrize("name", ["bird", "Cat", " cat", "coze", "cat\n"])
def test_any_other_name_is_not_found_and_the_names_are_listed(name: str) -> None:
    with pytest.raises(NotFound) as caught:
        Routes(BOTS).route(BotName(name))
    assert caught.value.code == "model_not_found"
    assert caught.value.hint == "The bots here are: cat, dog."


def test_a_long_name_is_not_repeated_in_full() -> None:
    with pytest.raises(NotFound) as caught:
        Routes(BOTS).route(BotName("x" * 10_000))
    assert len(caught.value.message) < 200


def test_without_a_table_every_name_reaches_the_only_bot() -> None:
    routes = Routes({ONLY_BOT: CAT}, catches_all=True)
    for name in ("", "coze", "gpt-4o", "claude"):
        assert routes.route(BotName(name)) == ("coze", CAT)


@pytest.mark.parametrize("catches_all", [False, True])
def test_a_bots_id_is_a_name_where_an_upstream_takes_any(*, catches_all: bool) -> None:
    routes = Routes(BOTS, catches_all=catches_all, any_bot=DOG)
    assert routes.route(BotName("bot-7379462189365198898")) == ("bot-7379462189365198898", DOG)
    for name in ("workflow/7379462189365198898", "chatflow/7379462189365198898"):
        assert routes.route(BotName(name)) == (name, DOG)
    named = {BotName("bot-1"): CAT}
    assert Routes(named, any_bot=DOG).route(BotName("bot-1")) == ("bot-1", CAT)


@pytest.mark.parametrize(
    "name", ["bot-", "bot-x", "bot-1/../2", "bot-" + "1" * 21, "Bot-1", "bot-１", "workflow/", "chatflow/x"]
)
def test_what_is_no_id_is_no_such_name(name: str) -> None:
    with pytest.raises(NotFound):
        Routes(BOTS, any_bot=DOG).route(BotName(name))


@pytest.mark.parametrize("catches_all", [False, True])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("7379462189365198898", "To name a bot by its id, write bot-7379462189365198898."),
        ("bot-atri", "After bot- comes the bot's id, the number behind /bot/ in the address of its page."),
        ("workflow/", "After workflow/ comes an id, the number behind workflow_id= in the address of its page."),
        ("chatflow/a", "After chatflow/ comes an id, the number behind workflow_id= in the address of its page."),
    ],
)
def test_who_writes_an_id_wrong_is_not_answered_by_another_bot(name: str, hint: str, *, catches_all: bool) -> None:
    with pytest.raises(NotFound) as caught:
        Routes(BOTS, catches_all=catches_all, any_bot=DOG).route(BotName(name))
    assert (caught.value.code, caught.value.hint) == ("model_not_found", hint)
    assert Routes(BOTS, catches_all=True).route(BotName(name)) == ("cat", CAT)
    assert Routes({BotName(name): CAT}, any_bot=DOG).route(BotName(name)) == (name, CAT)


def test_a_short_number_is_a_name_like_any_other() -> None:
    assert Routes(BOTS, catches_all=True, any_bot=DOG).route(BotName("42")) == ("cat", CAT)


@pytest.mark.parametrize("name", ["", "cat", "gpt-4o", " cat", "x" * 10_000])
def test_onward_every_name_is_passed_on_as_it_is(name: str) -> None:
    assert Onward(CAT).route(BotName(name)) == (name, CAT)


def test_onward_no_bot_is_known_here() -> None:
    assert Onward(CAT).bots == ()


def test_an_alias_reaches_its_bot_under_the_bots_own_name() -> None:
    aliases = {BotName("claude-dog"): BotName("dog"), BotName("bot-7"): BotName("cat")}
    routes = Routes(BOTS, any_bot=DOG, aliases=aliases)
    assert routes.route(BotName("claude-dog")) == ("dog", DOG)
    assert routes.route(BotName("bot-7")) == ("cat", CAT)


def test_what_goes_onward_has_no_aliases() -> None:
    assert Onward(CAT).aliases == {}


def test_a_name_stands_in_the_settings_if_it_is_of_the_table_an_alias_or_none() -> None:
    routes = Routes(BOTS, any_bot=DOG, aliases={BotName("pet"): BotName("dog")})
    assert [routes.has(BotName(name)) for name in ("cat", "pet", "", "bird", "bot-7")] == [True] * 3 + [False] * 2
    assert not Routes({}).has(BotName(""))
    assert Onward(CAT).has(BotName("bird"))


def test_other_names_are_listed_after_those_of_the_table_and_a_long_list_is_cut() -> None:
    with pytest.raises(NotFound) as caught:
        Routes(BOTS).route(BotName("bird"), others=[BotName("guide")])
    assert caught.value.hint == "The bots here are: cat, dog, guide."
    with pytest.raises(NotFound) as caught:
        Routes({}).route(BotName(""), others=[BotName(str(number)) for number in range(MOST_TOLD + 1)])
    assert str(caught.value.hint).endswith(f", {MOST_TOLD - 1}, …")


@pytest.mark.parametrize("catches_all", [False, True])
@pytest.mark.parametrize("name", ["", "bird"])
def test_where_no_bot_is_known_every_name_is_not_found(name: str, *, catches_all: bool) -> None:
    with pytest.raises(NotFound) as caught:
        Routes({}, catches_all=catches_all).route(BotName(name))
    assert "None is known here" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["Guide", "旅行 助手", "42", "a/b", "x" * 200])
def test_what_people_call_a_bot_can_be_its_name(name: str) -> None:
    assert can_be_name(BotName(name))


@pytest.mark.parametrize(
    "name", ["", " Guide", "Guide ", "a\nb", "x" * 201, "bot-7", "workflow/x", "7379462189365198898", "\ud800"]
)
def test_what_cannot_be_written_or_looks_like_an_id_cannot(name: str) -> None:
    assert not can_be_name(BotName(name))


def test_what_looks_like_no_name_and_no_id_can_be_nowhere() -> None:
    for name in ("", "bird", "bot-1", "42"):
        assert can_be_found(BotName(name)), name
    for name in ("bot-", "bot-x", "workflow/1", "chatflow/1", "7379462189365198898", " bird"):
        assert not can_be_found(BotName(name)), name


def test_who_catches_all_is_the_first_bot_where_one_does() -> None:
    assert Routes(BOTS, catches_all=True).catch_all == "cat"
    assert Routes(BOTS).catch_all is None
    assert Onward(CAT).catch_all is None
