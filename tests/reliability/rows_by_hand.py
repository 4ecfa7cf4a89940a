"""The rows whose faults no mark makes: each has a test of its own."""

from reliability.rows import ALL_FORMS, PROTOCOL, TIMEOUT, TRUNCATED, TWO_FORMS, Row


def by_hand(id: str, what: str, made: str, ends: str, *, forms: tuple[str, ...] = TWO_FORMS, **more: int) -> Row:  # noqa: A002 - the row's
    """A row whose fault a test of its own makes."""
    return Row(id=id, what=what, made=made, ends=ends, forms=forms, **more)  # type: ignore[arg-type]


UNREACHABLE, INSECURE = "R 502 upstream_unreachable", "R 502 upstream_tls"

CONNECTION_ROWS = (
    by_hand("U1", "connection refused", "a closed port", UNREACHABLE, attempts=2),
    by_hand("U2", "black hole", "a full backlog", f"R {TIMEOUT}"),
    by_hand("U3", "name not found", "a resolver", UNREACHABLE, attempts=2),
    by_hand("U3", "name server that does not answer", "a resolver", f"R {TIMEOUT}"),
    by_hand("U4", "expired", "a certificate", INSECURE),
    by_hand("U4", "wrong host", "a certificate", INSECURE),
    by_hand("U4", "self-signed", "a certificate", INSECURE),
    by_hand("U4", "no TLS at all", "a plain server", INSECURE),
    by_hand("U4", "handshake reset", "a raw socket", UNREACHABLE, attempts=2),
    by_hand("U4", "handshake stalled", "a raw socket", f"R {TIMEOUT}"),
    by_hand("U26", "a stream in gzip", "a raw server", f"R {PROTOCOL}"),
    by_hand("U26", "a refusal in gzip", "a raw server", f"R {PROTOCOL}"),
    by_hand("U26", "half of a gzip", "a raw server", f"R {PROTOCOL}"),
    by_hand("U26", "a bomb: 10 MiB in 10 KB", "a raw server", f"R {PROTOCOL}"),
    by_hand("U27", "to another host; the token is not taken there", "a raw server", f"R {PROTOCOL}"),
    by_hand("U27", "to itself, for ever", "a raw server", f"R {PROTOCOL}"),
    by_hand("U28", "closed between two requests", "a raw server", "success"),
    by_hand("U28", "closed on the second request", "a raw server", f"R {PROTOCOL}"),
    by_hand("U29", "a header of 100 KB", "a raw server", f"R {PROTOCOL}"),
    by_hand("U29", "1000 headers", "a raw server", f"R {PROTOCOL}"),
)

LEAVING_ROWS = (
    by_hand("U12", "silent for longer than the gate", "the mark silent", f"M {TIMEOUT}", forms=("SSE", "NDJSON")),
    by_hand("Z1", "3 turns at once on one conversation", "3 callers", "success", forms=ALL_FORMS),
    by_hand("Z1", "somebody else's chat runs in it", "a chat begun past us", "R 409 conversation_busy"),
    by_hand("Z2", "the next turn after a caller left", "a caller who leaves", "success", forms=ALL_FORMS),
    by_hand("Z3", "the cancel comes too late", "the mark deaf", f"M {TIMEOUT}"),
    by_hand("Z4", "a whole answer is streamed from Coze", "one turn", "success", forms=("whole",)),
    by_hand("Z8", "a wrong token with HTTP 200", "a refusal", "R 502 upstream_auth"),
    by_hand("Z8", "a failed start with HTTP 400", "a refusal", "R 400 coze_400"),
)

PATIENCE_ROWS = (
    by_hand(
        "Z14",
        "suggestions come late: the text does not wait for them",
        "a Coze at 10 tokens a second",
        "success",
        forms=("SSE",),
    ),
    by_hand("Z17", "an answer that takes longer than any wait", "a slow Coze", "success"),
)

UPLOAD_ROWS = (
    by_hand("U30", "Coze does not take the file in time", "a server that is silent", f"R {TIMEOUT}", forms=("whole",)),
    by_hand("U30", "413 without an envelope", "a raw server", "R 413 request_too_large", forms=("whole",)),
    by_hand("U30", "code 4302", "a refusal", "R 413 request_too_large", forms=("whole",)),
)

WAITING_ROWS = (
    by_hand("Z5", "the results of tools are handed in", "a caller", "success", forms=ALL_FORMS),
    by_hand("Z5", "handed in twice", "a caller", "R 400 coze_4000"),
    by_hand("Z5", "handed in late: the chat is gone", "a caller", "R 404 not_found"),
    by_hand("Z5", "the stream of the rest breaks off", "the mark eof", f"M {TRUNCATED}"),
    by_hand("Z6", "a question node (type 2)", "the workflow quiz", "success", forms=ALL_FORMS),
    by_hand("Z6", "an input node (type 5); its data is JSON in a string", "the workflow form", "success"),
    by_hand("Z6", "an event_id that is none", "a caller", "R 400 coze_4000"),
    by_hand("Z7", "an Error event, and nothing after it", "the workflow broken", "M 502 coze_720701013"),
    by_hand("Z7", "PINGs for longer than the wait between two events", "the workflow quiet", "success"),
    by_hand("Z7", "the stream ends without Done", "the mark eof", f"M {TRUNCATED}"),
)

TOKEN_ROWS = (
    by_hand("U24", "the token dies in mid-flight; there is another", "an OAuth app", "success", forms=ALL_FORMS),
    by_hand("U24", "the token dies, and there is no other", "an OAuth app", f"R {PROTOCOL}"),
    by_hand("U25", "the token endpoint is slow", "an OAuth app", "success"),
    by_hand("U25", "it gives a token that is dead", "an OAuth app", f"R {PROTOCOL}"),
    by_hand("Z16", "Coze does not know the key", "an OAuth app", "R 502 upstream_auth"),
)

ELSEWHERE = (
    (
        "U25",
        "the endpoint is down while a token lives",
        "`tests/upstreams/coze_open/test_tokens.py`: it serves to its end",
    ),
    (
        "Z6",
        "a plugin or OAuth of a workflow (types 1, 7), more than 3 answers",
        "`tests/dialects/coze_open/test_workflow.py`",
    ),
    ("Z7", "ids repeat after an answer", "`tests/dialects/coze_open/test_workflow_stream.py`: they are not used"),
    ("Z16", "100 callers at the moment a token dies", "`tests/upstreams/coze_open/test_renewal.py`: one renewal"),
    ("Z16", "a clock that is wrong by ten minutes", "the same: it works, and the log says by how much"),
    (
        "Z18",
        "an error reaches the web page",
        "`tests/judges/test_page.py`: it stands in the bubble with its hint",
    ),
)
"""What other tests play."""
