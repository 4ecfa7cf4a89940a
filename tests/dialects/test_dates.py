import pytest

from realcoze.dialects.dates import unix_time


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Mon, 01 Jan 2024 00:00:00 GMT", 1704067200.0),
        ("Mon, 01 Jan 2024 08:00:00 +0800", 1704067200.0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_date_is_a_time_or_none(date: str, seconds: float | None) -> None:
    assert unix_time(date) == seconds
