"""Ways to reach a bot: a dialect, a transport and credentials behind the ports of the domain."""
