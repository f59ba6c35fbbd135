"""A worker: a guarded behave run in a process of its own that runs one feature file after the other.

It exchanges messages (support/runner/messages.py) with its coordinator (support/runner/coordinator.py) over
the connection that is its standard input.

It imports what it needs before its start message arrives. Without one it ends and prints nothing: the
process that started it has found what is wrong with the run, and reports it.
"""

from __future__ import annotations

import faulthandler
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar, cast

import behave.capture

from support.errors import EXIT_HARNESS, EXIT_PASSED
from support.http.responsiveness import RESPONSIVENESS
from support.programs.deferred_interrupts import defer_interrupts
from support.reporting.behave_events import RunError, location_of
from support.reporting.recorder import safe_check
from support.results.behave_types import BehaveConfig, BehaveFeature, BehaveScenario
from support.results.check import CheckResult
from support.results.redaction import RedactedStream
from support.runner.behave_config import behave_configuration, settings_of
from support.runner.messages import (
    ChecksMessage,
    EndMessage,
    FeatureMessage,
    IdleMessage,
    LostServerMessage,
    StartMessage,
)
from support.runner.scenario_runner import ScenarioRunner
from support.runner.signals import Signals
from support.runner.worker_pool import SCENARIO_SEPARATOR

if TYPE_CHECKING:
    from support.runner.messages import FromWorker, ToWorker

M = TypeVar("M", StartMessage, FeatureMessage)
LOG_DESCRIPTOR = 2


class CoordinatorConnection:
    """The connection to the coordinator, taken from standard input."""

    def __init__(self) -> None:
        # Steps and their children find an empty standard input, and cannot keep this open.
        self._connection: Connection[FromWorker, ToWorker] = Connection(os.dup(0))
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)

    def receive(self, kind: type[M]) -> M | None:
        """The next message; None: the run does not start, or there is no more to run."""
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            return None
        assert message is None or isinstance(message, kind)
        return message

    def send(self, message: FromWorker) -> None:
        # A signal must not cut a message in two.
        with defer_interrupts():
            self._connection.send(message)


def log(text: str) -> None:
    """Write to standard error of the process itself: it is in the evidence when the process crashes."""
    # A full disk costs the text, not the step that prints it.
    with suppress(OSError):
        os.write(LOG_DESCRIPTOR, text.encode(errors="backslashreplace"))


class TeeStream:
    """A text stream that goes to the log, and to the terminal as well when this worker prints there.

    The formatters of the suite write to `terminal` alone: their progress is no evidence.
    """

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal
        self.to_terminal = False

    def write(self, text: str) -> int:
        log(text)
        if self.to_terminal:
            self.terminal.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        return getattr(self.terminal, name)


class TeeCapture(io.StringIO):
    """Captured output of a step goes to the log as well: it would be lost with the process."""

    def write(self, text: str) -> int:
        log(text)
        return super().write(text)


class StartRefused(Exception):
    """The run does not start."""


class WorkerRunner(ScenarioRunner):
    """Runs the features that the coordinator assigns."""

    def __init__(self, config: BehaveConfig, signals: Signals, connection: CoordinatorConnection) -> None:
        super().__init__(config, signals)
        self._connection = connection
        self._started = False
        self._is_alone = False

    def work(self) -> int:
        """Run all that is assigned; the exit code. Raises `StartRefused`."""
        resolved = settings_of(self.config)
        with self.path_manager:
            self.setup_paths()
            self.load_code()
            scenarios = self.selected_by_cases(self.selected(), resolved.settings.selected_checks)
            start = self.wait_for_start()
            self.prepare(scenarios, resolved, start.target, start.stacks)
            assert self.suite is not None
            self.suite.report_checks = self._send_checks
            results = resolved.settings.acceptance_reports_dir / "allure-results"
            failed = self.run_features(self._assigned_features(), results, self._connection.send)
        return EXIT_HARNESS if failed and not self.failed else EXIT_PASSED

    def wait_for_start(self) -> StartMessage:
        """Apply the start message. Raises `StartRefused`."""
        message = self._connection.receive(StartMessage)
        self._started = True
        if message is None:
            raise StartRefused
        self._is_alone = message.to_terminal
        apply_start(message, self.config)
        return message

    def report_start_error(self, error: BaseException) -> None:
        """What was wrong before the first feature. Raises `StartRefused`."""
        if not self._started:
            # Nothing is reported of a run that does not start.
            self.wait_for_start()
        self._connection.send(RunError.from_exception("start of the worker", error))

    def scenario_started(self, scenario: BehaveScenario) -> None:
        log(f"{SCENARIO_SEPARATOR}\n")
        super().scenario_started(scenario)

    def report_lost_server(self, base_url: str, error: RunError) -> None:
        """One of several workers leaves it to the coordinator: the others lose the server as well."""
        if self._is_alone:
            super().report_lost_server(base_url, error)
        else:
            self._connection.send(LostServerMessage(base_url, error))

    def _send_checks(self, checks: Sequence[CheckResult]) -> None:
        self._connection.send(ChecksMessage(tuple(map(safe_check, checks))))

    def _assigned_features(self) -> Iterator[BehaveFeature]:
        features: dict[str, BehaveFeature] = {feature.filename: feature for feature in self.features}
        try:
            while not self.aborted:
                self._connection.send(IdleMessage())
                message = self._connection.receive(FeatureMessage)
                if message is None:
                    return
                RESPONSIVENESS.mark_lost(message.lost)
                feature = features[message.file]
                _skip_scenarios(feature, message.skip)
                yield feature
                if self.config.stop and feature.status.has_failed():
                    return
        except KeyboardInterrupt as interruption:
            # Between two features: `after_all` and the formatters still have their turn.
            self.abort(reason=str(interruption))


def _skip_scenarios(feature: BehaveFeature, places: frozenset[str]) -> None:
    for scenario in feature.walk_scenarios():
        if location_of(scenario) in places:
            scenario.mark_skipped()
            # Without a reason, as one that is not selected: so it is not reported again.
            scenario.skip_reason = None


def apply_start(message: StartMessage, configuration: BehaveConfig) -> None:
    """Let this process and its formatters write where the message requires it."""
    if not message.to_terminal:
        # The coordinator prints the outcomes; all that is printed here goes into the worker's log.
        configuration.format = ["null"]
        os.dup2(LOG_DESCRIPTOR, 1)
        return
    os.set_inheritable(message.terminal_errors, False)
    errors = os.fdopen(message.terminal_errors, "w", errors="backslashreplace")
    cast(TeeStream, sys.stderr).terminal = cast(TextIO, RedactedStream(errors))
    for stream in (sys.stdout, sys.stderr):
        cast(TeeStream, stream).to_terminal = True
    if message.is_replacement:
        # The output files of the crashed worker stay as they are: opened once more, they would be emptied.
        paired = zip(configuration.format, configuration.outputs, strict=False)
        kept = [pair for pair in paired if pair[1].name is None]
        rest = configuration.format[len(configuration.outputs) :]
        configuration.format = [name for name, _ in kept] + rest or ["null"]
        configuration.outputs[:] = [opener for _, opener in kept]


def main(argv: list[str]) -> int:
    """The process of a worker; `argv`: behave's command line."""
    faulthandler.enable()
    connection = CoordinatorConnection()
    output = TeeStream(cast(TextIO, RedactedStream(sys.stdout)))
    # Steps print to either name; behave's formatters were given the first one by its configuration.
    sys.stdout = sys.__stdout__ = output  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = TeeStream(output.terminal)  # type: ignore[misc, assignment]
    behave.capture.StringIO = TeeCapture
    signals = Signals()
    with signals.handling():
        try:
            code = _work(argv, connection, signals)
        except (StartRefused, KeyboardInterrupt):
            code = EXIT_PASSED
        connection.send(EndMessage(signals.exit_code or code))
    return code


def _work(argv: list[str], connection: CoordinatorConnection, signals: Signals) -> int:
    runner = WorkerRunner(behave_configuration(argv), signals, connection)
    try:
        return runner.work()
    except (StartRefused, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - reported to the coordinator
        runner.report_start_error(error)
        return EXIT_HARNESS
    finally:
        runner.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
