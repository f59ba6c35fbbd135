"""The behave formatter that shows a run while it runs: `-f live`."""

from __future__ import annotations

import atexit
import time
from typing import Any

from behave.formatter.base import Formatter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from support.reporting.behave_events import (
    Ended,
    Outside,
    OutsideFailure,
    capability_of,
    harmless,
    selected,
    watch,
)
from support.reporting.console import OutcomeLines, scenario_line
from support.results.outcome import Verdict
from support.results.safe_text import one_line, seconds

REDRAW_SECONDS = 0.1


class Live(Formatter):  # type: ignore[misc]
    """A progress line on a terminal, one line per scenario elsewhere; failures are shown as they happen.

    behave replaces `sys.stdout` while a step runs, so that `sys.__stdout__` is written to. There is no thread
    that redraws: the line moves when something happens.
    """

    name = "live"
    description = "Progress while the run goes on, and each failure as it happens"

    def __init__(self, stream_opener: Any, config: Any) -> None:
        super().__init__(stream_opener, config)
        self._lines = OutcomeLines()
        self._console = self._lines.console
        self._outside = Outside(self._tell_outside)
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

    @harmless
    def feature(self, feature: Any) -> None:
        self._outside.begin(feature)
        wanted = watch(feature, self.config, self._begins, self._ends)
        if wanted:
            capability = capability_of(str(feature.filename)).replace("_", " ")
            self._heading = f"{capability}: {feature.name}"
            if self._progress is None:
                self._lines.print(self._heading, "bold")

    @harmless
    def step(self, step: Any) -> None:
        return

    @harmless
    def match(self, match: Any) -> None:
        return

    @harmless
    def result(self, result: Any) -> None:
        if self._progress is not None and time.monotonic() - self._drawn > REDRAW_SECONDS:
            self._redraw()

    @harmless
    def eof(self) -> None:
        self._outside.end()

    @harmless
    def close(self) -> None:
        self._outside.end()
        if self._progress is not None:
            self._progress.stop()
        super().close()

    @harmless
    def _begins(self, scenario: Any) -> None:
        if self._progress is None:
            return
        if not self._progress.live.is_started:
            self._task = self._progress.add_task("", total=self._total())
            self._progress.start()
            # A progress line hides the cursor; a run that is ended from outside must give it back.
            atexit.register(self._progress.stop)
        width = max(10, self._console.width - 40)
        self._progress.update(self._task, description=_plain_markup(one_line(self._line(scenario), width)))
        self._redraw()

    @harmless
    def _ends(self, ended: Ended) -> None:
        line = f"{seconds(ended.duration):>6}  {self._line(ended.scenario)}"
        if self._progress is None or ended.verdict.gates:
            self._lines.outcome(ended.verdict, line)
        if self._progress is not None:
            self._progress.update(self._task, advance=1)
            self._redraw()

    @harmless
    def _tell_outside(self, failure: OutsideFailure) -> None:
        place = f"{failure.feature} / {failure.name}" if failure.feature else failure.name
        self._lines.outcome(Verdict("broken", failure.message), f"        {place}")

    def _line(self, scenario: Any) -> str:
        return scenario_line(capability_of(str(scenario.filename)), scenario.name or scenario.keyword)

    def _redraw(self) -> None:
        if self._progress is not None:
            self._drawn = time.monotonic()
            self._progress.refresh()

    def _total(self) -> int | None:
        features = getattr(self._outside.runner, "features", None)
        if not features:
            return None
        return sum(
            selected(scenario, self.config) for feature in features for scenario in feature.walk_scenarios()
        )


def _plain_markup(text: str) -> str:
    """A progress description is read as markup, where a bracket would be a tag."""
    return text.replace("[", r"\[")
