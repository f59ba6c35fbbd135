"""The runner of the toy suite: behave's with listeners, records, and measured figures at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from support.reporting.allure_formatter import write_measurements
from support.reporting.recorder import Recorder
from support.results.behave_types import BehaveFeature
from support.results.record import read_records
from support.runner.event_runner import EventRunner


class ToyRunner(EventRunner):
    def run_model(self, features: Iterable[BehaveFeature] | None = None) -> bool:
        reports = Path("reports")
        reports.mkdir(exist_ok=True)
        with (reports / "records.jsonl").open("w", encoding="ascii", buffering=1) as stream:
            self.listeners.append(Recorder(lambda record: stream.write(record.to_line()), self.config))
            failed = super().run_model(features)
        write_measurements(reports / "allure-results", read_records(reports / "records.jsonl"))
        return failed
