"""The behave formatter that shows a run while it runs: `-f live`."""

from __future__ import annotations

import atexit
import time

from behave.formatter.base import Formatter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from support.reporting.behave_events import (
    FinishedScenario,
    RunError,
    RunListener,
    add_listener,
    capability_of,
    selected,
)
from support.reporting.console import OutcomePrinter, scenario_line
from support.results.behave_types import BehaveConfig, BehaveFeature, BehaveScenario, BehaveStep
from support.results.outcome import Verdict
from support.results.safe_text import one_line, seconds

REDRAW_SECONDS = 0.1


class Live(Formatter, RunListener):  # type: ignore[misc]
    """A progress line on a terminal, one line per scenario elsewhere; failures are shown as they happen.

    behave replaces `sys.stdout` while a step runs, so that `sys.__stdout__` is written to. There is no thread
    that redraws: the line moves when something happens.
    """

    name = "live"
    description = "Progress while the run goes on, and each failure as it happens"

    def __init__(self, stream_opener: object, config: BehaveConfig) -> None:
        super().__init__(stream_opener, config)
        self._printer = OutcomePrinter()
        self._console = self._printer.console
        add_listener(config, self)
        self._total = 0
        self._heading = ""
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._drawn = 0.0
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                expand=True,
            )

    def feature(self, feature: BehaveFeature) -> None:
        if any(selected(scenario, self.config) for scenario in feature.walk_scenarios()):
            capability = capability_of(str(feature.filename)).replace("_", " ")
            self._heading = f"{capability}: {feature.name}"
            if self._progress is None:
                self._printer.print(self._heading, "bold")

    def result(self, _step: BehaveStep) -> None:
        if self._progress is not None and time.monotonic() - self._drawn > REDRAW_SECONDS:
            self._redraw()

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        super().close()

    def run_started(self, scenarios: int) -> None:
        self._total = scenarios

    def scenario_started(self, scenario: BehaveScenario) -> None:
        if self._progress is None:
            return
        if not self._progress.live.is_started:
            self._task = self._progress.add_task("", total=self._total or None)
            self._progress.start()
            # A progress line hides the cursor; a run that is ended from outside must give it back.
            atexit.register(self._progress.stop)
        width = max(10, self._console.width - 40)
        self._progress.update(self._task, description=_plain_markup(one_line(self._line(scenario), width)))
        self._redraw()

    def scenario_finished(self, finished: FinishedScenario) -> None:
        line = f"{seconds(finished.duration):>6}  {self._line(finished.scenario)}"
        if self._progress is None or finished.verdict.gates:
            self._printer.print_outcome(finished.verdict, line)
        if self._progress is not None:
            self._progress.update(self._task, advance=1)
            self._redraw()

    def run_error(self, error: RunError) -> None:
        place = f"{error.feature} / {error.name}" if error.feature else error.name
        self._printer.print_outcome(Verdict(error.status, error.message), f"        {place}")

    def _line(self, scenario: BehaveScenario) -> str:
        return scenario_line(capability_of(str(scenario.filename)), scenario.name or scenario.keyword)

    def _redraw(self) -> None:
        if self._progress is not None:
            self._drawn = time.monotonic()
            self._progress.refresh()


def _plain_markup(text: str) -> str:
    """A progress description is read as markup, where a bracket would be a tag."""
    return text.replace("[", r"\[")
