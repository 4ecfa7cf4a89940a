"""What a conversation is: values, events and ports.  Standard library only, no clock, no socket."""
