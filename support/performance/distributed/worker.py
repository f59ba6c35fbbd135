"""A worker: connects to a master, sends the loads that it gets, and returns their records.

Its user is one of Locust, whose task sends a load with the generator of this suite. Only the process of the
generator measures; this one looks at it every few milliseconds, and answers the master.
"""

from __future__ import annotations

import math
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from support.errors import AcceptanceError, SettingsError
from support.monitoring.metrics_endpoint import Address
from support.performance.distributed.generator import CoordinatedGenerator, coordinated_generator
from support.performance.distributed.locust_library import (
    MASTER_SECONDS,
    POLL_SECONDS,
    environment_for,
    listen,
    runners,
)
from support.performance.distributed.messages import Kind, own_hello, packed
from support.performance.load.plan import LoadPlan
from support.programs.run_directory import temp_prefix

Echo = Callable[[str], None]
# Locust tries that often, within the time that it may take.
_ATTEMPTS = 30


class MasterLost(AcceptanceError):
    """The master was not there, is gone, or has ended for an error."""


class _Aborted(Exception):
    """The master has ended the load."""


def work(host: str, port: int, within: float, echo: Echo) -> None:
    """Be a worker of this master until it has no more loads. `within`: seconds until it has to be there.

    Raises `MasterLost`, and `SettingsError` when the master does not take this worker.
    """
    worker = Worker(runners(), echo)
    worker.connect(host, port, within)
    try:
        worker.wait_for_end()
    finally:
        worker.close()


class Worker:
    """One connection to a master. All of it runs in one thread, in greenlets."""

    def __init__(self, locust: Any, echo: Echo) -> None:
        from gevent.queue import Queue

        self._locust, self._echo = locust, echo
        self._loads: Any = Queue()
        # Of the load that is sent now: its number, and what the master has sent for it.
        self._load = 0
        self._heard: dict[str, Any] = {}
        self._generator: CoordinatedGenerator | None = None
        self._end: str | None = None
        self._refused = ""
        self._last_heartbeat = math.inf

    def connect(self, host: str, port: int, within: float) -> None:
        """Raises `MasterLost` when nothing has answered within so many seconds."""
        self._locust.CONNECT_TIMEOUT, self._locust.CONNECT_RETRY_COUNT = within / _ATTEMPTS, _ATTEMPTS - 1
        environment = environment_for(self.send_next_load)
        # Without any, a worker of Locust reads files of configuration in the home folder and in this one.
        environment.parsed_options = Namespace(web_base_path="")
        try:
            self._runner = environment.create_worker_runner(host, port)
        except ConnectionError:
            raise MasterLost(
                f"no master has answered at {Address(host, port)} within {within:g} s; start `acceptance "
                "load --workers N --listen ADDRESS:PORT` there"
            ) from None
        for kind in (Kind.BEGIN, Kind.RELEASE, Kind.ABORT, Kind.RECEIVED):
            listen(self._runner, kind, self._hear)
        listen(self._runner, Kind.PREPARE, lambda message: self._prepare(message.data))
        listen(self._runner, Kind.REFUSED, lambda message: self._refuse(message.data))
        listen(self._runner, Kind.END, lambda message: self._finish(message.data))
        environment.events.heartbeat_received.add_listener(self._note_heartbeat)
        self._last_heartbeat = time.monotonic()
        self._runner.send_message(Kind.HELLO, own_hello().data())
        self._echo(f"connected to the master at {Address(host, port)}")

    def wait_for_end(self) -> None:
        """Until the master has no more loads. Raises `MasterLost`, `SettingsError`."""
        import gevent

        while self._end is None:
            if self._refused:
                raise SettingsError(f"the master does not take this worker: {self._refused}")
            if time.monotonic() - self._last_heartbeat > MASTER_SECONDS:
                raise MasterLost(f"the master has not answered for {MASTER_SECONDS:g} s")
            gevent.sleep(POLL_SECONDS)
        if self._end:
            raise MasterLost(f"the master has ended the run: {self._end}")

    def close(self) -> None:
        """End the generator, and tell the master."""
        if self._generator is not None:
            self._generator.stop()
        self._runner.environment.events.quitting.fire(environment=self._runner.environment, reverse=True)
        self._runner.client.close(linger=1000)

    def send_next_load(self) -> None:
        """The task of Locust's user: wait for a load, send it, return its records."""
        load, plan = self._loads.get()
        self._load, self._heard = load, {}
        with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
            try:
                self._send_load(plan, Path(folder))
            except _Aborted:
                return
            except AcceptanceError as error:
                self._answer(Kind.FAILED, why=str(error))
            finally:
                self._generator = None

    def _send_load(self, plan: LoadPlan, folder: Path) -> None:
        with coordinated_generator(plan, folder) as generator:
            self._generator = generator
            self._wait_for(lambda: generator.ready or generator.ended)
            generator.require_success()
            self._answer(Kind.PREPARED)
            self._wait_for(lambda: generator.start_ns is not None or generator.ended)
            generator.require_success()
            self._answer(Kind.BEGUN, start_ns=generator.start_ns)
            self._echo(f"load {self._load}: {plan}")
            self._wait_for(lambda: generator.measured)
            generator.require_success()
            self._answer(Kind.MEASURED)
            self._wait_for(lambda: Kind.RELEASE in self._heard)
            generator.release()
            self._wait_for(lambda: generator.ended)
            parts = packed(generator.files())
        for number, part in enumerate(parts):
            # One after the other: a heartbeat has to wait for one part at most.
            self._wait_for(partial(self._received, number))
            self._answer(Kind.RESULTS, part=part, parts=len(parts))

    def _received(self, number: int) -> bool:
        """Whether the master has that many parts."""
        return int(self._heard.get(Kind.RECEIVED, 0)) >= number

    def _wait_for(self, happened: Callable[[], bool]) -> None:
        """Without a limit of its own: that of the load is the master's, and a lost one ends this process."""
        import gevent

        while not happened():
            if Kind.ABORT in self._heard:
                raise _Aborted
            gevent.sleep(POLL_SECONDS)

    def _answer(self, kind: Kind, **data: Any) -> None:
        self._runner.send_message(kind, {**data, "load": self._load})

    def _prepare(self, data: Any) -> None:
        try:
            plan = LoadPlan.from_json(data["plan"])
        except SettingsError as error:
            self._load = data["load"]
            self._answer(Kind.FAILED, why=str(error))
            return
        self._loads.put((data["load"], plan))

    def _hear(self, message: Any) -> None:
        if message.data["load"] != self._load:
            return
        self._heard[message.type] = message.data.get("parts", 0)
        if message.type == Kind.BEGIN and self._generator is not None:
            # At once: all workers begin when this message comes.
            self._generator.begin()

    def _refuse(self, data: Any) -> None:
        self._refused = str(data["why"])

    def _finish(self, data: Any) -> None:
        self._end = str(data["why"])

    def _note_heartbeat(self, **_: Any) -> None:
        self._last_heartbeat = time.monotonic()
