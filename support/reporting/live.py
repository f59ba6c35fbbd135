"""The behave formatter that shows a run while it runs: `-f live`."""

from __future__ import annotations

import atexit
import sys
import time
from typing import Any, TextIO

from behave.formatter.base import Formatter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from support.reporting.observing import (
    Ended,
    OutsideFailure,
    capability_of,
    failures_of_feature,
    harmless,
    selected,
    watch,
    watch_run,
)
from support.reporting.text import indented, one_line, seconds, visible
from support.reporting.verdict import Verdict

REDRAW_SECONDS = 0.1
_MARKS = {
    "passed": ("ok  ", "green"),
    "failed": ("FAIL", "bold red"),
    "broken": ("FAIL", "bold red"),
    "skipped": ("skip", "yellow"),
    "known_issue": ("know", "magenta"),
}


class SafeStream:
    """A text stream that takes any text: what it cannot encode is escaped, and a closed pipe is no error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding or "ascii"
        self.errors = "backslashreplace"

    def write(self, text: str) -> int:
        safe = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        try:
            return self._stream.write(safe)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        return self._stream.fileno()


class Live(Formatter):  # type: ignore[misc]
    """A progress line on a terminal, one line per scenario elsewhere; failures are shown as they happen.

    behave replaces `sys.stdout` while a step runs, so that `sys.__stdout__` is written to. There is no thread
    that redraws: the line moves when something happens.
    """

    name = "live"
    description = "Progress while the run goes on, and each failure as it happens"

    def __init__(self, stream_opener: Any, config: Any) -> None:
        super().__init__(stream_opener, config)
        stream = sys.__stdout__ if sys.__stdout__ is not None else sys.stdout
        # NO_COLOR (https://no-color.org) is rich's own business.
        self._console = Console(
            file=SafeStream(stream),  # type: ignore[arg-type]
            soft_wrap=True,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._runner = watch_run(self._outside)
        self._feature: Any = None
        self._heading = ""
        self._last_reason = ""
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
        self._feature = feature
        wanted = watch(feature, self.config, self._begins, self._ends)
        if wanted:
            capability = capability_of(str(feature.filename)).replace("_", " ")
            self._heading = f"{capability}: {feature.name}"
            if self._progress is None:
                self._print(self._heading, "bold")

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
        self._close_feature()

    @harmless
    def close(self) -> None:
        self._close_feature()
        if self._progress is not None:
            self._progress.stop()
        super().close()

    def _close_feature(self) -> None:
        feature, self._feature = self._feature, None
        if feature is not None:
            for failure in failures_of_feature(feature):
                self._outside(failure)

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
            self._outcome(ended.verdict, line)
        if self._progress is not None:
            self._progress.update(self._task, advance=1)
            self._redraw()

    @harmless
    def _outside(self, failure: OutsideFailure) -> None:
        place = f"{failure.feature} / {failure.name}" if failure.feature else failure.name
        self._outcome(Verdict("broken", failure.message), f"        {place}")

    def _outcome(self, verdict: Verdict, line: str) -> None:
        mark, style = _MARKS[verdict.status]
        text = Text(f"{mark} ", style=style)
        text.append(visible(line), style="default" if not verdict.gates else "bold")
        self._console.print(text)
        if verdict.gates:
            self._print(indented(verdict.message or "it failed without a message"), "")
        elif verdict.status == "skipped" and verdict.message != self._last_reason:
            self._print(indented(one_line(verdict.message, 300)), "dim")
            self._last_reason = verdict.message
        elif verdict.status == "known_issue":
            self._print(indented(one_line(f"known issue: {verdict.why}", 300)), "dim")

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(visible(text), style=style))

    def _line(self, scenario: Any) -> str:
        return (
            f"{capability_of(str(scenario.filename)).replace('_', ' ')} / {scenario.name or scenario.keyword}"
        )

    def _redraw(self) -> None:
        if self._progress is not None:
            self._drawn = time.monotonic()
            self._progress.refresh()

    def _total(self) -> int | None:
        features = getattr(self._runner, "features", None)
        if not features:
            return None
        return sum(
            selected(scenario, self.config) for feature in features for scenario in feature.walk_scenarios()
        )


def _plain_markup(text: str) -> str:
    """A progress description is read as markup, where a bracket would be a tag."""
    return text.replace("[", r"\[")
