"""Wire languages ↔ events, both directions, pure: no clock, no socket, no log.

A dialect knows no other dialect.  Small modules are shared by several: `json_text` (how JSON really comes),
`entries` (the history entry of the 2024 playground, which our native API speaks too, as the Node program
did), `deltas` (what differs in its text alone), `statuses` (what an error is in HTTP), `dates`, and `openai_wire`,
`openai_tools` and `openai_pages` (what OpenAI's APIs have in common).
"""
