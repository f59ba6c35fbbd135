"""The master: waits for its workers, has them send loads at the same time, and takes their records.

Locust's part runs in a thread of its own, with the event loop of gevent: heartbeats go on while the records
of a load are evaluated. Both sides see the `_Worker` objects, whose fields are only ever set.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.errors import AcceptanceError, SettingsError
from support.monitoring.metrics_endpoint import Address, parse_address
from support.performance.distributed.locust_library import POLL_SECONDS, environment_for, listen, runners
from support.performance.distributed.merging import WorkerResult, merged
from support.performance.distributed.messages import Hello, Kind, unpacked, version
from support.performance.distributed.shares import shares
from support.performance.load.files import QUALITY, REQUESTS
from support.performance.load.plan import LoadPlan
from support.performance.load.program import LoadFailed, LoadResult, longest_seconds, read_result
from support.performance.load.record import write_records
from support.waiting import WaitTimeout, wait_until

# From message to answer; the time of the load itself comes to that.
PREPARE_SECONDS, BEGIN_SECONDS, TRANSFER_SECONDS = 60.0, 10.0, 300.0
_START_SECONDS, _STOP_SECONDS = 30.0, 10.0
Echo = Callable[[str], None]


class WorkersFailed(AcceptanceError):
    """A worker was lost, was late, or never came: what the others have measured is no such load."""


@dataclass
class _Worker:
    """`answers`: of the load that is sent now, each with the time of this machine and its data."""

    client: str
    number: int
    host: str
    answers: dict[str, tuple[float, Any]] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    lost: bool = False

    def __str__(self) -> str:
        return f"worker {self.number} ({self.host})"


class Master:
    """For so many workers. `run` sends a load by all of them."""

    def __init__(self, workers: int, echo: Echo) -> None:
        self._count, self._echo = workers, echo
        self._workers: list[_Worker] = []
        self._refused: list[str] = []
        # What the thread of Locust has to do: messages by type, with their data and the receiver.
        self._outbox: queue.SimpleQueue[tuple[Kind, Any, str]] = queue.SimpleQueue()
        self._listening, self._closing = threading.Event(), threading.Event()
        self._load = 0
        self._port = 0
        self._problem = ""

    @property
    def port(self) -> int:
        return self._port

    def wait_for_workers(self, within: float) -> None:
        """Until all have come. Raises `WorkersFailed` after so many seconds."""
        try:
            wait_until("the workers", lambda: len(self._workers) == self._count, timeout=within)
        except WaitTimeout:
            came = ", ".join(worker.host for worker in self._workers) or "none"
            refused = f"; refused: {'; '.join(self._refused)}" if self._refused else ""
            raise WorkersFailed(
                f"{len(self._workers)} of {self._count} workers have connected within {within:g} s ({came})"
                f"{refused}; start `acceptance load-worker --master ADDRESS:{self._port}` on each machine"
            ) from None
        self._require_workers(self._workers)

    def run(self, plan: LoadPlan, folder: Path) -> LoadResult:
        """The load of the plan by all workers; files of each in a folder of its own, all records in one.

        Raises `WorkersFailed`, `LoadFailed` when the generator of a worker has failed, and `SettingsError`
        for a plan that cannot be divided.
        """
        plans = shares(plan, self._count)
        workers = self._workers[: len(plans)]
        self._load += 1
        for worker, share in zip(workers, plans, strict=True):
            worker.answers, worker.parts = {}, []
            self._send(Kind.PREPARE, {"plan": share.to_json()}, worker)
        try:
            start_spread = self._send_load(plans, workers)
        except BaseException:
            for worker in self._workers:
                self._send(Kind.ABORT, {}, worker)
            raise
        results = [
            _read(worker, share, folder / f"worker-{worker.number}")
            for worker, share in zip(workers, plans, strict=True)
        ]
        found = merged(plan, results, start_spread)
        write_records(folder / REQUESTS, found.records)
        found.quality.write(folder / QUALITY)
        return found

    def _send_load(self, plans: Sequence[LoadPlan], workers: Sequence[_Worker]) -> float:
        """Seconds within which all workers have begun."""
        self._wait_for(Kind.PREPARED, workers, PREPARE_SECONDS)
        begun_after = time.monotonic()
        for worker in workers:
            self._send(Kind.BEGIN, {}, worker)
        self._wait_for(Kind.BEGUN, workers, BEGIN_SECONDS)
        spread = max(worker.answers[Kind.BEGUN][0] for worker in workers) - begun_after
        self._wait_for(Kind.MEASURED, workers, max(map(longest_seconds, plans)))
        for worker in workers:
            self._send(Kind.RELEASE, {}, worker)
        # The answers that were on their way, then the analysis of all of them.
        self._wait_for(Kind.RESULTS, workers, max(plan.timeout for plan in plans) + TRANSFER_SECONDS)
        return spread

    def _wait_for(self, kind: Kind, workers: Sequence[_Worker], within: float) -> None:
        def all_answered() -> bool:
            self._require_workers(workers)
            return all(kind in worker.answers for worker in workers)

        try:
            wait_until(f"{kind} of the workers", all_answered, timeout=within)
        except WaitTimeout:
            late = ", ".join(str(worker) for worker in workers if kind not in worker.answers)
            raise WorkersFailed(
                f"{late}: no message {kind} within {within:g} s; the run is invalid"
            ) from None

    def _require_workers(self, workers: Sequence[_Worker]) -> None:
        # Also one that has no share of this load: the next one needs it.
        for worker in self._workers:
            if worker.lost:
                raise WorkersFailed(f"{worker} was lost; the run is invalid")
        for worker in workers:
            if Kind.FAILED in worker.answers:
                raise LoadFailed(f"{worker}: {worker.answers[Kind.FAILED][1].get('why')}")

    def _send(self, kind: Kind, data: dict[str, Any], worker: _Worker) -> None:
        self._outbox.put((kind, {**data, "load": self._load}, worker.client))

    # What follows runs in the thread of Locust.

    def serve(self, address: Address) -> None:
        """Be Locust's master until `close`."""
        import gevent

        try:
            # Its users are those of the workers: here the task is never run.
            runner = environment_for(lambda: None).create_master_runner(address.host, address.port)
        except (SystemExit, Exception) as error:  # noqa: BLE001 - Locust exits when the port is taken
            self._problem = " ".join(str(error).split())
            self._listening.set()
            return
        self._port = runner.server.port
        listen(runner, Kind.HELLO, lambda message: self._welcome(runner, message))
        for kind in (Kind.PREPARED, Kind.BEGUN, Kind.MEASURED, Kind.FAILED, Kind.RESULTS):
            listen(runner, kind, lambda message: self._keep(runner, message))
        self._listening.set()
        while not self._closing.is_set() or not self._outbox.empty():
            self._deliver(runner)
            for worker in self._workers:
                node = runner.clients.get(worker.client)
                worker.lost = worker.lost or node is None or node.state == "missing"
            gevent.sleep(POLL_SECONDS)
        runner.quit()
        runner.server.close(linger=round(1000 * _STOP_SECONDS / 2))

    def _deliver(self, runner: Any) -> None:
        while not self._outbox.empty():
            kind, data, client = self._outbox.get()
            runner.send_message(kind, data, client_id=client)

    def _welcome(self, runner: Any, message: Any) -> None:
        hello = Hello.of(message.data)
        why = ""
        if hello.version != version():
            why = f"its version is {hello.version}, that of the master {version()}"
        elif len(self._workers) == self._count:
            why = f"the run has all of its workers ({self._count})"
        if why:
            self._refused.append(f"{hello.host}: {why}")
            self._echo(f"worker {hello.host} refused: {why}")
            runner.send_message(Kind.REFUSED, {"why": why}, client_id=message.node_id)
            return
        worker = _Worker(message.node_id, len(self._workers) + 1, hello.host)
        self._workers.append(worker)
        self._echo(f"{worker} has connected, {len(self._workers)} of {self._count}")
        if len(self._workers) == self._count:
            import gevent

            gevent.spawn(_start_users, runner)

    def _keep(self, runner: Any, message: Any) -> None:
        worker = next((each for each in self._workers if each.client == message.node_id), None)
        if worker is None or message.data.get("load") != self._load:
            return
        if message.type == Kind.RESULTS:
            worker.parts.append(message.data["part"])
            if len(worker.parts) < message.data["parts"]:
                received = {"load": self._load, "parts": len(worker.parts)}
                runner.send_message(Kind.RECEIVED, received, client_id=message.node_id)
                return
        worker.answers[message.type] = time.monotonic(), message.data

    # What follows runs where the master was made.

    def wait_until_listening(self, address: Address) -> None:
        """Raises `SettingsError` when the address cannot be used."""
        if not self._listening.wait(_START_SECONDS) or self._problem:
            raise SettingsError(
                f"--listen {address}: Locust cannot listen there ({self._problem or 'no answer'}); choose "
                "another address or port"
            )

    def close(self, why: str) -> None:
        """No load follows; `why`: the error for which it ends, or an empty text."""
        for worker in self._workers:
            self._send(Kind.END, {"why": why}, worker)
        self._closing.set()


def _start_users(runner: Any) -> None:
    """One on each worker, which sends loads until the end."""
    runner.start(len(runner.clients), len(runner.clients))
    # Else Locust would move users to a worker that connects later.
    runner.update_state("ready")


@contextmanager
def master(address: Address, workers: int, echo: Echo) -> Iterator[Master]:
    """Listening; its workers are let go at the end. Raises `SettingsError`."""
    runners()
    _require_free(address)
    found = Master(workers, echo)
    thread = threading.Thread(target=found.serve, args=(address,), daemon=True)
    thread.start()
    why = "the master was ended"
    try:
        found.wait_until_listening(address)
        echo(f"master: {Address(address.host, found.port)}; workers to come: {workers}")
        yield found
        why = ""
    except AcceptanceError as error:
        why = str(error)
        raise
    finally:
        found.close(why)
        thread.join(_STOP_SECONDS)


@contextmanager
def workers_for(
    plans: Sequence[LoadPlan], count: int | None, listen: str, within: float, echo: Echo
) -> Iterator[Callable[[LoadPlan, Path], LoadResult] | None]:
    """What sends loads by so many workers, which have connected within so many seconds; None without a count.

    Raises `SettingsError`, also for a plan that cannot be divided, and `WorkersFailed`.
    """
    if count is None:
        yield None
        return
    for plan in plans:
        shares(plan, count)
    with master(parse_address(listen), count, echo) as found:
        found.wait_for_workers(within)
        yield found.run


def _require_free(address: Address) -> None:
    """With the reason of the system; Locust's own has none. Raises `SettingsError`."""
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family) as attempt:
            attempt.bind((address.host, address.port))
    except OSError as error:
        raise SettingsError(
            f"--listen {address}: {error.strerror or error}; choose another address or port"
        ) from None


def _read(worker: _Worker, share: LoadPlan, folder: Path) -> WorkerResult:
    """Its files are left in the folder. Raises `WorkersFailed` for what are no records."""
    folder.mkdir(exist_ok=True)
    try:
        for name, text in unpacked(worker.parts).items():
            (folder / Path(name).name).write_text(text, encoding="utf-8")
        result = read_result(share, folder)
    except (OSError, ValueError, TypeError) as error:
        raise WorkersFailed(f"{worker} has sent no records: {error}") from None
    start_ns = int(worker.answers[Kind.BEGUN][1]["start_ns"])
    return WorkerResult(worker.number, worker.host, start_ns, result)
