"""A Coze of our own: the server side of the Coze dialects, for demo, tests and work without a network.

`server` holds it together · `playground` speaks the protocol of 2024 · `script` is what the bots say
(pure) · `fault` is what can go wrong on request (pure) · `delivery` makes of an answer what goes over
the socket (pure) · `account` is who may log in and which bots there are.

It is a stranger to the rest: it shares only the pure floors.  Its HTTP server is aiohttp's, because a
fault must reach down to the connection itself.
"""
