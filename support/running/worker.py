"""A worker: a guarded behave run in a process of its own that is given one feature file after the other.

It talks with its master (support/running/master.py) over the socket that is its standard input, in lines of
JSON. To the worker: the target, then one `{"file": .., "over": [..]}` for each feature file, with the places
of the scenarios that are over already. To the master: result records as they come, `{"ready": true}` when
there is nothing to do, and `{"end": code}` last: a worker that ends without it has died.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from behave.formatter.base import StreamOpener

from support.reporting.observing import location_of
from support.reporting.run_reports import RunReports
from support.running.budgets import Budgets
from support.running.front import configured, run_to_its_end
from support.running.guard import GuardedRunner
from support.running.interrupts import uninterrupted
from support.target.discovery import CommandTarget, Target, UrlTarget


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
        with uninterrupted():
            self._socket.sendall(text.encode("ascii"))
        return len(text)

    def flush(self) -> None:
        return


class WorkerRunner(GuardedRunner):
    """Runs what the master hands out."""

    def __init__(self, config: Any, channel: Channel) -> None:
        super().__init__(config)
        self._channel = channel

    def _run(self) -> int:
        target = target_from(self._channel.receive() or {})
        in_force = self._settings()
        with self.path_manager:
            self.setup_paths()
            self._load_code()
            scenarios = self.selected()
            reports = RunReports(in_force, target)
            stacks = reports.stacks.with_stem(f"{reports.stacks.stem}-{self.config.userdata['worker']}")
            self.budgets = Budgets(in_force.settings.acceptance_time_factor, stacks)
            self._get_ready(scenarios, in_force, target)
            failed = self._run_features(reports)
        verdicts = [scenario.verdict for scenario in scenarios if hasattr(scenario, "verdict")]
        return self._exit_code(failed, verdicts)

    def _record_stream(self, reports: RunReports) -> StreamOpener:
        return StreamOpener(stream=self._channel, encoding="ascii")

    def _features_to_run(self) -> Iterator[Any]:
        features = {str(feature.filename): feature for feature in self.features}
        try:
            while not self.aborted:
                self._channel.send(ready=True)
                task = self._channel.receive()
                if task is None:
                    return
                feature = features[task["file"]]
                _leave_out(feature, task["over"])
                yield feature
                if self.config.stop and feature.status.has_failed():
                    return
        except KeyboardInterrupt as interruption:
            # While nothing ran: `after_all` and the formatters still have their turn.
            self.abort(reason=str(interruption))


def _leave_out(feature: Any, places: list[str]) -> None:
    for scenario in feature.walk_scenarios():
        if location_of(scenario) in places:
            scenario.mark_skipped()
            # Without a reason: as one that nobody selected, so that it is not reported again.
            scenario.skip_reason = None


def target_to(target: Target) -> dict[str, Any]:
    """As JSON has it."""
    return json.loads(json.dumps(asdict(target), default=str))  # type: ignore[no-any-return]


def target_from(message: dict[str, Any]) -> Target:
    """What `target_to` made a message of."""
    if "url" in message:
        return UrlTarget(**message | {"models": tuple(message["models"])})
    return CommandTarget(**message | {"path": Path(message["path"])})


def main(words: list[str]) -> int:
    """The process of a worker; `words` are behave's."""
    channel = Channel()
    configuration = configured(words)
    # The master tells the person; here everything goes into the worker's log.
    configuration.format = ["null"]
    code = run_to_its_end(WorkerRunner(configuration, channel))
    channel.send(end=code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
