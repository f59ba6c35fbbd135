"""A GGML model is loaded, and every request makes the engine panic (0.8.1, 0.9.2, 0.9.5)

Steps: `mistralrs run -m DIR --format ggml -f FILE -i hello` with a GGML file (`--file`) whose folder has
its tokenizer.

Expected: an answer, or a rejected file.

Received: "Model loaded." after "Dummy run failed!", then a panic: `If a model has a NormalCache it must
have a model metadata`, and exit code 0 (0.8.1) or 101 (0.9.2). A server stays ready and healthy, and
answers each request with 500 `No response received from the model.`
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, model_arguments, panic_line, program_output, run


def check(options: Namespace) -> Iterator[Defect]:
    words = [options.program, "run", *model_arguments(options.file, "ggml"), "-i", "hello"]
    ended = program_output(words)
    if "panicked at" in ended.output or ended.code == 101:
        yield Defect(
            "a one-shot prompt for a GGML model",
            f"exit code {ended.code}: {panic_line(ended.output)}",
            "an answer",
        )
    elif ended.code:
        raise CannotDecide(f"the file was rejected with exit code {ended.code}: {panic_line(ended.output)}")


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
