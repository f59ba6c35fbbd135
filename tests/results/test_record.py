"""A record survives its line of JSON, with all that it holds."""

from __future__ import annotations

from support.results.check import CheckResult
from support.results.outcome import MatrixCell, Measurement
from support.results.record import Record, StepRecord

CELL = MatrixCell("ours 1.0", "passed", under_test=True)
CHECK = CheckResult(
    "openai.chat.body.empty", "an empty body is rejected", "malformed bodies", "must", "passed", cells=(CELL,)
)


def test_a_record_is_the_same_after_its_line() -> None:
    record = Record(
        name="Malformed bodies are rejected",
        feature="Errors",
        location="features/openai_api/errors.feature:7",
        capability="openai_api",
        status="passed",
        tags=("critical",),
        steps=(StepRecord("Then", "every case conforms", "passed", 0.1),),
        measures=(Measurement("a.b", "A", 1.0, "s"),),
        checks=(CHECK,),
        timed_out=True,
    )
    assert Record.from_line(record.to_line()) == record
