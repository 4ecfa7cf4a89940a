import json

from realcoze.dialects.coze_playground.execute import config_from, decode_execute, encode_execute
from realcoze.domain.message import say
from realcoze.emulator.account import BOT_OF_ID, BOTS, CHATFLOW, SPACE_ID, WORKFLOW_OF_ID, WORKFLOWS, bot_config


def test_every_bot_has_a_name_and_an_id_of_its_own() -> None:
    assert len({bot.name for bot in BOTS}) == len({bot.bot_id for bot in BOTS}) == len(BOTS) == 8
    assert {bot_id: bot.bot_id for bot_id, bot in BOT_OF_ID.items()} == {bot.bot_id: bot.bot_id for bot in BOTS}


def test_every_workflow_has_a_name_and_an_id_of_its_own() -> None:
    everything = (*WORKFLOWS, CHATFLOW)
    assert len({each.name for each in everything}) == len(WORKFLOW_OF_ID) == 7
    assert not {bot.bot_id for bot in BOTS} & set(WORKFLOW_OF_ID)


def test_a_configuration_is_what_the_bots_page_would_save() -> None:
    """docs/protocol/playground-2024.md §6: each member of work_info is JSON text."""
    for bot in BOTS:
        config = bot_config(bot)
        assert (config["bot_id"], config["space_id"], config["name"]) == (bot.bot_id, SPACE_ID, bot.name)
        for name, value in config["work_info"].items():
            assert isinstance(value, str), name
            if value:
                json.loads(value)


def test_a_configuration_can_be_called_with() -> None:
    for bot in BOTS:
        body = encode_execute(config_from(bot_config(bot)), [say("user", "hello")], device_id="1", push_uuid="u")
        execution = decode_execute(body)
        assert execution.bot_id == bot.bot_id
        assert execution.system_prompt() == bot.prompt
        assert execution.messages() == (say("user", "hello"),)


def test_only_the_slow_bot_is_slow() -> None:
    assert {bot.name: bot.pace for bot in BOTS if bot.pace != 1} == {"slow": 0.1}
