"""Our own HTTP API, both sides; it began as the Node program's and still speaks that.

`request` (what is asked) · `reply` (a whole answer) · `failure` (errors and their status) ·
`records` (an answer as NDJSON or server-sent events) · `snapshots` (an answer as the Node program
streamed it).  Described for its users in docs/native-api.md.
"""
