"""A benchmark of zero iterations succeeds (0.8.1)

Steps: `mistralrs bench --iterations 0 -m DIR --format gguf -f FILE`.

Expected: exit code 1 and a message. A script takes exit code 0 for a measurement. 0.9.2 rejects it:
`--iterations must be greater than 0`.

Received: the model is loaded, an empty table is printed, exit code 0.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import Defect, model_arguments, program_output, run, short


def check(options: Namespace) -> Iterator[Defect]:
    ended = program_output([options.program, "bench", "--iterations", "0", *model_arguments(options.file)])
    if ended.code == 0:
        received = f"exit code 0: {short(ended.output[-200:])}"
        yield Defect("mistralrs bench --iterations 0", received, "an exit code that is not 0")


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
