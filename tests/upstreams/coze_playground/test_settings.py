from pathlib import Path

import pytest

from realcoze.upstreams.coze_playground.settings import Deadlines, Heart, PlaygroundSettings
from realcoze.upstreams.credentials import Secret


def test_the_waits_are_those_of_the_documents() -> None:
    """docs/errors.md, last section; docs/faults.md, W1 and W2."""
    deadlines = Deadlines()
    assert (deadlines.connect, deadlines.tls) == (5, 5)
    assert (deadlines.first_event, deadlines.idle, deadlines.queue) == (60, 90, 30)
    assert deadlines.socket == 5
    heart = Heart()
    assert (heart.beat, heart.silence) == (15, 30)
    assert (heart.backoff, heart.backoff_max) == (0.5, 30)
    assert heart.retries == 10


def test_settings_do_not_show_the_session(tmp_path: Path) -> None:
    settings = PlaygroundSettings(session_id=Secret("s3cret"), bots={}, state_dir=tmp_path)
    assert "s3cret" not in repr(settings)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = PlaygroundSettings(session_id=Secret("s3cret"), bots={}, state_dir=tmp_path)
    with pytest.raises(AttributeError):
        settings.base = "1"  # type: ignore[misc]
