"""Ways for a client to reach us: parse, ask the gateway, encode.  Thin."""
