import json
import re

import pytest

from realcoze.emulator.account import BOTS, EmulatedBot
from realcoze.emulator.open_api.personality import CozeCom, Refused, is_number
from realcoze.emulator.open_api.studio import Studio

COZE = CozeCom()


def test_a_call_has_a_name_of_its_time_and_chance() -> None:
    names = {COZE.new_logid() for _ in range(10)}
    assert len(names) == 10
    assert all(re.fullmatch(r"20\d{12}[0-9A-F]{18}", name) for name in names)


@pytest.mark.parametrize(("code", "status"), [(4000, 200), (4016, 200), (4020, 429), (4028, 200), (4100, 401)])
def test_the_status_of_a_refusal(code: int, status: int) -> None:
    reply = COZE.refusal("/v3/chat", Refused(code, "no"), "log")
    assert (reply.status, json.loads(reply.body)) == (status, {"code": code, "msg": "no", "detail": {"logid": "log"}})


def test_an_answer_without_data_has_none() -> None:
    assert json.loads(COZE.success(None, "log").body) == {"code": 0, "msg": "", "detail": {"logid": "log"}}
    assert json.loads(COZE.success({"a": 1}, "log", name="message").body)["message"] == {"a": 1}


def test_an_empty_page_has_all_three_marks() -> None:
    told = json.loads(COZE.message_page([], False, "log").body)
    assert (told["first_id"], told["last_id"], told["has_more"], told["data"]) == ("", "", False, [])


@pytest.mark.parametrize("bot", BOTS, ids=lambda bot: bot.name)
def test_only_one_bot_has_plugins_in_either_personality(bot: EmulatedBot) -> None:
    for personality in (COZE, Studio()):
        told = personality.bot(bot, 5)
        assert bool(told["plugin_info_list"]) == (told["name"] == "tools")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("7", True), ("0", True), ("", False), ("x", False), ("-1", False), ("²", False), ("9" * 20, False)],
)
def test_an_id_is_a_number(text: str, verdict: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_number(text) == verdict
