"""Bytes ↔ frames.  Knows no Coze, does no I/O, uses the standard library only, and is bounded."""
