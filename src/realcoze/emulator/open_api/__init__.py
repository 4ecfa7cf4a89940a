"""Coze's open API as a server, with the personality of coze.com or of Coze Studio.

`server` has the routes, `desk` what all of them share, `chat` a turn; `state` is what is remembered, `plan`
what a plan allows, `fault`, `disorder` and `delivery` what goes wrong on request.
"""
