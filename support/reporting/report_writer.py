"""All that one run writes: what is cleared before, what is printed first, what is made at the end."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TextIO, cast

from support.errors import EXIT_BUDGET, EXIT_HARNESS, EXIT_PASSED, AcceptanceError
from support.programs.resource_usage import ResourceSampler
from support.reporting import evidence, html
from support.reporting.allure_formatter import attach_to_run, write_measurements
from support.reporting.files import write_atomically
from support.reporting.junit import write_junit
from support.reporting.matrix import Matrix, matrix_of
from support.reporting.rendering import matrix_html, matrix_markdown, render, run_summary
from support.reporting.report_json import build_report, write_report
from support.reporting.resource_chart import resource_chart
from support.reporting.summary import check_counts_text, counts_text, over_maximum
from support.results.outcome import Evidence
from support.results.record import Record, read_records
from support.results.redaction import RedactedStream, redact
from support.servers.discovery import Target
from support.settings import ResolvedSettings

# Seconds for all scenarios of a capability, added up: past the target is a warning, past the maximum is red.
CAPABILITY_BUDGETS: Mapping[str, tuple[float, float]] = {
    "binary_health": (5, 10),
    "model_loading": (30, 60),
    "openai_api": (20, 40),
    "ollama_api": (20, 40),
    "parity": (20, 40),
    "mcp": (10, 20),
    "terminal_chat": (20, 40),
    "performance": (120, 300),
}
# What a run writes beside its folders: that of an earlier run is removed.
FILES = (
    *("records.jsonl", "stacks.txt", "report.json", "index.html"),
    *("summary.md", "matrix.md", "matrix.html"),
)
REPORTED_PACKAGES = ("behave", "allure-behave", "httpx", "mistralrs")


def budgets(factor: float) -> dict[str, tuple[float, float]]:
    """For a machine that is so many times slower."""
    return {
        name: (target * factor, maximum * factor) for name, (target, maximum) in CAPABILITY_BUDGETS.items()
    }


class RunReports:
    """The reports folder of a run."""

    def __init__(self, resolved: ResolvedSettings, target: Target) -> None:
        self.folder = resolved.settings.acceptance_reports_dir
        self.results = self.folder / "allure-results"
        self.records = self.folder / "records.jsonl"
        self.stacks = self.folder / "stacks.txt"
        self.junit = self.folder / "junit"
        self._resources = ResourceSampler(self.folder / "resource-usage.csv")
        self._resolved = resolved
        self._budgets = budgets(resolved.settings.acceptance_time_factor)
        self._target = target

    def open_records(self, mode: Literal["w", "a"]) -> TextIO:
        """Buffered by line: a killed run keeps each record."""
        return self.records.open(mode, encoding="ascii", buffering=1)

    def prepare(self) -> None:
        """Remove what an earlier run left: a stale report would be taken for this one's.

        From here on behave's own output goes through the redactor as well.
        """
        sys.stdout, sys.stderr = (
            cast(TextIO, stream if isinstance(stream, RedactedStream) else RedactedStream(stream))
            for stream in (sys.stdout, sys.stderr)
        )
        try:
            for folder in (self.results, self.junit, self.folder / evidence.FOLDER):
                shutil.rmtree(folder, ignore_errors=True)
            for folder in (self.results, self.junit):
                folder.mkdir(parents=True)
            for name in FILES:
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise AcceptanceError(
                f"the reports folder {self.folder} cannot be written ({error.strerror}); "
                "choose another with acceptance_reports_dir"
            ) from None

    def print_header(self) -> None:
        """The target and why it was chosen, and the settings in force, those that are not defaults first."""
        place = getattr(self._target, "path", "not started by the suite")
        print(f"Target:   {self._target.label} ({place})")
        print(f"Why:      {self._target.why}")
        print(f"Ollama:   {self._ollama_api}")
        rows = self._resolved.table()
        lines = [f"{name} = {value} (from {origin})" for name, value, origin in rows if origin != "default"]
        defaults = [
            f"{name} = {value}" for name, value, origin in rows if origin == "default" and value != "-"
        ]
        lines += textwrap.wrap(f"by default: {', '.join(defaults)}", 100, break_on_hyphens=False)
        print("Settings: " + f"\n{'':10}".join(lines))
        print(flush=True)
        self._resources.start()

    def finish(self, code: int, *, suite: str, started: float) -> int:
        """Make the reports, print the verdict and the paths; the exit code of the run.

        A report that cannot be made turns a green run into a broken harness, never a red one into another.
        """
        self._resources.stop()
        records = read_records(self.records)
        write_junit(self.junit, records)
        write_measurements(self.results, records)
        duration = time.time() - started
        report = build_report(
            records, suite=suite, environment=self.environment(), started=started, duration=duration
        )
        made = {"JSON": write_report(self.folder / "report.json", report), "JUnit": self.junit}
        matrix = matrix_of(records)
        made |= {"Allure": self.results} | self._attach_run_evidence(matrix)
        if (self.folder / evidence.FOLDER).is_dir():
            made["Evidence"] = self.folder / evidence.FOLDER
        if self._resolved.settings.report_enabled("html"):
            try:
                made["HTML"] = html.build(
                    self.results,
                    self.folder / "index.html",
                    environment=self.environment(),
                    cache=self._resolved.settings.acceptance_cache_dir,
                    report_progress=print,
                    title=redact(f"mistral.rs acceptance: {self._target.label}"),
                    counted=_headline(records),
                )
            except AcceptanceError as error:
                print(f"acceptance: {error}", file=sys.stderr)
                print("acceptance: `-D acceptance_html=false` runs without the page", file=sys.stderr)
                code = code or EXIT_HARNESS
        for kind, name in (("junit", "JUnit"), ("allure", "Allure")):
            if not self._resolved.settings.report_enabled(kind):
                shutil.rmtree(made.pop(name), ignore_errors=True)
        if over_maximum(records, self._budgets):
            code = code or EXIT_BUDGET
        shown = run_summary(records, duration=duration, budgets=self._budgets, passed=code == EXIT_PASSED)
        made["Summary"] = self._write_ci_summary(
            render("summary.md", target=self._target.label, matrix=matrix, **shown)
        )
        print(f"\n{render('closing.txt', reports=made, **shown)}", flush=True)
        return code

    def _attach_run_evidence(self, matrix: Matrix) -> dict[str, Path]:
        """The matrix and the graph of resources: files, and on the report's page of the run."""
        pieces, made = [], {}
        if matrix:
            page = matrix_html(matrix).encode()
            write_atomically(self.folder / "matrix.md", matrix_markdown(matrix).encode())
            made["Matrix"] = write_atomically(self.folder / "matrix.html", page)
            pieces.append(Evidence("conformance by server", "text/html", page))
        record = self._resources
        if record.samples:
            made["Usage"] = record.file
            pieces += [
                Evidence("resources of the target", "image/svg+xml", resource_chart(record.samples).encode()),
                Evidence("resource-usage.csv", "text/csv", record.file.read_bytes()),
            ]
        attach_to_run(self.results, pieces)
        return made

    def _write_ci_summary(self, text: str) -> Path:
        # GitHub shows on the page of the job what is added to this file.
        if page := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with Path(page).open("a", encoding="utf-8") as stream:
                    stream.write(text)
            except OSError as error:
                print(f"acceptance: GITHUB_STEP_SUMMARY cannot be written: {error.strerror}", file=sys.stderr)
        return write_atomically(self.folder / "summary.md", text.encode())

    def environment(self) -> dict[str, str]:
        """What a reader has to know to repeat the run; secrets are redacted."""
        facts = {
            "target": self._target.label,
            "why this target": self._target.why,
            "Ollama API": self._ollama_api,
            "platform": platform.platform(),
            "python": platform.python_version(),
        }
        facts |= {name: version(name) for name in REPORTED_PACKAGES}
        facts |= {f"setting {name}": f"{value} ({origin})" for name, value, origin in self._resolved.table()}
        return {name: redact(value) for name, value in facts.items()}

    @cached_property
    def _ollama_api(self) -> str:
        # Not at the top: the HTTP client comes with it, and the first worker is started before.
        from support.servers.ollama_backends import preview

        return preview(self._resolved.settings, self._target.label)


def _headline(records: Sequence[Record]) -> str:
    """The counts of scenarios and checks, for the title of the page."""
    checks = check_counts_text(records)
    return f"{counts_text(records)}{f' (checks: {checks})' if checks else ''}"
