from realcoze.domain.ids import BotName
from realcoze.upstreams.coze_open.settings import OpenSettings, Target
from realcoze.upstreams.credentials import Secret


def test_what_is_not_told_is_that_of_coze_com_with_the_waits_of_the_documentation() -> None:
    settings = OpenSettings(token=Secret("pat_canary"), bots={BotName("coze"): Target(id="1")})
    assert settings.base == "https://api.coze.com"
    assert settings.saves_history
    assert (settings.recovery_calls, settings.deadlines.recovery) == (8, 1)
    deadlines = settings.deadlines
    assert (deadlines.connect, deadlines.tls, deadlines.first_event, deadlines.idle) == (5, 5, 60, 90)
    assert (deadlines.queue, deadlines.cancel, deadlines.workflow_idle) == (30, 1, 600)


def test_settings_can_be_printed_without_the_token() -> None:
    assert "canary" not in repr(OpenSettings(token=Secret("pat_canary"), bots={}))
