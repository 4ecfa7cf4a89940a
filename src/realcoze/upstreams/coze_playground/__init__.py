"""The playground upstream: many turns over one websocket, each started by an HTTP call.

`upstream` holds the conversation · `turn` is one of many in flight · `socket` keeps the websocket
alive by the table of `link` · `session` speaks HTTP · `standing` remembers what the account was
refused · `state` keeps two small files.
"""
