"""A worker: a guarded behave run in a process of its own that is given one feature file after the other.

It talks with its coordinator (support/runner/coordinator.py) over the socket that is its standard input, in
lines of JSON. To the worker: a greeting with the target, then one `{"file": .., "over": [..]}` for each
feature file, with the places of the scenarios that are over already. To the coordinator: result records as
they come, `{"ready": true}` when there is nothing to do, and `{"end": code}` last: a worker that ends
without it has died.

It loads what it needs before the greeting comes. One that is not greeted ends without a word: the master has
found what is wrong with the run, and says so.
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO, cast

import behave.capture
from behave.formatter.base import StreamOpener

from support.errors import EXIT_HARNESS, EXIT_PASSED
from support.programs.deferred_interrupts import defer_interrupts
from support.reporting.behave_events import RunError, location_of
from support.results.redaction import RedactedStream
from support.runner.behave_config import behave_configuration, settings_of
from support.runner.scenario_runner import ScenarioRunner
from support.runner.signals import Signals
from support.runner.worker_pool import SCENARIO_SEPARATOR
from support.servers.discovery import CommandTarget, Target, UrlTarget

LOG_DESCRIPTOR = 2


class Channel:
    """The way to the master. Also a text stream for records, of which a signal must not cut one in two."""

    encoding = "ascii"
    closed = False

    def __init__(self) -> None:
        # Steps and their children find an empty standard input, and cannot hold this open.
        self._socket = socket.socket(fileno=os.dup(0))
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        self._lines = self._socket.makefile("r", encoding="ascii")

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None when there will be none."""
        line = self._lines.readline()
        return json.loads(line) if line.endswith("\n") else None

    def send(self, **message: Any) -> None:
        self.write(json.dumps(message) + "\n")

    def write(self, text: str) -> int:
        with defer_interrupts():
            self._socket.sendall(text.encode("ascii"))
        return len(text)

    def flush(self) -> None:
        return


def log(text: str) -> None:
    """What stands there is in the evidence when the process dies. Standard error of the process itself."""
    os.write(LOG_DESCRIPTOR, text.encode(errors="backslashreplace"))


class TeeStream:
    """A text stream that goes to the log, and to `terminal` as well when this worker speaks to the person.

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self.terminal, name)


class TeeCapture(io.StringIO):
    """What behave captures of a step: it would be lost with the process."""

    def write(self, text: str) -> int:
        log(text)
        return super().write(text)


class WorkerRunner(ScenarioRunner):
    """Runs what the master hands out."""

    def __init__(self, config: Any, signals: Signals, channel: Channel) -> None:
        super().__init__(config, signals)
        self._channel = channel

    def work(self, wait_for_start: Any) -> int:
        """All that is handed out, after `hear` has waited for the greeting; the exit code."""
        in_force = settings_of(self.config)
        with self.path_manager:
            self.setup_paths()
            self.load_code()
            scenarios = self.selected()
            greeting = wait_for_start()
            target = target_from_json(greeting["target"])
            self.prepare(scenarios, in_force, target, Path(greeting["stacks"]))
            failed = self.run_features(
                in_force.settings.acceptance_reports_dir,
                StreamOpener(stream=self._channel, encoding="ascii"),
                self._assigned_features(),
            )
        return EXIT_HARNESS if failed and not self.failed else EXIT_PASSED

    def scenario_started(self, scenario: Any) -> None:
        log(f"{SCENARIO_SEPARATOR}\n")
        super().scenario_started(scenario)

    def _assigned_features(self) -> Iterator[Any]:
        features = {str(feature.filename): feature for feature in self.features}
        try:
            while not self.aborted:
                self._channel.send(ready=True)
                task = self._channel.receive()
                if task is None:
                    return
                feature = features[task["file"]]
                _skip_scenarios(feature, task["over"])
                yield feature
                if self.config.stop and feature.status.has_failed():
                    return
        except KeyboardInterrupt as interruption:
            # While nothing ran: `after_all` and the formatters still have their turn.
            self.abort(reason=str(interruption))


def _skip_scenarios(feature: Any, places: list[str]) -> None:
    for scenario in feature.walk_scenarios():
        if location_of(scenario) in places:
            scenario.mark_skipped()
            # Without a reason: as one that nobody selected, so that it is not reported again.
            scenario.skip_reason = None


def target_to_json(target: Target) -> dict[str, Any]:
    """As JSON has it."""
    return json.loads(json.dumps(asdict(target), default=str))  # type: ignore[no-any-return]


def target_from_json(message: dict[str, Any]) -> Target:
    """What `target_to` made a message of."""
    if "url" in message:
        return UrlTarget(**message | {"models": tuple(message["models"])})
    return CommandTarget(**message | {"path": Path(message["path"])})


class _NotStarted(Exception):
    """The master has given up."""


class _StartMessage:
    """Waits for the greeting, once, and lets this process be heard as it says."""

    def __init__(self, channel: Channel, configuration: Any) -> None:
        self._channel = channel
        self._configuration = configuration
        self._message: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._message is None:
            self._message = self._channel.receive()
            if self._message is None:
                raise _NotStarted
            self._apply(self._message)
        return self._message

    def _apply(self, message: dict[str, Any]) -> None:
        configuration = self._configuration
        if not message["speaks"]:
            # The master tells the person; here everything goes into the worker's log.
            configuration.format = ["null"]
            os.dup2(LOG_DESCRIPTOR, 1)
            return
        os.set_inheritable(message["errors"], False)
        errors = os.fdopen(message["errors"], "w", errors="backslashreplace")
        cast(TeeStream, sys.stderr).terminal = cast(TextIO, RedactedStream(errors))
        for voice in (sys.stdout, sys.stderr):
            cast(TeeStream, voice).to_terminal = True
        if message["anew"]:
            # What the dead one wrote into files stays as it is: a second one would begin them again.
            paired = zip(configuration.format, configuration.outputs, strict=False)
            kept = [pair for pair in paired if pair[1].name is None]
            rest = configuration.format[len(configuration.outputs) :]
            configuration.format = [name for name, _ in kept] + rest or ["null"]
            configuration.outputs[:] = [opener for _, opener in kept]


def main(argv: list[str]) -> int:
    """The process of a worker; `words` are behave's."""
    faulthandler.enable()
    channel = Channel()
    voice = TeeStream(cast(TextIO, RedactedStream(sys.stdout)))
    # Steps print to either name; behave's formatters were given the first one by its configuration.
    sys.stdout = sys.__stdout__ = voice  # type: ignore[misc, assignment]
    sys.stderr = sys.__stderr__ = TeeStream(voice.terminal)  # type: ignore[misc, assignment]
    behave.capture.StringIO = TeeCapture
    signals = Signals()
    with signals.handling():
        try:
            code = _work(argv, channel, signals)
        except (_NotStarted, KeyboardInterrupt):
            code = EXIT_PASSED
        channel.send(end=signals.exit_code or code)
    return code


def _work(argv: list[str], channel: Channel, signals: Signals) -> int:
    configuration = behave_configuration(argv)
    hear = _StartMessage(channel, configuration)
    runner = WorkerRunner(configuration, signals, channel)
    try:
        return runner.work(hear)
    except (_NotStarted, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        hear()
        channel.send(outside=asdict(RunError.from_exception("start of the worker", error)))
        return EXIT_HARNESS
    finally:
        runner.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
