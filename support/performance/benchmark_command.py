"""`mistralrs bench` in the place of a load: its table as the figures of a round, beside those of a server.

The benchmark runs the engine without a server, so its speeds are those that a single user of one may come
near. Its prompt has the number of tokens of those of the load. A zero of its table is "not measured".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.errors import CheckFailed
from support.performance.load.plan import LoadPlan
from support.performance.load.prompts import RequestMaker
from support.performance.measured_load import DECODE_RATE, PREFILL_RATE, Round
from support.programs.process import CompletedCommand
from support.servers.benchmark_table import DECODE, PREFILL, read_benchmark_table

ITERATIONS = 5


@dataclass(frozen=True)
class BenchmarkSender:
    """Sends no load: runs the benchmark once. `run`: with these arguments."""

    run: Callable[[Sequence[str]], CompletedCommand]

    def __call__(self, plan: LoadPlan, folder: Path) -> Round:  # noqa: ARG002 - of every sender
        tokens = prompt_tokens(plan)
        done = self.run(
            [
                *("--prompt-len", str(tokens), "--gen-len", str(plan.output_tokens)),
                *("--iterations", str(ITERATIONS)),
            ]
        )
        if done.exit_code != 0:
            raise CheckFailed(f"the benchmark command failed\n{done.describe()}")
        return benchmark_round(done.stdout)


def prompt_tokens(plan: LoadPlan) -> int:
    """Of one prompt of the load, by the vocabulary of the suite's models."""
    # Not at the top: it imports the tokenizer's package.
    from support.models.llama import chat_prompt
    from support.models.vocabulary import base_vocabulary

    message = RequestMaker(plan).message(plan.prompt_words)
    return len(base_vocabulary().encode(chat_prompt([message])))


def benchmark_round(output: str) -> Round:
    """The figures of its table; raises `CheckFailed` for another text."""
    rows = {row.kind: row for row in read_benchmark_table(output)}
    if set(rows) != {PREFILL, DECODE}:
        raise CheckFailed(f"expected a row of prefill and one of decode, found {', '.join(rows)}")
    return Round(None, own={DECODE_RATE: rows[DECODE].speed, PREFILL_RATE: rows[PREFILL].speed})
