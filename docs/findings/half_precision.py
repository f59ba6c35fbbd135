"""Prompts are read four to five times slower in half precision on a CPU (0.7.0 to 0.8.1)

Steps: `mistralrs bench --cpu --prompt-len 1024` once as it is, and once with `--dtype f32`.

Expected: what is taken by default, half precision, is not slower than single precision, or it is not taken on
a CPU.

Received: 686 prompt tokens per second with the default, 3733 with `--dtype f32` (2 cores, AVX2). The profile
has the time in the attention of the CPU, `vec_dot_f32` and `f16_to_f32`: each number is converted by a call.
It grows with the square of the prompt. The engine 0.9.5 reads prompts equally fast with both.

The script runs the benchmark of `--program` with `--file` twice each way, and takes the better speed.
"""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, model_arguments, panic_line, program_output, run

PROMPT_TOKENS = 1024
# A row of the table: the test, its speed, its latency. Versions name the test differently.
ROW = re.compile(rf"\({PROMPT_TOKENS} [a-z ]*tokens\)\W+(\d+(?:\.\d+)?)")
RUNS = 2
TOLERATED = 2.0


def speed(options: Namespace, *more: str) -> float:
    """Prompt tokens per second."""
    words = ["bench", "--cpu", "--prompt-len", str(PROMPT_TOKENS), "--gen-len", "4", *more]
    found: list[float] = []
    for _ in range(RUNS):
        ended = program_output([options.program, *words, *model_arguments(options.file)])
        row = ROW.search(ended.output)
        if row is None:
            raise CannotDecide(
                f"exit code {ended.code}, no row for {PROMPT_TOKENS} tokens: {panic_line(ended.output)}"
            )
        found.append(float(row[1]))
    return max(found)


def check(options: Namespace) -> Iterator[Defect]:
    half, single = speed(options), speed(options, "--dtype", "f32")
    if single > TOLERATED * half:
        yield Defect(
            f"mistralrs bench --cpu --prompt-len {PROMPT_TOKENS}",
            f"{half:.0f} tokens per second, {single:.0f} with --dtype f32",
            "the default is not slower",
        )


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
