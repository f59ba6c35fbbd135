"""Servers shared by scenarios: started on first use, replaced when they died."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from typing import Generic, Protocol, TypeVar

from support.programs.launcher import LaunchedProgram
from support.servers.command_line import ModelArguments
from support.servers.discovery import CommandTarget
from support.servers.mistralrs import start_server
from support.settings import Settings


class Shareable(Protocol):
    """A server, or several that are used together."""

    @property
    def alive(self) -> bool: ...

    def stop(self) -> object: ...


K = TypeVar("K", bound=Hashable)
S = TypeVar("S", bound=Shareable)


class Pool(Generic[K, S]):
    """Servers of a run by a key. It stops what it started."""

    def __init__(self) -> None:
        self.servers: dict[K, S] = {}

    def get(self, key: K, start: Callable[[], S]) -> S:
        """The server of this key if it is alive, else a new one."""
        server = self.servers.get(key)
        if server is None or not server.alive:
            self.discard(key)
            server = self.servers[key] = start()
        return server

    def discard(self, key: K) -> None:
        """Stop it, if there is one: the next `get` starts a new one."""
        server = self.servers.pop(key, None)
        if server is not None:
            server.stop()

    def close(self) -> None:
        """Stop all of them, also when one cannot be stopped."""
        with ExitStack() as stack:
            for key in list(self.servers):
                stack.callback(self.discard, key)


class ServerPool:
    """The shared servers of the target: one per model and options."""

    def __init__(self, target: CommandTarget, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._pool: Pool[tuple[ModelArguments, tuple[str, ...], str], LaunchedProgram] = Pool()

    def get(self, model: ModelArguments, options: Sequence[str] = (), isolation: str = "") -> LaunchedProgram:
        """A server with this model, started with these options. Raises `StartFailure`.

        `isolation`: names a use that damages the server; other uses get another one.
        """

        def start() -> LaunchedProgram:
            # TEST_PORT is one port: with it, only one server at a time can be there.
            if self._settings.test_port is not None:
                self.close()
            return start_server(self._target, model, self._settings, options=options)

        return self._pool.get((model, tuple(options), isolation), start)

    @property
    def programs(self) -> list[LaunchedProgram]:
        """Those that it has started and not stopped."""
        return list(self._pool.servers.values())

    def discard(self, model: ModelArguments, options: Sequence[str] = (), isolation: str = "") -> None:
        """Stop this server: it was damaged, or is no longer needed."""
        self._pool.discard((model, tuple(options), isolation))

    def close(self) -> None:
        """Stop all of them."""
        self._pool.close()
