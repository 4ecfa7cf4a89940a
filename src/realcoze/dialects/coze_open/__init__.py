"""Coze's official open API, v3, both directions: what coze.com, coze.cn and Coze Studio send, read alike.

Studio's other names and shapes are read without a switch; what is written is what both accept.  Pure:
no sockets, no clock, no chance.

Source: docs/protocol/openapi-v3.md, docs/protocol/studio-web.md §5.
"""
