"""The behave runner of the suite: it checks a run before the start, and its exit code is never wrong.

Plain behave (1.3.3) passes when nothing was selected and when a step calls `sys.exit(0)` or `os._exit(0)`,
leaves its child processes behind at SIGTERM, and has only the exit codes 0 and 1. This runner closes these
gaps; `python -m behave` and `acceptance run` both use it, through `[tool.behave]` in pyproject.toml.

It makes the frame of a run: settings, selection, target, reports, exit code. Worker processes run the
scenarios, and it survives their crashes; with `acceptance_jobs=0` they run in this process, for a debugger.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from behave.api.runner import ITestRunner

from support.conformance.case_table import require_checks
from support.errors import (
    EXIT_FAILED,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_PASSED,
    AcceptanceError,
    SettingsError,
    internal_error,
)
from support.programs.deferred_interrupts import defer_interrupts
from support.programs.process import kill_all
from support.programs.run_directory import remove_own_folders
from support.reporting.behave_events import RunError, location_of
from support.reporting.files import lock_reports
from support.reporting.recorder import record_of, run_error_record
from support.reporting.report_writer import RunReports
from support.results.accepted_issues import AcceptedIssues
from support.results.behave_types import BehaveConfig, BehaveFeature, BehaveScenario, BehaveStep
from support.results.decision import Decision, Gate, decide
from support.results.known_issues import KnownIssues
from support.results.record import UNRESPONSIVE
from support.results.redaction import redact_output
from support.results.rerun_command import set_rerun_target
from support.runner.behave_config import command_line_of, require_usable, settings_of, usage_errors
from support.runner.checks_of_scenarios import (
    all_features,
    require_accepted,
    require_groups,
    require_thresholds,
    unselected,
)
from support.runner.project_configuration import misspelled_variables, require_project_configuration
from support.runner.requirements import find_target, install_on_first_use
from support.runner.scenario_runner import ScenarioRunner
from support.runner.scheduler import durations
from support.runner.signals import Signals
from support.runner.time_limits import STANDARD_ERROR
from support.runner.worker_pool import Worker, WorkerPool, prestarted_pool, workers_supported
from support.servers.discovery import (
    CommandTarget,
    Target,
    change_at_end,
    target_options,
)
from support.servers.subject import Subject
from support.settings import ResolvedSettings


def _require_assertions() -> None:
    """Raises `SettingsError` when Python removes `assert`: the verdicts of libraries may depend on it."""
    if not __debug__:
        raise SettingsError(
            "Python removes every `assert` (option -O or environment variable PYTHONOPTIMIZE), "
            "and with them checks of libraries; unset it"
        )


class GuardedRunner(ITestRunner):  # type: ignore[misc]
    """The runner that behave and `acceptance run` call."""

    def __init__(
        self, config: BehaveConfig, argv: Sequence[str] | None = None, pool: WorkerPool | None = None
    ) -> None:
        """`argv`: behave's command line; `pool`: the workers that have been started already, if any."""
        self.config = config
        self._argv = command_line_of(config) if argv is None else argv
        self._pool = pool
        self._signals = Signals(self._acknowledge, self._exit_now)
        self._runner = ScenarioRunner(config, self._signals)
        self._broken = False
        self._reports: RunReports | None = None
        self._durations: Mapping[str, float] = {}
        self._known_issues = KnownIssues(())
        # Those of this run, and all others below `features/`.
        self._features: list[BehaveFeature] = []

    @property
    def undefined_steps(self) -> list[BehaveStep]:
        """behave reads it after the run; every outcome but a pass has raised SystemExit before."""
        return []

    def run(self) -> bool:
        """Raises SystemExit for every outcome but a pass: behave itself has only the exit codes 0 and 1."""
        redact_output()
        try:
            with self._signals.handling(), usage_errors():
                _require_assertions()
                for line in filter(None, (require_project_configuration(), misspelled_variables())):
                    print(f"acceptance: {line}", flush=True)
                code = self._run()
        except AcceptanceError as error:
            print(f"acceptance: {error}", file=sys.stderr)
            code = error.exit_code
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
        except SystemExit as end:
            print(f"acceptance: a hook called sys.exit({end.code!r})", file=sys.stderr)
            code = EXIT_HARNESS
        except Exception as error:  # noqa: BLE001 - an internal error has its exit code
            print(f"acceptance: {internal_error(error)}", file=sys.stderr)
            code = EXIT_HARNESS
        finally:
            self._close()
        code = self._signals.exit_code or code
        if self._signals.exit_code is not None and self._reports is not None:
            self._reports.interrupt(code)
        if code != EXIT_PASSED:
            raise SystemExit(code)
        return False

    def _close(self) -> None:
        """End what the run started. A first signal waits for that, a second one ends everything at once."""
        with suppress(KeyboardInterrupt), self._signals.handling():
            self._runner.close()
            kill_all()
            if self._pool is not None:
                self._pool.close()
            if self._signals.received is not None:
                remove_own_folders()

    @staticmethod
    def _acknowledge(number: int) -> None:
        name = signal.Signals(number).name
        text = f"\nacceptance: {name}: the run ends and reports what is done (once more: without reports)\n"
        # Not `print`: the signal may have interrupted one.
        with suppress(OSError):
            os.write(STANDARD_ERROR, text.encode())

    def _exit_now(self, number: int) -> None:
        """A second signal: no report is written, but no process and no folder is left."""
        kill_all()
        if self._runner.suite is not None:
            shutil.rmtree(self._runner.suite.folder, ignore_errors=True)
        remove_own_folders()
        os._exit(128 + number)

    def _run(self) -> int:
        require_usable(self.config)
        if self._pool is None and self._argv is not None and not self.config.dry_run:
            self._pool = prestarted_pool(self._argv)
        resolved = settings_of(self.config)
        if not self.config.dry_run:
            lock_reports(resolved.settings.acceptance_reports_dir)
        if resolved.settings.acceptance_gate != "strict":
            self._known_issues = KnownIssues.load()
        jobs = self._worker_count(resolved)
        if jobs > 1 and self.config.format != [self.config.default_format] and not self.config.dry_run:
            raise SettingsError("-f: a formatter needs one worker; leave it out, or -j and acceptance_jobs")
        with self._runner.path_manager:
            self._runner.setup_paths()
            if jobs == 0 or self.config.dry_run:
                self._runner.load_code()
            scenarios = self._runner.selected()
            if self.config.dry_run:
                return EXIT_FAILED if self._runner.run_dry() else EXIT_PASSED
            require_groups(scenarios)
            cases = resolved.settings.selected_checks
            require_checks(sorted(cases), "acceptance_cases")
            scenarios = self._runner.selected_by_cases(scenarios, cases)
            self._features = all_features(self._runner.features)
            accepted = require_accepted(resolved, self._known_issues, self._features)
            require_thresholds(resolved.settings)
            target = find_target(scenarios, resolved)
            subject = self._subject(target, scenarios, resolved)
            reports = self._reports = RunReports(resolved, subject)
            self._durations = durations(reports.records.file)
            reports.prepare()
            reports.print_header()
            install_on_first_use(scenarios, resolved.settings, print, target)
            self.config.userdata["target_label"] = target.label
            set_rerun_target(target_options(target, resolved.settings))
            started = time.time()
            if jobs == 0:
                self._run_in_process(scenarios, resolved, target, reports)
            else:
                self._run_in_workers(jobs, scenarios, resolved, target, reports)
            with suppress(KeyboardInterrupt):
                self._report_changed_server(target, resolved, reports)
        default: Gate = "release" if subject.is_candidate else "regression"
        gate = resolved.settings.acceptance_gate or default
        return self._finish(scenarios, reports, started, gate, accepted)

    def _report_changed_server(self, target: Target, resolved: ResolvedSettings, reports: RunReports) -> None:
        """A server at a URL that has ended or was replaced during the run is a failure of the run."""
        records = reports.records.latest()
        # One that was given up is reported already: a second failure would have the same cause.
        given_up = any(record.name == UNRESPONSIVE for record in records)
        if self._signals.why is not None or not records or given_up:
            return
        if change := change_at_end(target, resolved.settings, resolved.origins):
            last = records[-1]
            error = RunError("server that changed", last.feature, last.location, change, status="failed")
            reports.records.write(run_error_record(error, self.config))

    @staticmethod
    def _subject(target: Target, scenarios: list[BehaveScenario], resolved: ResolvedSettings) -> Subject:
        # Not at the top: an HTTP client comes with it, which few runs need here.
        from support.servers.preconditions import require_surroundings

        return require_surroundings(
            {str(tag) for scenario in scenarios for tag in scenario.effective_tags}, resolved, target
        )

    def _worker_count(self, resolved: ResolvedSettings) -> int:
        """How many workers; 0: this process runs all."""
        jobs = resolved.settings.acceptance_jobs
        if jobs == 0:
            return 0
        why = None
        if not workers_supported():
            why = "worker processes are not supported on this platform"
        elif self._pool is None and not self.config.dry_run:
            why = "behave was called by another program, and its command line is not known"
        if why is not None:
            print(f"acceptance: {why}: running in-process; a step that kills the process ends the run")
            return 0
        return jobs

    def _run_in_process(
        self, scenarios: list[BehaveScenario], resolved: ResolvedSettings, target: Target, reports: RunReports
    ) -> None:
        runner = self._runner
        if "PYTHONBREAKPOINT" not in os.environ:
            sys.breakpointhook = self._debug
        runner.prepare(scenarios, resolved, target, reports.stacks)
        failed = runner.run_features(runner.features, reports.results, reports.records.write)
        self._broken = failed and not runner.failed

    def _debug(self, *_args: object, **_options: object) -> None:
        """`breakpoint()`: on the terminal, although behave captures output, and without time limits."""
        import pdb

        self._runner.budgets.disable()
        pdb.Pdb(stdout=sys.__stdout__).set_trace(sys._getframe().f_back)  # noqa: SLF001 - the frame of the caller, as in `pdb`

    def _run_in_workers(
        self,
        jobs: int,
        scenarios: list[BehaveScenario],
        resolved: ResolvedSettings,
        target: Target,
        reports: RunReports,
    ) -> None:
        from support.runner.coordinator import Coordinator
        from support.runner.result_collector import ResultCollector
        from support.runner.scheduler import Schedule, tasks_of

        pool, settings = self._pool, resolved.settings
        assert pool is not None
        tasks = tasks_of(scenarios)
        jobs = min(jobs, len(tasks))
        if jobs > 1 and settings.test_port is not None and isinstance(target, CommandTarget):
            print(f"acceptance: one worker, since test_port is one port: {settings.test_port}", flush=True)
            jobs = 1
        alone = jobs == 1

        def start(worker_id: str) -> Worker:
            with defer_interrupts():
                worker = pool.take(worker_id)
            worker.configure(target, to_terminal=alone)
            return worker

        coordinator = Coordinator(
            Schedule(tasks, self._durations, keep_order=alone),
            ResultCollector(self.config, reports, show_outcomes=not alone),
            start=start,
            signals=self._signals,
            stop_at_failure=bool(self.config.stop),
            time_factor=settings.acceptance_time_factor,
        )
        # The coordinator passes a signal on; here it only means that the run is over.
        with suppress(KeyboardInterrupt), defer_interrupts():
            coordinator.run([f"w{number + 1}" for number in range(jobs)])
        self._broken = coordinator.broken

    def _finish(
        self,
        scenarios: list[BehaveScenario],
        reports: RunReports,
        started: float,
        gate: Gate,
        accepted: AcceptedIssues,
    ) -> int:
        """Report the scenarios that did not run, and write the reports; the exit code."""
        # A signal that arrives now ends the page of the reports alone.
        with suppress(KeyboardInterrupt), defer_interrupts():
            decision, code = self._decide(scenarios, reports, gate, accepted)
        return reports.finish(
            code,
            decision,
            suite=str(self.config.userdata.get("suite", "acceptance")),
            started=started,
            known_issues=self._known_issues.entries,
            signalled=lambda: self._signals.exit_code,
        )

    def _decide(
        self, scenarios: list[BehaveScenario], reports: RunReports, gate: Gate, accepted: AcceptedIssues
    ) -> tuple[Decision, int]:
        """Report the scenarios that did not run; the decision and the exit code."""
        from support.runner.exit_code import exit_code, scenarios_not_run
        from support.runner.rerun import LAST_ITERATION, unlike_earlier
        from support.runner.result_collector import report_not_run

        selected = {location_of(scenario): scenario for scenario in scenarios}
        reasons, explained = scenarios_not_run(
            {place: str(scenario.feature.name) for place, scenario in selected.items()},
            reports.records.latest(),
            signalled=self._signals.why,
            fail_fast=bool(self.config.stop),
        )
        report_not_run(
            [(selected[place], why) for place, why in reasons.items()],
            self.config,
            reports,
            signalled=self._signals.why,
        )
        records = reports.records.latest()
        flaky = {entry.check or entry.scenario for entry in self._known_issues.entries if entry.flaky}
        left_out = [
            record_of(scenario, self.config, status="skipped", reason="not selected")
            for scenario in unselected(self._features, scenarios)
        ]
        decision = replace(
            decide(records, gate, accepted, flaky, left_out),
            earlier_no_go=str(self.config.userdata.get("earlier_no_go", "")),
            differing=unlike_earlier(reports.folder, records)
            if LAST_ITERATION in self.config.userdata
            else (),
        )
        broken = self._broken or not explained
        return decision, self._signals.exit_code or exit_code(records, selected, decision, broken=broken)
