"""The only place that knows everything: settings, composition, the server, the command."""
