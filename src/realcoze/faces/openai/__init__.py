"""The API of OpenAI: what its clients call under /v1.  Its users read docs/openai-api.md."""
