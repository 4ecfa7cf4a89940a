"""The terminal: a conversation for people (`chat`), or a question by a pipe (`pipe`).

`chat` is the loop · `command` what may be typed beside questions (pure) · `screen` shows one answer
as it grows · `exits` are the exit codes.
"""
