"""OpenAI's chat completions, as their clients speak them: bodies, streams and errors.

Source: OpenAI's published API; what clients bear is told in docs/openai-api.md.
"""
