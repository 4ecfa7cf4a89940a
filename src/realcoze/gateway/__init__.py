"""What makes it a gateway: which bot, who may ask, one turn from request to last event.

Knows the domain and its ports; no dialect, no framing, no transport.
"""
