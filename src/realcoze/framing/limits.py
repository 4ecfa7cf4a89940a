"""How much is too much, in bytes."""

EVENT_BYTES = 8 << 20
"""One event of a stream (docs/reliability.md U17: one event of up to 8 MiB passes)."""

STREAM_BYTES = 64 << 20
"""One whole answer (docs/reliability.md U17)."""

SOCKET_MESSAGE_BYTES = 16 << 20
"""One websocket message; what is larger closes the socket (docs/faults.md W4)."""

INFLATED_BYTES = 16 << 20
"""A compressed payload, inflated (docs/reliability.md U26, S13)."""
