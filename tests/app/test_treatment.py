import pytest

from realcoze.app.treatment import aliases_of, check_background, check_name, policy_for_bot, policy_for_draft
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.instructions import Parameter, Policy, Variable
from realcoze.upstreams.coze_open.settings import Kind

CAT, DOG = BotName("cat"), BotName("dog")


def test_every_alias_reaches_its_bot() -> None:
    found = aliases_of({CAT: ["claude-cat", "gpt-4o"], DOG: ["claude-dog"]})
    assert found == {"claude-cat": CAT, "gpt-4o": CAT, "claude-dog": DOG}


@pytest.mark.parametrize(
    ("cats", "dogs", "said"),
    [
        (["x"], ["x"], "The bot 'dog' has the alias 'x', and that is the bot 'cat' already."),
        (["x", "x"], [], "The bot 'cat' has the alias 'x', and that is the bot 'cat' already."),
        (["dog"], [], "The bot 'cat' has the alias 'dog', and that is the bot 'dog' already."),
        ([""], [], "The bot 'cat' has the alias '', and that is no name."),
    ],
)
def test_a_name_reaches_one_bot(cats: list[str], dogs: list[str], said: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        aliases_of({CAT: cats, DOG: dogs})
    assert refusal.value.message == said
    assert refusal.value.hint


@pytest.mark.parametrize("background", ["local", "pass", "dog", "claude-dog"])
def test_background_requests_are_answered_here_or_by_a_bot_that_there_is(background: str) -> None:
    check_background(CAT, background, [CAT, DOG, "claude-dog"])


@pytest.mark.parametrize("background", ["", "Local", "bird"])
def test_background_requests_are_answered_by_nobody_else(background: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        check_background(CAT, background, [CAT, DOG])
    assert repr(background) in refusal.value.message
    assert "cat, dog" in (refusal.value.hint or "")


@pytest.mark.parametrize(
    ("text", "kind", "policy"),
    [
        ("", "bot", "prefix"),
        ("", "chatflow", "prefix"),
        ("", "workflow", "drop"),
        ("prefix", "bot", "prefix"),
        ("prefix", "chatflow", "prefix"),
        ("drop", "bot", "drop"),
        ("drop", "workflow", "drop"),
        ("variable:persona", "bot", Variable(name="persona")),
        (" variable: my persona ", "bot", Variable(name="my persona")),
        ("variable:persona", "chatflow", Parameter(name="persona")),
        ("variable:persona", "workflow", Parameter(name="persona")),
    ],
)
def test_where_instructions_go_on_the_open_api(text: str, kind: Kind, policy: Policy) -> None:
    assert policy_for_bot(CAT, text, kind) == policy


@pytest.mark.parametrize("text", ["Prefix", "variable", "variable:", "variable: ", "persona"])
def test_there_is_no_other_way_for_instructions(text: str) -> None:
    with pytest.raises(Misconfigured) as of_bot:
        policy_for_bot(CAT, text, "bot")
    with pytest.raises(Misconfigured) as of_draft:
        policy_for_draft(CAT, text)
    for refusal in (of_bot, of_draft):
        assert repr(text) in refusal.value.message
        assert "variable:" in (refusal.value.hint or "")


def test_a_workflow_has_no_history_for_a_prefix() -> None:
    with pytest.raises(Misconfigured, match="is a workflow"):
        policy_for_bot(CAT, "prefix", "workflow")


def test_the_playground_has_no_variables() -> None:
    assert [policy_for_draft(CAT, text) for text in ("", "prefix", "drop")] == ["prefix", "prefix", "drop"]
    with pytest.raises(Misconfigured, match="cannot carry variables"):
        policy_for_draft(CAT, "variable:persona")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[2J", "a\u2028b"])
def test_what_no_line_could_hold_is_no_name(name: str) -> None:
    with pytest.raises(Misconfigured, match="is no name of a bot"):
        check_name(name)


@pytest.mark.parametrize("name", ["guide", "a guide", "می‌خواهم", "👩‍💻", "导游"])
def test_a_name_may_be_of_any_language(name: str) -> None:
    check_name(name)
