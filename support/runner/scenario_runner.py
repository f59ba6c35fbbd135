"""Runs scenarios in this process: behave's runner with time limits, and a verdict for each scenario.

Used by each worker, and by a run without workers (support/runner/runner.py).
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from behave.async_step import AsyncFunction
from behave.formatter._registry import make_formatters
from behave.formatter.base import StreamOpener
from behave.model_core import FileLocation
from behave.model_type import Status
from behave.reporter.junit import JUnitReporter
from behave.runner import Context, the_step_registry
from behave.runner_util import parse_features

from support.errors import AcceptanceError, NothingSelected, NotSupported, SettingsError
from support.http.responsiveness import RESPONSIVENESS, ServerUnresponsive
from support.programs.deferred_interrupts import defer_interrupts
from support.programs.process import kill_all
from support.reporting.behave_events import RunError, capability_of, location_of, warn_incomplete
from support.reporting.evidence import finalize
from support.reporting.recorder import Recorder
from support.results.behave_types import BehaveConfig, BehaveContext, BehaveFeature, BehaveScenario
from support.results.known_issues import Listing
from support.results.outcome import Verdict
from support.results.record import UNRESPONSIVE, Record
from support.results.rerun_command import set_rerun_target
from support.results.verdicts import (
    TIME_LIMIT,
    apply_known_issues,
    at_moved_clock,
    failures_of,
    interrupted,
    mark_known_elsewhere,
    over_time,
    verdict_of,
)
from support.runner.behave_config import expressions, settings_of
from support.runner.checks_of_scenarios import (
    budget_of_scenario,
    checks_without_scenario,
    leave_out_other_groups,
)
from support.runner.event_runner import EventRunner, GuardedFormatter
from support.runner.requirements import SCRIPTED_MODEL, Requirements
from support.runner.signals import Signals
from support.runner.time_limits import Budgets, Kind
from support.runner.wall_clock import WallClock
from support.servers.discovery import Target, UrlTarget, target_options
from support.servers.post_mortem import cause_of_death
from support.settings import ResolvedSettings
from support.user_files import problem_of, remedy_of

if TYPE_CHECKING:
    from support.suite import RunContext

P = ParamSpec("P")
R = TypeVar("R")
HOOK = re.compile(r"(before|after)_(all|feature|rule|scenario|step|tag)")


class LimitedContext(Context):  # type: ignore[misc]
    """behave's context with a time limit for each cleanup."""

    def add_cleanup(self, cleanup_func: Callable[..., object], *args: object, **kwargs: object) -> None:
        name = getattr(cleanup_func, "__name__", "a cleanup")
        _reject_coroutine(cleanup_func, f"the cleanup {name}")
        super().add_cleanup(self._runner.with_time_limit("cleanup", name, cleanup_func), *args, **kwargs)

    def abort(self, reason: object = None) -> None:
        """As behave's, without its line about a signal: that was acknowledged with a line of the suite."""
        if self._runner.is_signalled:
            self._set_root_attribute("aborted", True)
        else:
            super().abort(reason)


class ScenarioRunner(EventRunner):
    """behave's runner of features, guarded."""

    # behave counts the hooks that failed here.
    hook_failures: int

    def __init__(self, config: BehaveConfig, signals: Signals) -> None:
        super().__init__(config)
        self.suite: RunContext | None = None
        self.budgets = Budgets()
        # Whether a scenario has failed, or something outside all scenarios that was reported.
        self.failed = False
        self._signals = signals
        self._cleanup_error: Exception | None = None
        # The last one that was started.
        self._scenario: BehaveScenario | None = None
        # Reported with the first scenario that would pass all the same.
        self._first_answer_failure = ""

    def load_code(self) -> None:
        """Hooks and steps. Raises AcceptanceError for a hook that behave would never await."""
        self.context = LimitedContext(self)
        self.load_hooks()
        self.load_step_definitions()
        for name in filter(HOOK.fullmatch, list(self.hooks)):
            _reject_coroutine(self.hooks[name], f"the hook {name} of environment.py")
            self.hooks[name] = self.with_time_limit("hook", name, self.hooks[name])
        for kind, definitions in the_step_registry.steps.items():
            for definition in definitions:
                # An earlier run in this process (--iterations) has left its own limits on the steps.
                step = getattr(definition.func, "unlimited", definition.func)
                label = f"{kind.capitalize()} {definition.pattern}"
                definition.func = _contain_exit(self.with_time_limit("step", label, _cancel_tasks(step)))
                definition.func.unlimited = step

    def feature_locations(self) -> Sequence[FileLocation]:
        """behave reads them for the paths, too. Raises `SettingsError` for a list that is no text."""
        try:
            found: Sequence[FileLocation] = super().feature_locations()
        except UnicodeDecodeError as error:
            where = ", ".join(map(str, self.config.paths))
            raise SettingsError(
                f"@FILE in {where}: cannot be read ({problem_of(error)}); save it as UTF-8"
            ) from None
        return found

    def selected(self) -> list[BehaveScenario]:
        """Read the features; the scenarios that are selected. Raises `NothingSelected`.

        Raises SettingsError when there is no feature, or when two scenarios have the same title: known issues
        and reports identify scenarios by title.
        """
        where = ", ".join(map(str, self.config.paths)) or "features"
        found = self.feature_locations()
        if not found:
            raise SettingsError(f"no feature file in {where}; give a file or a folder of features")
        locations = [name for name in found if not self.config.exclude(name)]
        _reject_unreadable(locations)
        self.features.extend(parse_features(locations, language=self.config.lang))
        _reject_unknown_lines(locations, self.features)
        scenarios = [scenario for feature in self.features for scenario in feature.walk_scenarios()]
        _reject_duplicate_titles(scenarios)
        selected = [scenario for scenario in scenarios if scenario.should_run(self.config)]
        if not selected:
            raise NothingSelected(
                f"no scenario selected {self._selection}: nothing would be checked; choose another selection"
            )
        return selected

    def selected_by_cases(
        self, scenarios: list[BehaveScenario], cases: Collection[str]
    ) -> list[BehaveScenario]:
        """The scenarios for these cases (`acceptance_cases`); raises `NothingSelected` when none runs one.

        Without cases, all of them.
        """
        missing = checks_without_scenario(scenarios, cases)
        if missing:
            raise NothingSelected(
                f"no selected scenario runs {', '.join(missing)} (selected {self._selection}): "
                "it would not be checked; choose another selection"
            )
        return leave_out_other_groups(scenarios, cases)

    @property
    def _selection(self) -> str:
        """What was selected, for an error message."""
        where = ", ".join(map(str, self.config.paths)) or "features"
        tags = " ".join(expressions(self.config)) or "(none)"
        cases = settings_of(self.config).settings.acceptance_cases
        # The names that come with cases are the titles of their scenarios, as patterns.
        names = (
            f" and names {', '.join(map(repr, self.config.name))}" if self.config.name and not cases else ""
        )
        return f"in {where} by tags {tags!r}{names}{f' and cases {cases}' if cases else ''}"

    def prepare(
        self, scenarios: list[BehaveScenario], resolved: ResolvedSettings, target: Target, stacks: Path
    ) -> None:
        """Make the suite, skip scenarios with a missing requirement.

        A hard time limit writes its stacks to the file `stacks`.
        """
        self.budgets = Budgets(resolved.settings.acceptance_time_factor, stacks)
        # Not at the top: the coordinator does not need it.
        from support.suite import RunContext

        with defer_interrupts():
            self.suite = RunContext(resolved, target)
        self.suite.step_seconds_left = self.budgets.step_seconds_left
        scope, requirements = resolved.settings.scope, Requirements(resolved.settings, target)
        for scenario in scenarios:
            outside = scope.reason_outside(capability_of(str(scenario.filename)), scenario.name)
            scenario.out_of_scope = outside is not None
            reason = outside or requirements.missing_of(scenario)
            if reason is not None:
                # Not `skip()`: that prints a line of its own between the others.
                scenario.mark_skipped()
                scenario.skip_reason = reason
        self.config.userdata["target_label"] = target.label
        set_rerun_target(target_options(target, resolved.settings))
        self._first_answer_failure = target.first_answer_failure if isinstance(target, UrlTarget) else ""

    def run_features(
        self, features: Iterable[BehaveFeature], results: Path, write: Callable[[Record], object]
    ) -> bool:
        """Run them; whether anything failed. `results`: the folder of Allure's; `write` gets the records."""
        from support.reporting.allure_formatter import AcceptanceAllure

        self.context.suite = self.suite
        self.context.on_cleanup_error = self._record_cleanup_error
        # The suite writes JUnit itself: behave's reporter has no reasons of skips, and redacts nothing.
        self.config.reporters = [r for r in self.config.reporters if not isinstance(r, JUnitReporter)]
        allure = AcceptanceAllure(StreamOpener(str(results)), self.config)
        self.listeners.append(Recorder(write, self.config))
        try:
            # An incomplete report does not change a result.
            guarded = GuardedFormatter(allure, self.budgets, warn_incomplete)
            self.formatters = [*self._chosen_formatters(), guarded]
            failed = bool(self.run_model(features))
            self._report_ended_servers("after the last scenario")
            return failed
        except KeyboardInterrupt:
            # Between two features: behave does not catch it. The records so far are reported.
            return True

    def _chosen_formatters(self) -> list[GuardedFormatter]:
        try:
            chosen = make_formatters(self.config, self.config.outputs)
        except Exception as error:  # noqa: BLE001 - any formatter
            self._report_error(f"formatter {' or '.join(self.config.format)}, start", error)
            return []
        return [GuardedFormatter(formatter, self.budgets, self._report_error) for formatter in chosen]

    def notify_run_error(self, error: RunError) -> None:
        """Report it, unless a signal may be its cause."""
        if self._signals.received is None:
            super().notify_run_error(error)

    def run_dry(self) -> bool:
        """Let behave's formatters print everything without running it; whether a step has no definition."""
        # The formatter of runs shows outcomes, and here is none.
        default = self.config.default_format
        self.config.format = ["plain" if name == default else name for name in self.config.format]
        self.config.show_timings = False
        self.formatters = make_formatters(self.config, self.config.outputs)
        return bool(self.run_model())

    def _report_error(self, what: str, error: BaseException) -> None:
        """Report what failed outside all scenarios: the run fails."""
        self.failed = True
        self.notify_run_error(RunError.from_exception(what, error))

    def _report_ended_servers(self, when: str) -> None:
        """Report each shared server that has ended or panicked, if no check has found that: the run fails.

        The next use of one that has ended gets a new one: without this, nothing would fail.
        """
        if self.suite is None or self._scenario is None or self._abort_reason() is not None:
            return
        for program in self.suite.shared_programs():
            name, end = program.process.command[0], program.take_unknown_end()
            found: list[tuple[str, str, str, tuple[str, ...]]] = []
            if end:
                # A server that crashes is a blocker, whatever runs at that moment.
                cause = cause_of_death(program, end)
                found = [("server that ended", f"{name} ended by itself: {end}", cause, ("blocker",))]
            found += [
                ("server that panicked", f"{name} logged a panic: {line}", "", ())
                for line in program.take_panics()
                if program.alive and not self._is_known_panic(self._scenario, line)
            ]
            for kind, what, cause, tags in found:
                feature, place = self._scenario.feature.name, location_of(self._scenario)
                self.failed = True
                message = f"{when}, {what}"
                error = RunError(kind, feature, place, message, status="failed", cause=cause, tags=tags)
                self.notify_run_error(error)

    def _is_known_panic(self, scenario: BehaveScenario, line: str) -> bool:
        """Whether the known issues of the scenario that ran last, or of a check in it, have this panic."""
        world = getattr(scenario, "world", None)
        ids = [check.id for check in world.checks] if world is not None else []
        # As the world reports it, and a check.
        failures = [
            ("after_scenario", f"the server's log contains a panic: {line}"),
            ("server", f"its log contains a panic: {line}"),
        ]
        return any(self._listing_of(scenario, name).covering(failures).entries for name in ("", *ids))

    def scenario_started(self, scenario: BehaveScenario) -> None:
        """A scenario is about to run."""
        self._cleanup_error = None
        self.budgets.begin(scenario.name, budget_of_scenario(scenario))

    def close(self) -> None:
        """End what was started. A signal does not interrupt that, its time limit does."""
        self._signals.record_only = True
        if self._signals.received is not None:
            # In order it could take longer than a user waits.
            kill_all()
        try:
            if self.suite is not None:
                self.budgets.run("cleanup", "the end of the suite", self.suite.close)
        except AssertionError as error:
            print(f"acceptance: {error}", file=sys.stderr)
        finally:
            self.budgets.close()
            kill_all()

    def with_time_limit(self, kind: Kind, label: str, work: Callable[P, R]) -> Callable[P, R]:
        """The same, within its time budget."""

        @functools.wraps(work)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.budgets.run(kind, label, functools.partial(work, *args, **kwargs))

        return run

    def _record_cleanup_error(self, context: BehaveContext, cleanup: object, error: Exception) -> None:
        Context.print_cleanup_error(context, cleanup, error)
        self._cleanup_error = self._cleanup_error or error

    def run_scenario(self, scenario: BehaveScenario, run: Callable[[Any], bool]) -> bool:
        """Run it, then give it its verdict, hooks and cleanups included."""
        assert self.suite is not None
        self._report_ended_servers("between two scenarios")
        self._scenario = scenario
        self.scenario_started(scenario)
        hook_failures, clock = self.hook_failures, WallClock()
        failed = bool(run(self))
        over = self.budgets.end()
        self._attach_cleanup_error(scenario)
        strict = self.suite.resolved.settings.acceptance_strict
        verdict = verdict_of(scenario, self._abort_reason(), strict=strict)
        failures = list(failures_of(scenario, self._cleanup_error))
        if over is not None:
            failures.append((TIME_LIMIT, over))
            verdict = over_time(verdict, over)
        listing = self._listing_of(scenario)
        verdict = apply_known_issues(verdict, listing, failures)
        if not listing.entries:
            known_in = self.suite.known_issues.known_elsewhere(scenario.name, failures)
            verdict = mark_known_elsewhere(verdict, known_in)
        if self._signals.why is not None and verdict.status not in ("passed", "out_of_scope"):
            # What it found may be an effect of the signal, which can reach all processes of a run.
            verdict = interrupted(self._signals.why)
        if (
            verdict.status == "passed"
            and self._first_answer_failure
            and SCRIPTED_MODEL in scenario.effective_tags
        ):
            verdict, self._first_answer_failure = Verdict("failed", self._first_answer_failure), ""
        if moved := clock.moved():
            world = getattr(scenario, "world", None)
            verdict = at_moved_clock(verdict, [] if world is None else world.checks, moved)
        scenario.verdict = verdict
        for base_url, lost, requests in RESPONSIVENESS.take_unreported():
            feature, place = scenario.feature.name, location_of(scenario)
            self.failed = True
            error = RunError(UNRESPONSIVE, feature, place, lost, "\n".join(requests), "failed")
            self.report_lost_server(base_url, error)
        if verdict.gates:
            # That a server ended or panicked is the cause, or one more thing that is wrong.
            for program in self.suite.shared_programs():
                program.take_unknown_end()
                program.take_panics()
        self._report_ended_servers("during this scenario, which found nothing wrong")
        in_force = self.suite.resolved
        finalize(scenario, verdict, in_force.table(), in_force.settings.acceptance_reports_dir)
        self.failed = self.failed or verdict.gates
        if verdict.status == "known_issue":
            # A hook that found it (a panic in the server's log) is no failure of the run either.
            self.hook_failures = hook_failures
            scenario.set_status(Status.skipped)
            return False
        if verdict.status == "skipped" and scenario.should_skip:
            # Skipped in its last step: behave counts the steps only, and all have passed.
            scenario.set_status(Status.skipped)
        if verdict.gates and not failed:
            scenario.set_status(Status.failed)
        return failed or verdict.gates

    def report_lost_server(self, base_url: str, error: RunError) -> None:  # noqa: ARG002 - of a worker
        """A server no longer answers: the run fails."""
        self.notify_run_error(error)

    def _listing_of(self, scenario: BehaveScenario, check: str = "") -> Listing:
        """The known issues that list it, or a check of it, of any component that it tested."""
        assert self.suite is not None
        tags = list(scenario.effective_tags)
        # Skipped before its start, it has no world.
        world = getattr(scenario, "world", None)
        judged = (
            self.suite.components_under_test(tags) if world is None else world.components_under_test(tags)
        )
        return self.suite.known_issues.find(judged, check or scenario.name)

    def _attach_cleanup_error(self, scenario: BehaveScenario) -> None:
        """behave prints the error of a cleanup, and does not keep it."""
        error = self._cleanup_error
        if error is not None and scenario.exception is None and not scenario.error_message:
            scenario.exception = error
            scenario.error_message = "".join(traceback.format_exception(error))

    @property
    def is_signalled(self) -> bool:
        """Whether a signal ends the run."""
        return self._signals.why is not None

    def _abort_reason(self) -> str | None:
        return self._signals.why or ("the run was aborted" if self.aborted else None)


def _reject_coroutine(work: Callable[..., object], what: str) -> None:
    if inspect.iscoroutinefunction(work):
        raise AcceptanceError(
            f"{what} is `async def`, and behave awaits only steps: it would do nothing; make it a plain `def`"
        )


def _reject_unreadable(locations: Iterable[FileLocation]) -> None:
    for name in dict.fromkeys(str(location.filename) for location in locations):
        try:
            Path(name).read_bytes().decode()
        except (OSError, UnicodeDecodeError) as error:
            remedy = remedy_of(error, "")
            raise SettingsError(f"{name}: cannot be read ({problem_of(error)}); {remedy}") from None


def _reject_unknown_lines(locations: Iterable[FileLocation], features: Sequence[BehaveFeature]) -> None:
    """A line is one of a scenario's, which is run, or that of `Feature:`, for all.

    For any other line behave takes the scenario before it, or the whole file.
    """
    for location in locations:
        if location.line is None:
            continue
        file = Path(location.filename)
        text = file.read_text(encoding="utf-8").splitlines()
        feature = next(feature for feature in features if Path(feature.filename).samefile(file))
        starts = [scenario.line for scenario in feature.walk_scenarios(with_outlines=True)]
        if location.line == feature.line or _is_within(location.line, starts, text):
            continue
        problem = (
            f"line {location.line} of {file} belongs to no scenario"
            if 1 <= location.line <= len(text)
            else f"{file} has no line {location.line}, it has {len(text)}"
        )
        raise SettingsError(
            f"{problem}; its scenarios begin at the lines {', '.join(map(str, starts))}; line {feature.line} "
            "runs all of them"
        )


def _is_within(line: int, starts: Sequence[int], text: Sequence[str]) -> bool:
    """Whether the line is from the title of a scenario up to its last step, with its tables and texts."""
    start = max((start for start in starts if start <= line), default=None)
    if start is None or line > len(text):
        return False
    end = min((other for other in starts if other > line), default=len(text) + 1) - 1
    # What stands before the next title: its tags, comments, blank lines.
    while end > start and text[end - 1].strip()[:1] in ("", "#", "@"):
        end -= 1
    return line <= end


def _reject_duplicate_titles(scenarios: Iterable[BehaveScenario]) -> None:
    counted = Counter(scenario.name for scenario in scenarios)
    twice = next((name for name, times in counted.items() if times > 1), None)
    if twice is not None:
        places = [location_of(scenario) for scenario in scenarios if scenario.name == twice]
        raise SettingsError(f"two scenarios have the title {twice!r}: {' and '.join(places)}; rename one")


def _cancel_tasks(step: Callable[P, R]) -> Callable[P, R]:
    """An interrupted `async def` step leaves its task in behave's event loop: cancel it with the step."""
    if not isinstance(step, AsyncFunction):
        return step

    @functools.wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result: R = step(*args, **kwargs)
        except BaseException as error:
            tasks = asyncio.all_tasks(step.loop)
            if not isinstance(error, Exception) and tasks:
                for task in tasks:
                    task.cancel()
                step.loop.run_until_complete(asyncio.wait(tasks, timeout=1))
            raise
        return result

    return run


def _contain_exit(step: Callable[..., object]) -> Callable[..., object]:
    """A step that calls `sys.exit` fails: it would end the run without hooks, cleanups and reports.

    A step that raises `NotSupported` skips the rest of its scenario. So does one that needs a server which no
    longer answers: that was reported when it was found (`run_scenario`), and has made the run red.
    """

    @functools.wraps(step)
    def run(context: BehaveContext, *args: object, **kwargs: object) -> object:
        try:
            return step(context, *args, **kwargs)
        except SystemExit as end:
            raise RuntimeError(f"the step called sys.exit({end.code!r})") from end
        except (NotSupported, ServerUnresponsive) as reason:
            # Not `scenario.skip()`: that prints a line of its own between the others.
            context.scenario.should_skip, context.scenario.skip_reason = True, str(reason)
            return None

    return run
