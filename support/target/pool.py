"""Servers shared by scenarios: one per model, started when first asked for, replaced when hurt."""

from __future__ import annotations

from support.settings import Settings
from support.target.dialects import ModelArguments
from support.target.discovery import CommandTarget
from support.target.server import Server, start_server


class ServerPool:
    """Owns the shared servers of a run."""

    def __init__(self, target: CommandTarget, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._servers: dict[ModelArguments, Server] = {}

    def get(self, model: ModelArguments) -> Server:
        """A healthy server with this model. Raises `StartFailure`."""
        server = self._servers.get(model)
        if server is not None and server.alive:
            return server
        self.discard(model)
        # TEST_PORT is one port: with it, only one server at a time can be there.
        if self._settings.test_port is not None:
            self.close()
        server = start_server(self._target, model, self._settings)
        self._servers[model] = server
        return server

    def discard(self, model: ModelArguments) -> None:
        """End the server of this model: somebody hurt it, or is done with it."""
        server = self._servers.pop(model, None)
        if server is not None:
            server.stop()

    def close(self) -> None:
        """End all of them."""
        for model in list(self._servers):
            self.discard(model)
