"""All that one run writes: what is cleared before, what is printed first, what is made at the end."""

from __future__ import annotations

import hashlib
import math
import os
import platform
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path

from support.errors import (
    EXIT_BUDGET,
    EXIT_HARNESS,
    EXIT_INTERRUPTED,
    EXIT_TERMINATED,
    AcceptanceError,
    SettingsError,
)
from support.programs.cpu_contention import CpuContention
from support.programs.deferred_interrupts import defer_interrupts
from support.programs.resource_usage import ResourceSampler
from support.reporting import evidence, fault_evidence, html
from support.reporting.allure_formatter import attach_to_run, mark_accepted, write_measurements
from support.reporting.files import REPORT, USAGE, lock_reports, write_atomically
from support.reporting.github_job import job_annotations, write_job_summary
from support.reporting.junit import write_junit
from support.reporting.matrix import Matrix, matrix_of
from support.reporting.rendering import (
    decision_banner,
    known_issues_html,
    matrix_html,
    matrix_markdown,
    render,
    run_summary,
)
from support.reporting.report_json import build_report, write_report
from support.reporting.resource_chart import resource_chart
from support.reporting.run_verdict import RunVerdict
from support.reporting.summary import (
    CapabilityTime,
    budgets_of,
    check_counts_text,
    checks_of,
    contention_by_capability,
    counts_text,
)
from support.results.decision import Decision
from support.results.known_issues import KnownIssue
from support.results.outcome import Evidence
from support.results.record import Record, RecordLog
from support.results.redaction import redact
from support.results.standard_streams import output_is_lost
from support.servers.subject import Subject
from support.settings import ResolvedSettings
from support.user_files import problem_of

# Seconds for all scenarios of a capability, added up: past the target is a warning, past the maximum is red.
CAPABILITY_BUDGETS: Mapping[str, tuple[float, float]] = {
    "binary_health": (5, 10),
    "model_loading": (30, 60),
    "openai_api": (20, 40),
    "ollama_api": (20, 40),
    "parity": (20, 40),
    "mcp": (10, 20),
    "terminal_chat": (20, 40),
    # 40 scenarios in 150 s was the aim when this limit was set: so much for each of the 176 that there are.
    "aider": (660, 1320),
    "monitoring": (75, 150),
    "performance": (120, 300),
}
# Whose scenarios run alone, whatever the number of workers.
ALONE = frozenset({"performance"})
# A worker and the server that it tests keep so many busy.
PROCESSORS_PER_WORKER = 2
# What a run writes beside its folders: that of an earlier run is removed.
PAGES = {"known-issues.html": "Known issues", "matrix.html": "Matrix"}
FILES = ("records.jsonl", "stacks.txt", REPORT, USAGE, "index.html", "summary.md", "matrix.md", *PAGES)
INTERRUPTED = "interrupted"
# Reports that others are made of: made in each run, and kept where they are enabled.
OPTIONAL = ("junit", "allure")
REPORTED_PACKAGES = ("behave", "allure-behave", "httpx", "mistralrs")


def budgets(
    factor: float, workers: int = 1, processors: int = os.cpu_count() or 1
) -> dict[str, tuple[float, float]]:
    """For a machine that is so many times slower, and for workers that share its processors."""
    shared = max(1.0, workers * PROCESSORS_PER_WORKER / processors)
    factors = {name: factor * (1.0 if name in ALONE else shared) for name in CAPABILITY_BUDGETS}
    return {
        name: (target * factors[name], maximum * factors[name])
        for name, (target, maximum) in CAPABILITY_BUDGETS.items()
    }


@dataclass(frozen=True)
class _Written:
    """The verdict in the reports, what both summaries show, and the text of `summary.md`."""

    verdict: RunVerdict
    shown: Mapping[str, object]
    summary: str


class RunReports:
    """The reports folder of a run."""

    def __init__(self, resolved: ResolvedSettings, subject: Subject) -> None:
        self.folder = resolved.settings.acceptance_reports_dir
        self.results = self.folder / "allure-results"
        self.records = RecordLog(self.folder / "records.jsonl")
        self.stacks = self.folder / "stacks.txt"
        self.junit = self.folder / "junit"
        self._resources = ResourceSampler(self.folder / USAGE)
        self._contention = CpuContention()
        self._resolved = resolved
        self._budgets = budgets(resolved.settings.acceptance_time_factor, resolved.settings.acceptance_jobs)
        self._subject, self._target = subject, subject.target
        # The reports with their paths, and those that could not be made, with the reason.
        self._made: dict[str, Path] = {}
        self._unmade: dict[str, str] = {}
        # The pages beside the HTML report, by file name, and when the run began.
        self._pages: dict[str, str] = {}
        self._moment = ""
        self._known_issues: Sequence[KnownIssue] = ()
        # Why there is no HTML page.
        self._page_missing = ""
        # The decision in the reports, once they are written, and how they are written with another one.
        self._written: _Written | None = None
        self._write_again: Callable[[RunVerdict], _Written] | None = None

    def prepare(self) -> None:
        """Remove what an earlier run left: a stale report would be taken for this one's.

        Raises `SettingsError` when the folder cannot be written, and when another run writes to it: each
        would remove the other's results.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock_reports(self.folder)
            for folder in (self.results, self.junit, self.folder / evidence.FOLDER):
                if folder.exists():
                    # What cannot be removed is the reason; making it again would fail for its being there.
                    shutil.rmtree(folder)
            for folder in (self.results, self.junit):
                folder.mkdir(parents=True)
            for name in FILES:
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(
                f"the reports folder {self.folder} cannot be written ({problem_of(error)}); "
                "choose another with acceptance_reports_dir"
            ) from None

    def print_header(self) -> None:
        """The target and why it was chosen, and the settings in force, those that are not defaults first."""
        place = getattr(self._target, "path", "not started by the suite")
        print(f"Target:   {self._target.label} ({place})")
        print(f"Why:      {self._target.why}")
        print(f"Ollama:   {self._subject.ollama_api}")
        rows = self._resolved.table()
        lines = [f"{name} = {value} (from {origin})" for name, value, origin in rows if origin != "default"]
        defaults = [
            f"{name} = {value}"
            for name, value, origin in rows
            if origin == "default" and value not in ("", "-")
        ]
        lines += textwrap.wrap(f"by default: {', '.join(defaults)}", 100, break_on_hyphens=False)
        print("Settings: " + f"\n{'':10}".join(lines))
        print(flush=True)
        # Nothing of a target that is not started by the suite can be measured: its graphs would be zeros.
        if hasattr(self._target, "path"):
            self._resources.start()
        self._contention.start()

    def finish(
        self,
        code: int,
        decision: Decision,
        *,
        suite: str,
        started: float,
        known_issues: Sequence[KnownIssue] = (),
        signalled: Callable[[], int | None] = lambda: None,
    ) -> int:
        """Make the reports, print the decision and the paths; the exit code of the run.

        A report that cannot be made turns GO into NO-GO (exit code 4), never a red run into another; the HTML
        page changes nothing. The decision is printed in any case, and after it what could not be made. After
        a signal there is no page, which takes seconds. `signalled`: the exit code of a signal that arrived
        meanwhile, if any: it becomes that of the reports.
        """
        self._resources.stop()
        self._contention.stop()
        records, duration = self.records.latest(), time.time() - started
        contention = contention_by_capability(records, self._contention.share)
        times = budgets_of(records, self._budgets, contention)
        if any(time.is_late for time in times):
            code = code or EXIT_BUDGET
        code = signalled() or code
        for file, error in (
            (self.records.file, self.records.error),
            (self._resources.file, self._resources.error),
        ):
            if error is not None:
                self._unmade[file.name] = _reason(error)
        matrix = matrix_of(records)
        records = [decision.marked(record) for record in records]
        verdict = self._verdict(code, decision, times)
        self._page_missing, self._known_issues = INTERRUPTED, known_issues
        self._write_again = partial(
            self._write_verdict, records, matrix=matrix, suite=suite, started=started, duration=duration
        )
        # A signal that arrives now ends the page, and no other report.
        with suppress(KeyboardInterrupt):
            with defer_interrupts():
                self._write_others(records, verdict, matrix, started)
                self._written = self._write_again(verdict)
            if code not in (EXIT_INTERRUPTED, EXIT_TERMINATED):
                self._make_page(records, self._written.verdict)
        with defer_interrupts():
            return self._close(signalled())

    def interrupt(self, code: int) -> None:
        """A signal with this exit code ends the run: the decision in its reports is that of such a run.

        Nothing changes where they have it already, and where there are none yet.
        """
        if self._written is not None and self._written.verdict.exit_code != code:
            with defer_interrupts():
                self._close(code)

    def _close(self, signalled: int | None) -> int:
        """Print the closing text; the exit code."""
        assert self._written is not None
        assert self._write_again is not None
        if signalled is not None and signalled != self._written.verdict.exit_code:
            self._remove_page()
            verdict = replace(self._written.verdict, exit_code=signalled, unwritten=())
            self._written = self._write_again(verdict)
        self._remove_unwanted()
        write_job_summary(self._written.summary)
        verdict, shown = self._written.verdict, self._written.shown
        made = {name: path for name, path in self._made.items() if name not in self._unmade}
        print(f"\n{render('closing.txt', reports=made, **shown)}", flush=True)
        for line in job_annotations(verdict):
            print(line, flush=True)
        if output_is_lost():
            print(redact(verdict.text), file=sys.stderr)
        for name, why in self._unmade.items():
            print(f"acceptance: could not be written: {name}: {why}", file=sys.stderr)
        if self._page_missing and self._resolved.settings.report_enabled("html"):
            print(f"acceptance: no HTML page: {self._page_missing}", file=sys.stderr)
        return verdict.exit_code

    def _remove_page(self) -> None:
        """It has another decision, and so have the files that it was made of."""
        for file in (self.folder / "index.html", *(self.results / name for name in html.DESCRIPTIONS)):
            file.unlink(missing_ok=True)
        self._made.pop("HTML", None)
        self._page_missing = INTERRUPTED

    def _verdict(self, code: int, decision: Decision, times: Sequence[CapabilityTime]) -> RunVerdict:
        return RunVerdict(
            self._subject.label,
            code,
            decision,
            times,
            candidate=self._subject.is_candidate,
            evidence=self.folder / evidence.FOLDER,
            accepted_file=self._resolved.settings.acceptance_accepted,
            version_unknown=self._subject.version_unknown,
        )

    def _make(self, name: str, place: Path, write: Callable[[], object]) -> None:
        """A report at its place; a full disk costs the report, not the verdict."""
        try:
            write()
            self._made[name] = place
        except (OSError, AcceptanceError) as error:
            if name.lower() not in OPTIONAL or self._resolved.settings.report_enabled(name.lower()):
                self._unmade[name] = _reason(error)

    def _write_verdict(
        self,
        records: Sequence[Record],
        verdict: RunVerdict,
        *,
        matrix: Matrix,
        suite: str,
        started: float,
        duration: float,
    ) -> _Written:
        """The reports with the decision: again when one of them could not be written, which changes it."""
        file, summary = self.folder / REPORT, self.folder / "summary.md"
        while True:
            unwritten = tuple(self._unmade)
            if unwritten and (verdict.go or verdict.unwritten):
                verdict = replace(verdict, exit_code=EXIT_HARNESS, unwritten=unwritten)
            shown = run_summary(records, duration=duration, verdict=verdict)
            text = render("summary.md", matrix=matrix, **shown)
            report = build_report(
                records,
                verdict,
                suite=suite,
                environment=self._environment(verdict),
                started=started,
                duration=duration,
            )
            self._make("JSON", file, partial(write_report, file, report))
            self._make("JUnit", self.junit, partial(write_junit, self.junit, records, verdict))
            self._make("Summary", summary, partial(write_atomically, summary, text.encode()))
            self._pages = self._make_pages(matrix, verdict, verdict.text)
            for name, page in self._pages.items():
                place = self.folder / name
                self._make(PAGES[name], place, partial(write_atomically, place, page.encode()))
            if tuple(self._unmade) == unwritten:
                return _Written(verdict, shown, text)

    def _write_others(
        self, records: Sequence[Record], verdict: RunVerdict, matrix: Matrix, started: float
    ) -> None:
        self._make("Allure", self.results, lambda: write_measurements(self.results, records))
        self._make("Allure", self.results, lambda: mark_accepted(self.results, records))
        self._moment = f"{datetime.fromtimestamp(started).astimezone():%Y-%m-%d %H:%M %Z}"
        self._attach_run_evidence(matrix, verdict)
        if (self.folder / evidence.FOLDER).is_dir():
            self._made["Evidence"] = self.folder / evidence.FOLDER

    def _make_page(self, records: Sequence[Record], verdict: RunVerdict) -> None:
        """The HTML page, if it is enabled. It needs programs that other reports do not need."""
        settings, page = self._resolved.settings, self.folder / "index.html"
        if not settings.report_enabled("html"):
            return
        titles = {name: title for name, title in PAGES.items() if name in self._pages}
        try:
            self._made["HTML"] = html.build(
                self.results,
                page,
                environment=self._environment(verdict),
                cache=settings.acceptance_cache_dir,
                report_progress=print,
                title=redact(verdict.headline),
                counted=_headline(records),
                compared=self._compared(records),
                banner=decision_banner(
                    records,
                    verdict,
                    self._moment,
                    titles,
                    evidence.FOLDER if "Evidence" in self._made else "",
                    injected_faults=self._facts[fault_evidence.TITLE],
                ),
                pages=self._pages,
            )
            self._page_missing = ""
        except (OSError, AcceptanceError) as error:
            self._page_missing = _reason(error)

    def _compared(self, records: Sequence[Record]) -> str:
        """The target and the selection: only runs of the same ones make a trend."""
        selected = {(record.feature, record.name) for record in records if record.capability != "harness"}
        selected |= {(check.group, check.id) for check in checks_of(records)}
        digest = hashlib.sha256(repr(sorted(selected)).encode()).hexdigest()[:16]
        return redact(f"{self._subject.label}, {self._subject.ollama_api}, selection {digest}")

    def _environment(self, verdict: RunVerdict) -> dict[str, str]:
        return {"decision": redact(verdict.text), **self._facts}

    def _remove_unwanted(self) -> None:
        """Reports that others are made of, and that are not to be kept."""
        settings = self._resolved.settings
        for name, folder in (("JUnit", self.junit), ("Allure", self.results)):
            if not settings.report_enabled(name.lower()):
                self._made.pop(name, None)
                shutil.rmtree(folder, ignore_errors=True)

    def _make_pages(self, matrix: Matrix, verdict: RunVerdict, decision: str = "") -> dict[str, str]:
        """The pages beside the HTML report, by file name; without those that would be empty.

        `decision`: its text, for a page that is read alone.
        """
        versions = ", ".join(dict.fromkeys([self._target.label, self._subject.ollama_api]))
        moment = f"{self._moment}. {redact(decision)}".rstrip()
        pages = {
            "known-issues.html": known_issues_html(verdict, self._known_issues, versions.split(), moment),
            "matrix.html": matrix_html(matrix, f"{redact(versions)}; {moment}") if matrix else "",
        }
        return {name: page for name, page in pages.items() if page}

    def _attach_run_evidence(self, matrix: Matrix, verdict: RunVerdict) -> None:
        """The pages and the graph of resources on the report's page of the run, which has the decision."""
        pieces = [
            Evidence(PAGES[name].lower(), "text/html", page.encode())
            for name, page in self._make_pages(matrix, verdict).items()
        ]
        if matrix:
            file, text = self.folder / "matrix.md", matrix_markdown(matrix).encode()
            self._make("Matrix", file.with_suffix(".html"), lambda: write_atomically(file, text))
        samples, usage = self._resources.samples, self._resources.file
        if samples and usage.is_file():
            self._made["Usage"] = usage
            pieces += [
                Evidence(
                    "resources of all processes of the target, added up",
                    "image/svg+xml",
                    resource_chart(samples).encode(),
                ),
                Evidence(USAGE, "text/csv", usage.read_bytes()),
            ]
        pieces += fault_evidence.fault_pages(self.folder)
        self._make("Allure", self.results, lambda: attach_to_run(self.results, pieces))

    @cached_property
    def _facts(self) -> dict[str, str]:
        return self.environment()

    def environment(self) -> dict[str, str]:
        """What a reader has to know to repeat the run; secrets are redacted."""
        facts = {
            "target": self._target.label,
            "target file": str(getattr(self._target, "path", "")),
            "why this target": self._target.why,
            "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            "Ollama API": self._subject.ollama_api,
            "CPU used by other processes": f"{self._contention.share(0.0, math.inf):.0%}",
            fault_evidence.TITLE: fault_evidence.injected_faults(self.folder),
            "platform": platform.platform(),
            "python": platform.python_version(),
        }
        facts |= {name: version(name) for name in REPORTED_PACKAGES}
        facts |= {f"setting {name}": f"{value} ({origin})" for name, value, origin in self._resolved.table()}
        return {name: redact(value) for name, value in facts.items()}


def _reason(error: OSError | AcceptanceError) -> str:
    return redact(problem_of(error))


def _headline(records: Sequence[Record]) -> str:
    """The counts of scenarios and checks, for the title of the page."""
    checks = check_counts_text(records)
    return f"scenarios: {counts_text(records)}{f'; checks: {checks}' if checks else ''}"
