"""The only client-side sockets: bytes in, bytes out, deadlines, foreign errors translated."""
