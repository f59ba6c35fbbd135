"""A full context ends the chat in the terminal (0.8.1)

Steps: `mistralrs run -m DIR --format gguf -f FILE`, and a question whose answer reaches the end of the
model's context ("Tell me about forever" with the model of `acceptance model`).

Expected: the answer is cut, and a new prompt appears: the user can `/clear` and continue.

Received: `narrow invalid args start + len > dim_len`, then the engine's internal response,
`ChatCompletionResponse { ... }`, with the whole text once more; the program ends with exit code 0. A
message that does not fit into the context ends it too, in 0.9.2 as well. The engine 0.9.5 cuts the answer.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from _client import CannotDecide, Defect, Terminal, model_arguments, run, wait_until

ENDS_WITHIN = 3


def check(options: Namespace) -> Iterator[Defect]:
    with Terminal([options.program, "run", *model_arguments(options.file)]) as terminal:
        if "> " not in terminal.read(lambda text: text.rstrip(" ").endswith(">"), silence=60):
            raise CannotDecide(f"no prompt of a chat: {terminal.output[-200:]}")
        terminal.type("Tell me about forever\r")
        answer = terminal.read(lambda text: "Stats:" in text, silence=30)
        ended = wait_until(lambda: terminal.process.poll() is not None, ENDS_WITHIN)
        code = terminal.process.poll()
    if ended:
        sent = "in a chat: an answer that reaches the end of the context"
        yield Defect(sent, f"exit code {code}: {answer[-160:]}", "a cut answer and a new prompt")


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
