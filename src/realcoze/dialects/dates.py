"""Dates as HTTP writes them (RFC 9110 §5.6.7)."""

from email.utils import parsedate_to_datetime


def unix_time(date: str) -> float | None:
    """In seconds since 1970; None for what is no date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
