"""The server under test: a command that we start or a URL that is there."""
