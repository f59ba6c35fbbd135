"""Locust itself, an optional package (dependency group `distributed`).

On import it replaces sockets, threads and processes of the standard library by those of gevent, for users
that send their requests from its own process (`monkey.patch_all`). No user here does, so it is told not to:
the rest of the process stays as it is. What waits in a greenlet waits with gevent.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable
from typing import Any

from support.errors import SettingsError
from support.suite_folder import command_of_group

MODULE = "locust"
# How often each side looks at what the other one has sent, and at its processes.
POLL_SECONDS = 0.02
# Heartbeats, one per second, that may fail to come until a worker counts as lost. A machine whose cores are
# all taken by an inference server may be late by more than Locust's 3.
HEARTBEATS = 10
# Without an answer to a heartbeat for so long, the master counts as lost.
MASTER_SECONDS = 15.0


def missing() -> str | None:
    """Why there are no workers, with the remedy; or None."""
    if importlib.util.find_spec(MODULE) is None:
        return f"needs {MODULE}; {command_of_group('distributed', MODULE, 'gevent')} installs it"
    return None


def runners() -> Any:
    """The module of Locust's master and worker. Raises `SettingsError` when it is not installed."""
    if reason := missing():
        raise SettingsError(f"a load from several machines {reason}")
    os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
    from locust import runners as module

    # Its lines are about its own statistics and users; what matters here is reported by this suite.
    logger = logging.getLogger(MODULE)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    module.HEARTBEAT_LIVENESS = HEARTBEATS
    return module


def environment_for(task: Callable[[], None]) -> Any:
    """Of Locust, with one kind of user, who repeats the task until it is stopped."""
    from locust import User, constant
    from locust import task as as_task
    from locust.env import Environment

    class LoadUser(User):  # type: ignore[misc]  # Locust is optional, so its types are not known
        wait_time = constant(0)

        @as_task  # type: ignore[untyped-decorator]
        def repeat(self) -> None:
            task()

    return Environment(user_classes=[LoadUser])


def listen(runner: Any, kind: str, handle: Callable[[Any], None]) -> None:
    """Have each message of this kind handled: its `node_id` is the sender, its `data` what was sent."""
    runner.register_message(kind, lambda **given: handle(given["msg"]))
