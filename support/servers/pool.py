"""Servers shared by scenarios: one per model and options, made when first asked for, replaced when hurt."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.servers.mistralrs import Server, start_server
from support.settings import Settings

_Key = tuple[ModelArguments, tuple[str, ...], str]


class ServerPool:
    """Owns the shared servers of a run."""

    def __init__(self, target: CommandTarget, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._servers: dict[_Key, Server] = {}

    def get(self, model: ModelArguments, options: Sequence[str] = (), isolation: str = "") -> Server:
        """A healthy server with this model, started with these options. Raises `StartFailure`.

        Who hurts a server without ending it gives a `purpose`: nobody else gets that one.
        """
        key = (model, tuple(options), isolation)
        server = self._servers.get(key)
        if server is not None and server.alive:
            return server
        self.discard(*key)
        # TEST_PORT is one port: with it, only one server at a time can be there.
        if self._settings.test_port is not None:
            self.close()
        server = start_server(self._target, model, self._settings, options=options)
        self._servers[key] = server
        return server

    def peek(self, model: ModelArguments, options: Sequence[str] = (), isolation: str = "") -> Server | None:
        """The one that `get` gave last, dead or alive; None when it was discarded."""
        return self._servers.get((model, tuple(options), isolation))

    def discard(self, model: ModelArguments, options: Sequence[str] = (), isolation: str = "") -> None:
        """End this server: somebody hurt it, or is done with it."""
        server = self._servers.pop((model, tuple(options), isolation), None)
        if server is not None:
            server.stop()

    def close(self) -> None:
        """Stop all of them, also when one cannot be stopped."""
        with ExitStack() as stack:
            for key in list(self._servers):
                stack.callback(self.discard, *key)
