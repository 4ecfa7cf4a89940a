"""What a conversation is: values, events and ports.  Of packages msgspec's structs alone; no clock, no socket."""
