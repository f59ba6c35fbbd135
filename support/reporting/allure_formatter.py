"""Allure results from behave: allure-behave with its false greens repaired.

Stock allure-behave 2.16.2 under behave 1.3.3 reports a failed hook as skipped or passed, a failed cleanup as
passed, a scenario inside a `Rule` not at all, and no reason for a skip. Here the verdict decides.
Layout of the files: https://allurereport.org/docs/how-it-works-test-result-file/
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any
from uuid import uuid4

import allure_commons
from allure_behave.formatter import AllureFormatter
from allure_behave.listener import AllureListener
from allure_behave.utils import step_status, step_status_details
from allure_commons.logger import AllureFileLogger
from allure_commons.model2 import (
    Attachment,
    GlobalAttachment,
    Globals,
    Label,
    Link,
    Parameter,
    Status,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import LabelType, LinkType
from allure_commons.utils import get_testplan, md5, now
from behave.formatter.base import Formatter, StreamOpener

from support.reporting.behave_events import (
    FinishedScenario,
    RunError,
    RunListener,
    add_listener,
    capability_of,
    capability_title,
    row_of,
    rule_of,
    setting,
    warn_incomplete,
)
from support.reporting.check_text import failure_text, reason_text
from support.reporting.files import write_atomically
from support.reporting.rendering import checks_html, scenario_html
from support.results.behave_types import BehaveConfig, BehaveFeature, BehaveScenario, BehaveStep
from support.results.check import CheckResult
from support.results.outcome import PLAIN_STATUS, PNG, Evidence, Verdict
from support.results.record import Record
from support.results.redaction import redact, redact_data, redact_tree
from support.results.safe_text import one_line, visible
from support.units import JsonObject

KNOWN_ISSUE_TAG = "known-issue"

# The extension decides which viewer Allure 3 opens.
EXTENSIONS = {
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "application/vnd.allure.http+json": "httpexchange",
    "image/svg+xml": "svg",
    PNG: "png",
}
# `unknown` is shown as "known or accepted" (support/reporting/html.py): Allure has no such status.
_STATUSES = PLAIN_STATUS | {"broken": Status.BROKEN, "known_issue": Status.UNKNOWN}


def attach_to_run(folder: Path, attachments: Iterable[Evidence]) -> None:
    """Show them on the page of the run: Allure's Global Attachments. For when all formatters are closed."""
    files = _FileLogger(str(folder))
    attached = []
    for piece in attachments:
        source = f"{uuid4()}-attachment.{_extension(piece.media_type)}"
        files.report_attached_data(piece.data, source)
        attached.append(
            GlobalAttachment(name=piece.name, source=source, type=piece.media_type, timestamp=now())
        )
    if attached:
        files.report_globals(Globals(attachments=attached))


class AcceptanceAllure(AllureFormatter, RunListener):  # type: ignore[misc]
    """`-f allure -o reports/allure-results`.

    `-D worker=NAME` names the lane of the timeline, `-D target_label=TEXT` keeps the results of two targets
    apart.
    """

    name = "allure"
    description = "Allure results, with failed hooks, failed cleanups, rules and known issues"

    def __init__(self, stream_opener: StreamOpener, config: BehaveConfig) -> None:
        """Raises OSError when the folder cannot be written."""
        Formatter.__init__(self, stream_opener, config)
        self.listener = _Listener(config)
        self.file_logger = _FileLogger(stream_opener.name)
        allure_commons.plugin_manager.register(self.listener)
        allure_commons.plugin_manager.register(self.file_logger)
        self.testplan = get_testplan()
        add_listener(config, self)

    def feature(self, feature: BehaveFeature) -> None:  # noqa: ARG002 - of the interface
        # Stock wraps the scenarios here.
        return

    def step(self, step: BehaveStep) -> None:
        if self.listener.current_scenario_uuid is not None:
            super().step(step)

    def match(self, match: object) -> None:
        if self.listener.steps:
            super().match(match)

    def result(self, result: object) -> None:
        if self.listener.current_step_uuid is not None:
            super().result(result)

    def add(self, finished: FinishedScenario) -> None:
        """Report a scenario that ended without events: its process died, or it was not run."""
        try:
            self.listener.begin(finished.scenario, finished.start)
            self.listener.end(finished)
        except Exception as error:  # noqa: BLE001 - an incomplete report does not change a result
            warn_incomplete("AcceptanceAllure.add", error)

    def scenario_started(self, scenario: BehaveScenario) -> None:
        self.listener.begin(scenario)

    def scenario_finished(self, finished: FinishedScenario) -> None:
        self.listener.end(finished)

    def run_error(self, error: RunError) -> None:
        self.listener.report_run_error(error)


class _FileLogger(AllureFileLogger):  # type: ignore[misc]
    """Writes results as ASCII: a lone surrogate in a message is no reason to lose the result.

    Whatever goes into the report passes here, and leaves its secrets.
    """

    def _report_item(self, item: Any) -> None:
        from attrs import asdict

        final = self._report_dir / item.file_pattern.format(prefix=uuid4())
        data = asdict(item, filter=lambda _, value: value or value is False)
        temporary = final.with_name(final.name + ".tmp")
        temporary.write_text(json.dumps(redact_tree(data), default=str), encoding="ascii")
        temporary.replace(final)

    @allure_commons.hookimpl  # type: ignore[untyped-decorator]
    def report_attached_data(self, body: str | bytes, file_name: str) -> None:
        data = body.encode(errors="backslashreplace") if isinstance(body, str) else body
        packed = file_name.endswith(f".{EXTENSIONS[PNG]}")
        super().report_attached_data(data if packed else redact_data(data), file_name)


class _Listener(AllureListener):  # type: ignore[misc]
    current_scenario_uuid: str | None
    current_step_uuid: str | None

    def begin(self, scenario: BehaveScenario, start: float | None = None) -> None:
        """`start` in epoch seconds; None: now."""
        self.steps.clear()
        self.start_scenario(scenario)
        test = self.logger.get_test(self.current_scenario_uuid)
        test.start = test.start if start is None else int(start * 1000)
        row = row_of(scenario)
        test.fullName = f"{scenario.feature.name}: {test.name}"
        target = setting(self.behave_config, "target_label")
        # Allure 3 ignores `historyId` and derives its own from `testCaseId` and the parameters.
        test.testCaseId = md5(scenario.feature.name, test.name, target)
        test.historyId = md5(test.testCaseId, *(f"{name}={value}" for name, value in row))
        test.parameters = [Parameter(name=name, value=value) for name, value in row]
        capability = capability_title(capability_of(str(scenario.filename)))
        rule = rule_of(scenario)
        test.titlePath = [part for part in (capability, scenario.feature.name, rule) if part]
        labels = [
            (LabelType.EPIC, capability),
            (LabelType.STORY, rule),
            (LabelType.PARENT_SUITE, capability),
            (LabelType.SUITE, scenario.feature.name),
            (LabelType.SUB_SUITE, rule),
            ("target", target),
            *_worker_labels(self.behave_config),
        ]
        test.labels.extend(Label(name=name, value=value) for name, value in labels if value)
        test.description = None
        test.descriptionHtml = scenario_html(scenario)

    def end(self, finished: FinishedScenario) -> None:
        """Close the scenario's test and report its checks as tests of their own."""
        uuid = self.current_scenario_uuid
        if uuid is None:
            return
        try:
            self.flush_steps()
            self._leave_open_steps()
            test = self.logger.get_test(uuid)
            _set_outcome(test, finished.verdict)
            if finished.verdict.status == "known_issue":
                # Allure shows the message of a failure only.
                known = test.statusDetails.message.partition("\n")[0]
                test.descriptionHtml = f"<p><b>{escape(known)}</b></p>\n{test.descriptionHtml}"
            if finished.checks:
                # The checks stand beside their scenario, in a folder of its title.
                _place_in_group(test, test.name)
                test.descriptionHtml += checks_html(finished.checks)
            for item in (piece for piece in finished.evidence if not piece.folder_only):
                try:
                    self.attach(item, uuid)
                except Exception as error:  # noqa: BLE001 - a formatter never raises
                    warn_incomplete("evidence", error)
            test.stop = now()
            self._report_checks(test, finished.checks)
            self.logger.close_test(uuid)
            self.group_context.append_test(uuid)
        finally:
            self.group_context.exit()
            self.current_scenario_uuid = self.current_step_uuid = None

    def _report_checks(self, scenario: TestResult, checks: Iterable[CheckResult]) -> None:
        target = setting(self.behave_config, "target_label")
        for check in checks:
            try:
                hooks = allure_commons.plugin_manager.hook
                hooks.report_result(result=check_result(scenario, check, target, _attach_repeat(check)))
            except Exception as error:  # noqa: BLE001 - a formatter never raises
                warn_incomplete(f"check {check.id}", error)

    def stop_behave_step(self, result: BehaveStep) -> None:
        # Statuses that stock does not know (error, hook_error, pending) would leave the step without one.
        status = step_status(result) or (Status.BROKEN if result.status.has_failed() else Status.SKIPPED)
        details = step_status_details(result)
        if details is not None:
            details.message, details.trace = visible(details.message or ""), visible(details.trace or "")
        for attached in self.logger.get_item(self.current_step_uuid).attachments:
            # Stock calls tables `.table` and texts `.text`.
            attached.name = attached.name.removeprefix(".")
        self.logger.stop_step(self.current_step_uuid, stop=now(), status=status, statusDetails=details)
        self.current_step_uuid = None

    def attach(self, item: Evidence, parent: str | None = None) -> None:
        self.logger.attach_data(
            str(uuid4()),
            item.data,
            name=item.name,
            attachment_type=item.media_type,
            extension=_extension(item.media_type),
            parent_uuid=parent,
        )

    def report_run_error(self, failure: RunError) -> None:
        """A test of its own: otherwise a red run would have an all-green report."""
        file = failure.location.rsplit(":", 1)[0]
        feature = failure.feature or "Harness"
        epic = capability_title(capability_of(file)) if failure.feature else "Harness"
        moment = now()
        test = TestResult(uuid=str(uuid4()), name=failure.name, start=moment, stop=moment)
        test.fullName = f"{feature}: {failure.name}"
        test.testCaseId = md5(test.fullName, setting(self.behave_config, "target_label"))
        test.historyId = test.testCaseId
        test.titlePath = [epic, feature]
        labels = [(LabelType.EPIC, epic), (LabelType.FEATURE, feature), *_worker_labels(self.behave_config)]
        test.labels = [Label(name=name, value=value) for name, value in labels]
        _set_outcome(test, Verdict(failure.status, failure.message, failure.trace))
        allure_commons.plugin_manager.hook.report_result(result=test)

    def _leave_open_steps(self) -> None:
        """A step that was cut off is still open, and would collect the steps of the next scenario."""
        items = self.logger._items  # noqa: SLF001 - the adapter has no public list of open steps
        for uuid in list(items):
            step = items.get(uuid)
            if isinstance(step, TestStepResult):
                step.stop, step.status = now(), step.status or Status.BROKEN
                items.pop(uuid)


def write_measurements(folder: Path, records: Iterable[Record]) -> None:
    """The measured figures of a run: one `<uuid>-perf.json`, for Allure 3's metrics page.

    `title` and `unit` are not Allure's; the page's configuration is made of them (support/reporting/html.py).
    """
    samples: list[JsonObject] = []
    for record in records:
        start, stop = int(record.start * 1000), int((record.start + record.duration) * 1000)
        for measure in record.measures:
            if math.isfinite(measure.value):
                samples.append({"id": str(uuid4()), "start": start, "stop": stop, **vars(measure)})
            else:
                warn_incomplete(f"measure {measure.key}", ValueError(f"{measure.value} cannot be drawn"))
    if samples:
        (folder / f"{uuid4()}-perf.json").write_text(json.dumps(samples), encoding="ascii")


def mark_accepted(folder: Path, records: Sequence[Record]) -> None:
    """Give what failed and is accepted the status of known issues: neither passed nor failed.

    For when all formatters are closed: the end of the run decides what is accepted.
    """
    accepted = {
        f"{record.feature}: {record.name}": record.reason for record in records if record.status == "accepted"
    } | {
        check.id: check.reason for record in records for check in record.checks if check.status == "accepted"
    }
    for file in folder.glob("*-result.json") if accepted else ():
        result = json.loads(file.read_bytes())
        if (reason := accepted.get(result["fullName"])) and result["status"] in ("failed", "broken"):
            details = result.setdefault("statusDetails", {})
            details["message"] = f"{redact(reason)}\n\n{details.get('message', '')}".rstrip()
            result["status"] = Status.UNKNOWN
            write_atomically(file, json.dumps(result).encode())


def _extension(media_type: str) -> str:
    return EXTENSIONS.get(media_type, "bin")


def _set_outcome(test: TestResult, verdict: Verdict) -> None:
    test.status = _STATUSES[verdict.status]
    # Allure groups by the first line.
    message = visible(f"cause: {verdict.cause}\n\n{verdict.message}" if verdict.cause else verdict.message)
    if verdict.status == "known_issue":
        message = f"known issue: {visible(verdict.why)}\n\n{message}".rstrip()
        test.labels.append(Label(name=LabelType.TAG, value=KNOWN_ISSUE_TAG))
        if verdict.source.startswith(("http://", "https://")):
            test.links.append(
                Link(LinkType.ISSUE, verdict.source, one_line(verdict.why, 80) or verdict.source)
            )
        elif verdict.source:
            message += f"\n\nsource: {visible(verdict.source)}"
    if message or verdict.trace:
        test.statusDetails = StatusDetails(
            known=True if verdict.status == "known_issue" else None,
            message=message or None,
            trace=visible(verdict.trace) or None,
        )


def check_result(
    scenario: TestResult, check: CheckResult, target: str, attachments: list[Attachment]
) -> TestResult:
    """The result of a check: at the place of its scenario, with its severity and tags."""
    test = TestResult(uuid=str(uuid4()), name=check.title, fullName=check.id)
    test.testCaseId = test.historyId = md5(check.id, target)
    test.start = int(check.start * 1000) or scenario.start
    test.stop = test.start + int(check.duration * 1000)
    test.titlePath = list(scenario.titlePath)
    test.labels = [*scenario.labels, Label(name="level", value=check.level)]
    test.labels = [label for label in test.labels if label.value != KNOWN_ISSUE_TAG]
    test.attachments = attachments
    test.descriptionHtml = checks_html([check])
    test.status = _STATUSES[check.status]
    message = "" if check.status == "passed" else reason_text(check)
    if check.status == "failed":
        message = failure_text(check)
    elif check.status == "known_issue":
        test.labels.append(Label(name=LabelType.TAG, value=KNOWN_ISSUE_TAG))
        message = f"{message}\n\n{failure_text(check)}"
    if message:
        known = True if check.status == "known_issue" else None
        test.statusDetails = StatusDetails(known=known, message=message)
    return test


def _attach_repeat(check: CheckResult) -> list[Attachment]:
    """The command that repeats the check's request, where it did not conform."""
    if not check.repeat or check.status not in ("failed", "known_issue"):
        return []
    source = f"{uuid4()}-attachment.txt"
    hooks = allure_commons.plugin_manager.hook
    hooks.report_attached_data(body=f"{check.repeat}\n".encode(), file_name=source)
    return [Attachment(name="curl", source=source, type="text/plain")]


def _place_in_group(test: TestResult, title: str) -> None:
    """A folder named after the group's scenario, in all trees of the page."""
    test.titlePath = [*test.titlePath, title]
    placed = (LabelType.STORY, LabelType.SUB_SUITE)
    test.labels = [label for label in test.labels if label.name not in placed]
    test.labels.extend(Label(name=name, value=title) for name in placed)


def _worker_labels(config: BehaveConfig) -> tuple[tuple[str, str], ...]:
    """Where the timeline draws it. No host name: a report is shown to others."""
    return (LabelType.HOST, "local"), (LabelType.THREAD, setting(config, "worker", "main"))
