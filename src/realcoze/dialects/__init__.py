"""Wire languages ↔ events, both directions, pure: no clock, no socket, no log.

A dialect knows no other dialect.  Two small modules are shared by several: `json_text` (how JSON
really comes) and `entries` (the history entry of the 2024 playground, which our native API speaks
too, as the Node program did).
"""
