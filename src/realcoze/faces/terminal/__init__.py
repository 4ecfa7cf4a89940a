"""The terminal: a conversation for people (`chat`), or a question by a pipe (`pipe`).

`chat` is the loop · `command` what may be typed beside questions (pure) · `keys` the prompts ·
`screen` shows one answer as it grows · `markdown` what it looks like (pure) · `results` asks for those
of tools · `recording` saves what is spoken · `transcript` a conversation as a file (pure) · `greeting`
who answers (pure) · `printable` (pure) · `exits` are the exit codes.
"""
