"""The private protocol of Coze's web playground of February 2024, both sides.

`access` (keys and addresses) · `envelope` (what every HTTP answer is wrapped in) · `launch` ·
`execute` · `push` (one push on the wire) · `answer` (many pushes ↔ the events of one turn).
Coze itself has demanded URL signatures on it since 2024-02-27, which we do not forge: this dialect
is for our emulator and for servers that still speak it.

Source: docs/protocol/playground-2024.md.
"""
