import pytest

from realcoze.dialects.coze_open.catalog import (
    ME_PATH,
    Bot,
    ListedBot,
    User,
    Workspace,
    bot_target,
    bots_target,
    decode_bot,
    decode_bots,
    decode_user,
    decode_workspaces,
    workspaces_target,
)
from realcoze.errors import UpstreamDenied, UpstreamFailed


def test_the_calls_are_those_of_the_page() -> None:
    assert bots_target("73&1", 2) == "/v1/bots?workspace_id=73%261&page_num=2&page_index=2&page_size=50"
    assert workspaces_target(1) == "/v1/workspaces?page_num=1&page_size=50"
    assert bot_target("734") == "/v1/bots/734?is_published=true"
    assert bot_target("../users?x") == "/v1/bots/..%2Fusers%3Fx?is_published=true"
    assert ME_PATH == "/v1/users/me"


def test_bots_are_read_in_the_new_form_and_in_the_old_one() -> None:
    new = b'{"code":0,"data":{"items":[{"id":"734","name":"Ada","description":null,"is_published":true}],"total":1}}'
    assert decode_bots(200, {}, new) == ([ListedBot(id="734", name="Ada", description=None)], 1)
    old = b'{"code":0,"data":{"space_bots":[{"bot_id":734,"bot_name":"Ada"}],"total":"3"}}'
    assert decode_bots(200, {}, old) == ([ListedBot(bot_id=734, bot_name="Ada")], 3)


def test_a_bot_is_known_by_its_id_in_either_form() -> None:
    assert ListedBot(id="734", bot_id="735").known_as == "734"
    assert ListedBot(bot_id=734).known_as == "734"
    assert ListedBot().known_as == ""


def test_workspaces_are_read() -> None:
    body = b'{"code":0,"data":{"workspaces":[{"id":"1","name":"Home","role_type":"owner"}],"total_count":1}}'
    assert decode_workspaces(200, {}, body) == ([Workspace(id="1", name="Home")], 1)


def test_a_bot_is_read() -> None:
    body = b'{"code":0,"data":{"bot_id":734,"name":"Ada","model_info":{"model_id":"1"},"plugin_info_list":[{}]}}'
    assert decode_bot(200, {}, body) == Bot(bot_id=734, name="Ada")


def test_the_account_is_read() -> None:
    body = b'{"code":0,"data":{"user_id":"7","user_name":"ada","nick_name":"Ada","avatar_url":""}}'
    assert decode_user(200, {}, body) == User(user_id="7", user_name="ada", nick_name="Ada")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"data":null}',
        b'{"data":{}}',
        b'{"data":{"items":null,"workspaces":null,"total":null,"total_count":null}}',
    ],
)
def test_what_is_missing_or_null_is_nothing(body: bytes) -> None:
    assert decode_bots(200, {}, body) == ([], 0)
    assert decode_workspaces(200, {}, body) == ([], 0)
    with pytest.raises(UpstreamFailed, match="no bot"):
        decode_bot(200, {}, body)
    assert decode_user(200, {}, body) == User()


def test_a_refusal_is_raised() -> None:
    body = b'{"code":4101,"msg":"missing permission listBot"}'
    for decode in (decode_bots, decode_workspaces, decode_bot, decode_user):
        with pytest.raises(UpstreamDenied, match="listBot"):
            decode(200, {}, body)
        with pytest.raises(UpstreamFailed, match="without its usual envelope"):
            decode(404, {}, b"404 page not found")
