"""The behave runner of the suite: checked before it starts, honest when it ends.

Stock behave (1.3.3) is green when nothing was selected and when a step calls `sys.exit(0)`, dies of SIGTERM
with its children alive, and knows only the exit codes 0 and 1. This runner closes these gaps; it is used by
`python -m behave` and by `acceptance run` alike, through `[tool.behave]` in pyproject.toml.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from behave.formatter._registry import make_formatters
from behave.formatter.base import StreamOpener
from behave.model_type import Status
from behave.runner import Context, Runner
from behave.runner_util import parse_features

from support.errors import (
    EXIT_FAILED,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_NOTHING_SELECTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
    AcceptanceError,
    NothingSelected,
)
from support.reporting.allure_adapter import AcceptanceAllure
from support.reporting.recorder import Recorder
from support.reporting.run_reports import RunReports
from support.reporting.verdict import Verdict
from support.running import tags
from support.running.judge import judge, with_deviation
from support.running.needs import unmet
from support.running.processes import stop_everything
from support.running.speech import speaks
from support.settings import load_settings
from support.suite import Suite
from support.target.deviations import Deviations
from support.target.discovery import discover

# Options of formatters and of the front door, handed over as behave userdata.
INTERNAL = frozenset({"suite", "worker", "target_label", "allure_keep"})


class GuardedRunner(Runner):  # type: ignore[misc]
    """behave's runner with settings, target, verdicts, signals and exit codes."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.suite: Suite | None = None
        self.signalled: int | None = None

    def run(self) -> bool:
        """Ends with SystemExit for every outcome but a plain pass, since behave itself knows only 0 and 1."""
        try:
            with self._signals():
                code = self._run()
        except AcceptanceError as error:
            print(f"acceptance: {error}", file=sys.stderr)
            code = error.exit_code
        finally:
            if self.suite is not None:
                self.suite.close()
            stop_everything()
        if code != EXIT_PASSED:
            raise SystemExit(code)
        return False

    def _run(self) -> int:
        defines = {k: v for k, v in self.config.userdata.items() if k not in INTERNAL and "." not in k}
        in_force = load_settings(defines)
        tags.check_expression(self._tag_expressions())
        with self.path_manager:
            self.setup_paths()
            scenarios = self._load()
            if self.config.dry_run:
                return EXIT_FAILED if self._run_features() else EXIT_PASSED
            deviations = Deviations.load() if in_force.settings.acceptance_deviations else Deviations(())
            target = discover(in_force.settings)
            self.suite = Suite(in_force, target)
            reports = RunReports(in_force, target)
            reports.prepare()
            reports.say_first()
            speaking = speaks(self.suite)
            for scenario in scenarios:
                reason = unmet(scenario.effective_tags, in_force.settings, target, speaking)
                if reason is not None:
                    # Not `skip()`: that prints a line of its own in the middle of everything.
                    scenario.mark_skipped()
                    scenario.skip_reason = reason
                self._watch(scenario, deviations)
            self.config.userdata["target_label"] = target.label
            started = time.time()
            failed = self._run_features(reports)
        verdicts = [scenario.verdict for scenario in scenarios if hasattr(scenario, "verdict")]
        code = self._exit_code(failed, verdicts)
        return reports.finish(
            code, suite=str(self.config.userdata.get("suite", "acceptance")), started=started
        )

    def _tag_expressions(self) -> list[str]:
        given = self.config.tags
        return [given] if isinstance(given, str) else [str(part) for part in given or ()]

    def _load(self) -> list[Any]:
        """Hooks, steps and features; the scenarios that are selected. Raises `NothingSelected`."""
        self.context = Context(self)
        self.load_hooks()
        self.load_step_definitions()
        locations = [name for name in self.feature_locations() if not self.config.exclude(name)]
        self.features.extend(parse_features(locations, language=self.config.lang))
        selected = [
            scenario
            for feature in self.features
            for scenario in feature.walk_scenarios()
            if scenario.should_run(self.config)
        ]
        if not selected:
            where = ", ".join(map(str, self.config.paths)) or "features"
            raise NothingSelected(
                f"no scenario selected in {where} by tags {' '.join(self._tag_expressions()) or '(none)'!r}"
                f"{' and names ' + repr(self.config.name) if self.config.name else ''}: "
                "nothing would be checked; choose another selection"
            )
        return selected

    def _run_features(self, reports: RunReports | None = None) -> bool:
        self.context.suite = self.suite
        self.formatters = make_formatters(self.config, self.config.outputs)
        if reports is not None:
            self.config.junit_directory = str(reports.junit)
            self.formatters += [
                Recorder(StreamOpener(str(reports.records)), self.config),
                AcceptanceAllure(StreamOpener(str(reports.results)), self.config),
            ]
        return bool(self.run_model())

    def _watch(self, scenario: Any, deviations: Deviations) -> None:
        """Give the scenario its verdict when it has run, hooks and cleanups included."""
        inner = scenario.run

        def run(runner: GuardedRunner) -> bool:
            assert self.suite is not None
            failed = bool(inner(runner))
            aborted = self._aborted_why()
            target = self.suite.target
            entry = deviations.find(target.program, target.version, scenario.name)
            verdict = with_deviation(judge(scenario, aborted), entry)
            scenario.verdict = verdict
            if verdict.status == "known_issue":
                scenario.set_status(Status.skipped)
                return False
            if verdict.gates and not failed:
                scenario.set_status(Status.failed)
            return failed or verdict.gates

        scenario.run = run

    def _aborted_why(self) -> str | None:
        if self.signalled is not None:
            return f"the run was ended by {signal.Signals(self.signalled).name}"
        return "the run was cut short" if self.aborted else None

    def _exit_code(self, failed: bool, verdicts: list[Verdict]) -> int:
        if self.signalled == signal.SIGTERM:
            return EXIT_TERMINATED
        if self.signalled is not None or self.aborted:
            return EXIT_INTERRUPTED if self.signalled is not None else EXIT_HARNESS
        if any(verdict.gates for verdict in verdicts):
            return EXIT_FAILED
        if failed:
            return EXIT_HARNESS
        if all(verdict.status == "skipped" for verdict in verdicts):
            print("acceptance: every selected scenario was skipped: nothing was checked", file=sys.stderr)
            return EXIT_NOTHING_SELECTED
        return EXIT_PASSED

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """The first signal ends the run in order, the second at once; children are ended by both."""

        def receive(number: int, _frame: FrameType | None) -> None:
            if self.signalled is not None:
                stop_everything()
                os._exit(128 + number)
            self.signalled = number
            raise KeyboardInterrupt

        numbers = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.signal(number, receive) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
