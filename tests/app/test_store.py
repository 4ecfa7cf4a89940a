from pathlib import Path
from typing import Any

import pytest

from realcoze.app.config import load_settings, require_bots
from realcoze.app.store import FILE_NAME, Store, open_memory
from realcoze.domain.ids import BotName
from realcoze.errors import Misconfigured
from realcoze.gateway.continuity import History
from servers import files

TOKEN = {"COZE_API_TOKEN": "pat_1", "COZE_BOT_ID": "7"}
BOT = BotName("bot")


def _load(folder: Path, toml: str = "", **environment: str) -> Any:
    if toml:
        (folder / "realcoze.toml").write_text(toml)
    settings = load_settings(folder=folder, environment={"HOME": "/home/ada", **environment})
    require_bots(settings)
    return settings


def _history(settings: Any) -> list[History]:
    return [bot.history for bot in settings.bots.values()]


def test_a_bot_replays_unless_it_is_told_to_go_on(tmp_path: Path) -> None:
    assert _history(_load(tmp_path, **TOKEN)) == ["replay"]
    assert _history(_load(tmp_path, **TOKEN, REALCOZE_HISTORY="")) == ["replay"]
    assert _history(_load(tmp_path, **TOKEN, REALCOZE_HISTORY=" Continue ")) == ["continue"]


def test_each_bot_of_a_table_says_it_for_itself(tmp_path: Path) -> None:
    toml = """
    [store]
    kind = "memory"
    path = "here/store.sqlite"
    keep_s = 60
    responses_s = 5
    [bots.one]
    bot_id = "1"
    history = "continue"
    [bots.two]
    chatflow_id = "2"
    history = "continue"
    [bots.three]
    bot_id = "3"
    """
    settings = _load(tmp_path, toml, **TOKEN, REALCOZE_HISTORY="continue")
    assert _history(settings) == ["continue", "continue", "replay"]
    assert settings.store == Store(kind="memory", path=str(tmp_path / "here/store.sqlite"), keep_s=60, responses_s=5)


def test_where_nothing_is_said_of_the_store_it_is_a_file_of_thirty_days(tmp_path: Path) -> None:
    assert _load(tmp_path, **TOKEN).store == Store(kind="sqlite", path="", keep_s=30 * 86400, responses_s=86400)


@pytest.mark.parametrize(
    ("toml", "environment", "said"),
    [
        (
            "",
            {**TOKEN, "REALCOZE_HISTORY": "forever"},
            "REALCOZE_HISTORY is 'forever'. It is one of: replay, continue.",
        ),
        ("[bots.a]\nbot_id = '1'\nhistory = 'on'", TOKEN, "`$.bots.a.history`: Invalid enum value 'on'"),
        ("[store]\nkind = 'redis'", TOKEN, "`$.store.kind`: Invalid enum value 'redis'"),
        ("[store]\nkeep_s = -1", TOKEN, "`$.store.keep_s`: Expected `float` >= 0.0"),
        ("[store]\nfile = 'x'", TOKEN, "`$.store.file` is no setting"),
        ("", {"session_id": "s", "REALCOZE_HISTORY": "continue"}, "the playground keeps no conversations"),
        ("[bots.a]\nworkflow_id = '1'\nhistory = 'continue'", TOKEN, "a workflow has no conversations"),
        (
            "[bots.a]\nbot_id = '1'\nhistory = 'continue'\nprivate = true",
            TOKEN,
            "private = true asks Coze to keep nothing",
        ),
        (
            "[upstreams.coze]\nkind = 'coze_open'\nprivate = true\n[bots.a]\nbot_id = '1'\nhistory = 'continue'",
            TOKEN,
            "private = true asks Coze to keep nothing",
        ),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(
    tmp_path: Path, toml: str, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        _load(tmp_path, toml, **environment)
    told = f"{caught.value.message} {caught.value.hint}"
    assert said in told
    if "history = " in caught.value.message:
        assert 'Leave it at history = "replay"' in told


def test_a_bot_may_go_on_in_an_account_that_is_private_otherwise(tmp_path: Path) -> None:
    toml = """
    [upstreams.coze]
    kind = "coze_open"
    private = true
    [bots.a]
    bot_id = "1"
    history = "continue"
    private = false
    """
    assert _history(_load(tmp_path, toml, **TOKEN)) == ["continue"]


@pytest.mark.parametrize(
    ("store", "history", "file"),
    [
        (Store(), "continue", FILE_NAME),
        (Store(), "replay", None),
        (Store(kind="memory"), "continue", None),
    ],
)
async def test_a_file_is_made_only_for_a_bot_that_goes_on(
    tmp_path: Path, store: Store, history: History, file: str | None
) -> None:
    async with open_memory(store, {BOT: history}, tmp_path / "state"):
        pass
    assert [path.name for path in files(tmp_path / "state")] == ([file] if file else [])


@pytest.mark.parametrize("history", ["continue", "replay"])
async def test_the_file_may_be_another_and_is_made_where_it_is_named(tmp_path: Path, history: History) -> None:
    store = Store(path=str(tmp_path / "mine.db"))
    async with open_memory(store, {BOT: history}, tmp_path / "state"):
        pass
    assert [path.name for path in files(tmp_path)] == ["mine.db"]


@pytest.mark.parametrize("store", [Store(), Store(kind="memory"), Store(path="mine.db")])
async def test_responses_are_kept_wherever_places_are(tmp_path: Path, store: Store) -> None:
    store.path = str(tmp_path / store.path) if store.path else ""
    async with open_memory(store, {BOT: "replay"}, tmp_path / "state") as memory:
        assert memory.kept is not None
        memory.kept.announce("key", b"1")
        await memory.kept.keep("key")
        assert await memory.kept.find("key") == b"1"
    async with open_memory(store, {BOT: "replay"}, tmp_path / "state") as memory:
        assert memory.kept is not None
        assert await memory.kept.find("key") == (b"1" if store.path else None)


async def test_responses_can_be_left_unkept(tmp_path: Path) -> None:
    async with open_memory(Store(responses_s=0), {BOT: "replay"}, tmp_path / "state") as memory:
        assert memory.kept is None
