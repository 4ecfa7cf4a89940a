"""The Anthropic Messages API, server side: requests in, whole and streamed messages out.

Source: the official Python SDK, anthropic 2.12.0; docs/anthropic-api.md says what differs.
"""
