"""OpenAI's Responses API, as its clients speak it: bodies and streams.

Source: OpenAI's published API and the types of openai 3; what clients bear is told in docs/openai-api.md.
"""
