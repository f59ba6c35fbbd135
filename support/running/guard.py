"""The behave runner of the suite: checked before it starts, honest when it ends.

Stock behave (1.3.3) is green when nothing was selected and when a step calls `sys.exit(0)`, dies of SIGTERM
with its children alive, and knows only the exit codes 0 and 1. This runner closes these gaps; it is used by
`python -m behave` and by `acceptance run` alike, through `[tool.behave]` in pyproject.toml.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

from behave.exception import ConfigError, InvalidFileLocationError, InvalidFilenameError
from behave.formatter._registry import make_formatters
from behave.formatter.base import StreamOpener
from behave.model_type import Status
from behave.parser import ParserError
from behave.reporter.junit import JUnitReporter
from behave.runner import Context, Runner, the_step_registry
from behave.runner_util import FileNotFoundError as FeatureNotFound
from behave.runner_util import parse_features

from support.errors import (
    EXIT_BUDGET,
    EXIT_FAILED,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_NOTHING_SELECTED,
    EXIT_PASSED,
    EXIT_TERMINATED,
    EXIT_USAGE,
    AcceptanceError,
    NothingSelected,
    SettingsError,
)
from support.reporting.allure_adapter import AcceptanceAllure
from support.reporting.evidence import settle
from support.reporting.recorder import Recorder
from support.reporting.run_reports import RunReports
from support.reporting.verdict import Verdict
from support.running import tags
from support.running.budgets import Budgets, Kind, is_over_budget, tagged
from support.running.interrupts import interrupt, uninterrupted
from support.running.judge import judge, with_deviation
from support.running.needs import unmet
from support.running.processes import stop_everything
from support.settings import SettingsInForce, load_settings
from support.target.deviations import Deviations
from support.target.discovery import Target, discover

if TYPE_CHECKING:
    from support.suite import Suite

# Options of formatters and of the front door, handed over as behave userdata.
INTERNAL = frozenset({"suite", "worker", "target_label", "allure_keep"})
# What behave says about a path or a feature file that it cannot use.
UNUSABLE = (ConfigError, FeatureNotFound, InvalidFileLocationError, InvalidFilenameError, ParserError)


def complaint(error: Exception) -> str:
    """An error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if "^" not in line]
    reason = "no such feature file or folder: " if isinstance(error, FeatureNotFound) else ""
    return f"acceptance: {reason}{'; '.join(line for line in lines if line)}"


class LimitedContext(Context):  # type: ignore[misc]
    """behave's context, whose cleanups have a time budget."""

    def add_cleanup(self, cleanup_func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        name = getattr(cleanup_func, "__name__", "a cleanup")
        super().add_cleanup(self._runner.limited("cleanup", name, cleanup_func), *args, **kwargs)


class GuardedRunner(Runner):  # type: ignore[misc]
    """behave's runner with settings, target, verdicts, signals and exit codes."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.suite: Suite | None = None
        self.budgets = Budgets()
        self.signalled: int | None = None
        self._cleanup_error: Exception | None = None

    def run(self) -> bool:
        """Ends with SystemExit for every outcome but a plain pass, since behave itself knows only 0 and 1."""
        try:
            with self._signals():
                code = self._run()
        except AcceptanceError as error:
            print(f"acceptance: {error}", file=sys.stderr)
            code = error.exit_code
        except UNUSABLE as error:
            print(complaint(error), file=sys.stderr)
            code = EXIT_USAGE
        except KeyboardInterrupt:
            code = self._exit_code(failed=True, verdicts=[])
        except SystemExit as end:
            print(f"acceptance: the run was left by sys.exit({end.code!r})", file=sys.stderr)
            code = EXIT_HARNESS
        finally:
            self._close()
        if self.signalled is not None and code == EXIT_PASSED:
            code = self._exit_code(failed=True, verdicts=[])
        if code != EXIT_PASSED:
            raise SystemExit(code)
        return False

    def _close(self) -> None:
        """End what the run started; a first signal waits for it, a second one does the same at once."""
        with suppress(KeyboardInterrupt), self._signals(), uninterrupted():
            self.budgets.close()
            if self.suite is not None:
                self.suite.close()
            stop_everything()

    def _remove_folder(self) -> None:
        if self.suite is not None:
            shutil.rmtree(self.suite.folder, ignore_errors=True)

    def _settings(self) -> SettingsInForce:
        """Raises `SettingsError` for a wrong setting, and for a tag expression that cannot be meant."""
        defines = {k: v for k, v in self.config.userdata.items() if k not in INTERNAL and "." not in k}
        in_force = load_settings(defines)
        tags.check_expression(self._tag_expressions())
        return in_force

    def _run(self) -> int:
        in_force = self._settings()
        with self.path_manager:
            self.setup_paths()
            self._load_code()
            scenarios = self.selected()
            if self.config.dry_run:
                return EXIT_FAILED if self._run_features() else EXIT_PASSED
            target = discover(in_force.settings)
            reports = RunReports(in_force, target)
            reports.prepare()
            self.budgets = Budgets(in_force.settings.acceptance_time_factor, reports.stacks)
            reports.say_first()
            self._get_ready(scenarios, in_force, target)
            started = time.time()
            failed = self._run_features(reports)
        verdicts = [scenario.verdict for scenario in scenarios if hasattr(scenario, "verdict")]
        code = self._exit_code(failed, verdicts)
        return reports.finish(
            code, suite=str(self.config.userdata.get("suite", "acceptance")), started=started
        )

    def _get_ready(self, scenarios: list[Any], in_force: SettingsInForce, target: Target) -> None:
        """Make the suite, skip what lacks something, have every scenario watched."""
        deviations = Deviations.load() if in_force.settings.acceptance_deviations else Deviations(())
        # Not at the top: numpy and the tokenizers come with them, and a refusal need not wait for those.
        from support.running.speech import speaks
        from support.suite import Suite

        with uninterrupted():
            self.suite = Suite(in_force, target)
        speaking = speaks(self.suite)
        for scenario in scenarios:
            reason = unmet(scenario.effective_tags, in_force.settings, target, speaking)
            if reason is not None:
                # Not `skip()`: that prints a line of its own in the middle of everything.
                scenario.mark_skipped()
                scenario.skip_reason = reason
            self._watch(scenario, deviations)
        self.config.userdata["target_label"] = target.label

    def _tag_expressions(self) -> list[str]:
        given = self.config.tags
        return [given] if isinstance(given, str) else [str(part) for part in given or ()]

    def _load_code(self) -> None:
        """Hooks and steps."""
        self.context = LimitedContext(self)
        self.load_hooks()
        self.load_step_definitions()
        self._limit_hooks_and_steps()

    def selected(self) -> list[Any]:
        """Read the features; the scenarios that are selected. Raises `NothingSelected`."""
        where = ", ".join(map(str, self.config.paths)) or "features"
        found = self.feature_locations()
        if not found:
            raise SettingsError(f"no feature file in {where}; give a file or a folder of features")
        locations = [name for name in found if not self.config.exclude(name)]
        self.features.extend(parse_features(locations, language=self.config.lang))
        selected = [
            scenario
            for feature in self.features
            for scenario in feature.walk_scenarios()
            if scenario.should_run(self.config)
        ]
        if not selected:
            raise NothingSelected(
                f"no scenario selected in {where} by tags {' '.join(self._tag_expressions()) or '(none)'!r}"
                f"{' and names ' + repr(self.config.name) if self.config.name else ''}: "
                "nothing would be checked; choose another selection"
            )
        return selected

    def _limit_hooks_and_steps(self) -> None:
        for name, hook in self.hooks.items():
            self.hooks[name] = self.limited("hook", name, hook)
        for kind, definitions in the_step_registry.steps.items():
            for definition in definitions:
                # An earlier run of this process (--iterations) has left the steps with its own limits on.
                step = inspect.unwrap(definition.func)
                if not inspect.iscoroutinefunction(step):
                    words = f"{kind.capitalize()} {definition.pattern}"
                    definition.func = _staying(self.limited("step", words, step))

    def limited(self, kind: Kind, words: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same, within its time budget."""

        @functools.wraps(work)
        def run(*args: Any, **kwargs: Any) -> Any:
            return self.budgets.keep(kind, words, functools.partial(work, *args, **kwargs))

        return run

    def _run_features(self, reports: RunReports | None = None) -> bool:
        self.context.suite = self.suite
        self.context.on_cleanup_error = self._note_cleanup_error
        try:
            self.formatters = make_formatters(self.config, self.config.outputs)
            if reports is not None:
                # One writer of JUnit: behave's own knows no reason of a skip, and no secret.
                self.config.reporters = [r for r in self.config.reporters if not isinstance(r, JUnitReporter)]
                self.formatters += [
                    Recorder(self._record_stream(reports), self.config),
                    AcceptanceAllure(StreamOpener(str(reports.results)), self.config),
                ]
            return bool(self.run_model(self._features_to_run()))
        except KeyboardInterrupt:
            # It came while no feature ran: behave lets it through, and what was recorded is worth a report.
            return True

    def _record_stream(self, reports: RunReports) -> StreamOpener:
        return StreamOpener(str(reports.records))

    def _features_to_run(self) -> Iterable[Any]:
        features: list[Any] = self.features
        return features

    def _note_cleanup_error(self, context: Any, cleanup: Any, error: Exception) -> None:
        Context.print_cleanup_error(context, cleanup, error)
        self._cleanup_error = self._cleanup_error or error

    def _watch(self, scenario: Any, deviations: Deviations) -> None:
        """Give the scenario its verdict when it has run, hooks and cleanups included."""
        inner = scenario.run

        def run(runner: GuardedRunner) -> bool:
            assert self.suite is not None
            self._cleanup_error = None
            self.budgets.begin(scenario.name, tagged(scenario.tags, scenario.effective_tags))
            failed = bool(inner(runner))
            over = self.budgets.end()
            self._tell_cleanup_error(scenario)
            aborted = self._aborted_why()
            target = self.suite.target
            entry = deviations.find(target.program, target.version, scenario.name)
            strict = self.suite.in_force.settings.acceptance_strict
            verdict = judge(scenario, aborted, strict=strict)
            if over is not None and verdict.status == "passed":
                verdict = Verdict("failed", over)
            verdict = with_deviation(verdict, entry)
            scenario.verdict = verdict
            in_force = self.suite.in_force
            settle(scenario, verdict, in_force.table(), in_force.settings.acceptance_reports_dir)
            if verdict.status == "known_issue":
                scenario.set_status(Status.skipped)
                return False
            if verdict.gates and not failed:
                scenario.set_status(Status.failed)
            return failed or verdict.gates

        scenario.run = run

    def _tell_cleanup_error(self, scenario: Any) -> None:
        """behave prints what went wrong in a cleanup and forgets it."""
        error = self._cleanup_error
        if error is not None and scenario.exception is None and not scenario.error_message:
            scenario.exception = error
            scenario.error_message = "".join(traceback.format_exception(error))

    def _aborted_why(self) -> str | None:
        if self.signalled is not None:
            return f"the run was ended by {signal.Signals(self.signalled).name}"
        return "the run was cut short" if self.aborted else None

    def _exit_code(self, failed: bool, verdicts: list[Verdict]) -> int:
        if self.signalled == signal.SIGTERM:
            return EXIT_TERMINATED
        if self.signalled is not None or self.aborted:
            return EXIT_INTERRUPTED if self.signalled is not None else EXIT_HARNESS
        gating = [verdict for verdict in verdicts if verdict.gates]
        if gating:
            return EXIT_BUDGET if all(map(is_over_budget, gating)) else EXIT_FAILED
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
                self._remove_folder()
                os._exit(128 + number)
            self.signalled = number
            interrupt(f"the run was ended by {signal.Signals(number).name}")

        numbers = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.signal(number, receive) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _staying(step: Callable[..., Any]) -> Callable[..., Any]:
    """`sys.exit(0)` in a step would end the run with its code, without hooks, cleanups and reports."""

    @functools.wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return step(*args, **kwargs)
        except SystemExit as end:
            raise RuntimeError(f"the step called sys.exit({end.code!r})") from end

    return run
