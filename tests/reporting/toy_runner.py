"""The runner of the toy suite: behave's with listeners, records, and Allure results at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from support.reporting.allure_results import write_results
from support.reporting.recorder import Recorder
from support.results.behave_types import BehaveFeature
from support.results.record import read_records
from support.runner.event_runner import EventRunner


class ToyRunner(EventRunner):
    def run_model(self, features: Iterable[BehaveFeature] | None = None) -> bool:
        results, records = Path("reports/allure-results"), Path("reports/records.jsonl")
        results.mkdir(parents=True, exist_ok=True)
        with records.open("w", encoding="ascii", buffering=1) as stream:
            self.listeners.append(
                Recorder(lambda record: stream.write(record.to_line()), self.config, results)
            )
            failed = super().run_model(features)
        write_results(results, read_records(records))
        return failed
