"""What the HTTP API is, for programs: the document at `/openapi.json`.

`call` (what a row says) · `apis` (which statuses each API has) · `native`, `openai`, `openai_kept`, `anthropic` (the
rows, one for each route) · `document` (rows to OpenAPI) · `route`.  Schemas are those of the dialects' own structs:
what is read and written is what is told.
"""
