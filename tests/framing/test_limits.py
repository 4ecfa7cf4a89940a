from realcoze.framing import limits

MIB = 1024 * 1024


def test_the_limits_are_those_of_the_reliability_table() -> None:
    """CLIENTS §4.2 rule 7."""
    assert limits.EVENT_BYTES == 8 * MIB
    assert limits.STREAM_BYTES == 64 * MIB
    assert limits.SOCKET_MESSAGE_BYTES == 16 * MIB
    assert limits.INFLATED_BYTES == 16 * MIB
